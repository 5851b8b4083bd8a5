"""A place on the map in a form: degrees, or north and east of a Swedish plane."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.reports.calc.sweref import SYSTEMS
from avlas.web.pages.fields import FloatNumberField

WGS84: Final = "WGS 84"
NORDIC_DEGREES: Final = ((53.0, 72.0), (4.0, 33.0))  # latitudes, longitudes


class PositionForm(forms.Form):
    """Coordinates. ``position`` is there once the form is valid: (latitude, longitude) or None."""

    system = forms.ChoiceField(
        label=gettext_lazy("Coordinates in"),
        choices=[(name, name) for name in (WGS84, *SYSTEMS)],
        required=False,
    )
    north = FloatNumberField(label=gettext_lazy("North (latitude)"), required=False)
    east = FloatNumberField(label=gettext_lazy("East (longitude)"), required=False)

    position: tuple[float, float] | None = None

    def clean(self) -> dict[str, Any]:
        """Turn the coordinates into degrees."""
        data = super().clean() or {}
        if "north" in self.errors or "east" in self.errors:
            return data
        north, east, system = data.get("north"), data.get("east"), data.get("system")
        if north is None and east is None:
            return data
        if north is None or east is None:
            self.add_error("north" if north is None else "east", _("Both coordinates are needed, or none."))
            return data
        try:
            place = SYSTEMS[system].to_degrees(north, east) if system in SYSTEMS else (north, east)
        except ValueError:
            place = (0.0, 0.0)
        (south, top), (west, right) = NORDIC_DEGREES
        if not (south <= place[0] <= top and west <= place[1] <= right):
            self.add_error(
                "north",
                _(
                    "This is far outside the Nordic countries. Are north and east swapped, or is it another system?"
                ),
            )
            return data
        self.position = (round(place[0], 7), round(place[1], 7))
        return data
