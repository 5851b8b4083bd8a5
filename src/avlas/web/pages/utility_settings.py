"""The utility's own settings: what is the same for everybody who works there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import connection, transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.meters import priority
from avlas.meters.models import Meter
from avlas.system.models import Permission, Utility
from avlas.system.utility_settings import ORDINARY_SLOTS, PRIORITY_SLOTS
from avlas.web.pages.access import PageRequest, page, record
from avlas.web.pages.account import time_zones

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.forms import BoundField
    from django.http import HttpResponse

_CONFIGURE = Permission.SYSTEM_CONFIGURATION
_TILES = re.compile(r"https?://[A-Za-z0-9{}.-]+(:\d{1,5})?/[^\s\"'<>;,]*")
_NEW = ("new_language", "new_time_zone")
_SHOWN = ("energy_unit",)
_BORDERS = ("day_borders",)
_SLOTS = ("slot_minutes", "priority_slot_minutes")
_SIGN_IN = ("second_factor",)
_KEPT = ("keep_all_months", "keep_daily_years", "keep_telegrams_months")
_MAP = ("map_tiles", "map_credit")
_SAMPLE: Final = 100  # meters whose telegrams are counted
_DAYS: Final = 7
_ROW_BYTES: Final = 60  # of a telegram in the database, besides its frame


def _spans(minutes: tuple[int, ...]) -> list[tuple[int, str]]:
    """Slot lengths in words."""
    said = []
    for one in minutes:
        hours, rest = divmod(one, 60)
        text = ngettext("%(n)d minute", "%(n)d minutes", one) % {"n": one}
        if not rest:
            text = ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
        said.append((one, text))
    return said


class UtilityForm(forms.ModelForm):  # type: ignore[type-arg]
    """What people may change about their utility."""

    new_time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=time_zones)
    slot_minutes = forms.TypedChoiceField(
        label=gettext_lazy("Ordinary meters"), coerce=int, choices=lambda: _spans(ORDINARY_SLOTS)
    )
    priority_slot_minutes = forms.TypedChoiceField(
        label=gettext_lazy("Priority meters"), coerce=int, choices=lambda: _spans(PRIORITY_SLOTS)
    )

    class Meta:
        model = Utility
        fields = ("name", *_NEW, *_SHOWN, *_BORDERS, *_SLOTS, *_SIGN_IN, *_KEPT, *_MAP)
        labels = {  # noqa: RUF012
            "name": gettext_lazy("Name"),
            "new_language": gettext_lazy("Language"),
            "energy_unit": gettext_lazy("Energy is shown in"),
            "day_borders": gettext_lazy("Days and months begin"),
            "second_factor": gettext_lazy("A second factor is required of"),
            "keep_all_months": gettext_lazy("All readings, for how many months"),
            "keep_daily_years": gettext_lazy("One reading a day, for how many years"),
            "keep_telegrams_months": gettext_lazy("Raw telegrams, for how many months"),
            "map_tiles": gettext_lazy("Address of map tiles"),
            "map_credit": gettext_lazy("Who made the map"),
        }
        help_texts = {  # noqa: RUF012
            "energy_unit": gettext_lazy(
                "In charts, tables and consumption reports. A meter's own figures stay as it shows them."
            ),
            "day_borders": gettext_lazy(
                "The Swedish rule for measured values is standard time. In civil time the days on which clocks change "
                "have 23 or 25 hours. Months that are closed keep the borders they were billed with."
            ),
            "second_factor": gettext_lazy(
                "An app's code or a passkey. Who has none is led to set one up, and can do nothing else until then."
            ),
            "keep_all_months": gettext_lazy("After that one reading a day is kept."),
            "keep_daily_years": gettext_lazy("After that no reading is kept, whatever brought it."),
            "keep_telegrams_months": gettext_lazy(
                "As they were heard: for proof, and to decode again what could not be read."
            ),
            "map_tiles": gettext_lazy(
                "For example https://tiles.example.se/{z}/{x}/{y}.png. Empty: only the maps of this installation."
            ),
            "map_credit": gettext_lazy("Stands in the map's corner, as most licences want it."),
        }
        widgets = {  # noqa: RUF012
            "map_tiles": forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none"})
        }

    def __init__(self, *args: Any, may_control_access: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_control_access:  # how people sign in is access control
            del self.fields["second_factor"]

    def parts(self) -> Iterator[tuple[str, str, list[BoundField]]]:
        """The fields by what they are about: heading, explanation, fields."""
        for title, explained, names in _PARTS:
            fields = [self[name] for name in names if name in self.fields]
            if fields:
                yield str(title), str(explained), fields

    def clean_map_tiles(self) -> str:
        """An address with the places of a tile's numbers."""
        address: str = self.cleaned_data["map_tiles"].strip()
        if address and not (
            _TILES.fullmatch(address) and all(part in address for part in ("{z}", "{x}", "{y}"))
        ):
            raise forms.ValidationError(
                _(
                    "Write the address with {z}, {x} and {y} where a tile's numbers go, beginning with https://."
                )
            )
        return address

    def clean(self) -> dict[str, Any]:
        """Coarser readings are kept longer than finer ones."""
        data: dict[str, Any] = super().clean() or {}
        months, years = data.get("keep_all_months"), data.get("keep_daily_years")
        if months and years and months > years * 12:
            self.add_error(
                "keep_daily_years",
                _("Readings a day are kept at least as long as all readings, %(n)d months.") % {"n": months},
            )
        return data


_PARTS: Final = (
    ("", "", ("name",)),
    (
        gettext_lazy("New users"),
        gettext_lazy("What an account begins with; everybody changes it for themselves."),
        _NEW,
    ),
    (gettext_lazy("Units"), "", _SHOWN),
    (
        gettext_lazy("Days"),
        gettext_lazy(
            "For charts, reports, billing, moving in and out, and new export formats; each says it."
        ),
        _BORDERS,
    ),
    (
        gettext_lazy("How often a reading is kept"),
        gettext_lazy(
            "Meters send more often than that; of each span the first telegram becomes a reading. Readings that are "
            "kept already stay as they are."
        ),
        _SLOTS,
    ),
    (gettext_lazy("Signing in"), "", _SIGN_IN),
    (
        gettext_lazy("How long things are kept"),
        gettext_lazy(
            "Only what the network collected is thinned to one a day: what was typed in, and readings at exchanges, "
            "stay whole until the years are over."
        ),
        _KEPT,
    ),
    (
        gettext_lazy("Map"),
        gettext_lazy(
            "Without an address the map shows the world's outline, the areas added with avlas map add, and the "
            "utility's own lines. The manual says where open map data is found."
        ),
        _MAP,
    ),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a year of raw telegrams takes, counted on a sample of the utility's meters."""

    meters: int
    telegrams: int  # a meter and day
    year_bytes: int


def cost_of_telegrams(utility: Utility, now: datetime) -> Cost | None:
    """Count what the newest meters' telegrams of the last days took; None when nothing was heard."""
    meters = Meter.objects.filter(utility=utility, retired_at=None)
    sample = list(meters.order_by("-pk").values_list("pk", flat=True)[:_SAMPLE])
    if not sample:
        return None
    blanks = ", ".join(["%s"] * len(sample))
    since = int((now - timedelta(days=_DAYS)).timestamp())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(sum(length(frame)), 0), min(slot_at) FROM telegram"
            f" WHERE meter_id IN ({blanks}) AND slot_at >= %s",
            [*sample, since],
        )
        count, size, first = cursor.fetchone()
    if not count:
        return None
    days = max(1.0, (now.timestamp() - first) / 86400)
    total = meters.count()
    a_meter_and_day = count / len(sample) / days
    year = 365 * total * a_meter_and_day * (size / count + _ROW_BYTES)
    return Cost(total, round(a_meter_and_day) or 1, int(year))


@page(view=_CONFIGURE, change=_CONFIGURE)
def utility_settings(request: PageRequest) -> HttpResponse:
    """Show and change the utility's settings."""
    before: dict[str, Any] = {name: getattr(request.utility, name) for name in UtilityForm.Meta.fields}
    form = UtilityForm(
        request.POST or None,
        instance=request.utility,
        may_control_access=Permission.ACCESS_CONTROL in request.allowed,
    )
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            changed = {name: [before[name], getattr(request.utility, name)] for name in form.changed_data}
            if changed:
                record(request, "utility.changed", target=request.utility.name, detail=changed)
            priority.use_lengths(request.utility)
        messages.success(request, _("The settings are saved."))
        return redirect("utility_settings")
    if form.errors:
        request.utility.refresh_from_db()
    context = {
        "form": form,
        "cost": cost_of_telegrams(request.utility, datetime.now(UTC)),
    }
    return render(request, "pages/utility_settings.html", context, status=422 if form.errors else 200)
