"""The part of a form where somebody types what a meter's display shows, with doubts said before they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode.families import as_sent
from avlas.decode.registers import BY_CODE
from avlas.meters import entered
from avlas.meters.entered import Figure
from avlas.reports.latest import latest
from avlas.web import formats, words
from avlas.web.pages.fields import NumberField

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.http import QueryDict
    from django.utils.functional import Promise

    from avlas.meters.entered import Doubt
    from avlas.meters.models import Meter

_ENERGY_UNITS: Final = ("kWh", "MWh", "GJ")
DOUBTS: Final[dict[str, Promise]] = {
    entered.LOWER: gettext_lazy("%(register)s is lower than %(value)s on %(at)s."),
    entered.HIGHER: gettext_lazy(
        "%(register)s is higher than %(value)s, which the meter showed later, on %(at)s."
    ),
    entered.ROLLED: gettext_lazy(
        "%(register)s can only be right if the register has begun again at 0 since %(at)s, when it was %(value)s."
    ),
    entered.TOO_MUCH: gettext_lazy(
        "%(register)s: a meter of this size can't have counted so much since %(at)s, when it was %(value)s."
    ),
    entered.TOO_LITTLE: gettext_lazy(
        "%(register)s: a meter of this size can't have counted on to %(value)s until %(at)s."
    ),
}


class FiguresForm(forms.Form):
    """Figures of a meter's counters, at least one. ``proposed``: what the fields show first.

    Once it is valid ``figures`` says what was typed. What speaks against it is asked about once: see ``doubted``.
    """

    sure = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, data: QueryDict | None = None, *, meter: Meter, proposed: Sequence[Figure] = (), **kwargs: Any
    ) -> None:
        super().__init__(data.copy() if data is not None else None, **kwargs)
        self._meter = meter
        self._shown = {one.register.code: (one.unit, one.decimals) for one in latest(meter.pk)}
        offered: list[str] = [code for code in entered.ENTERABLE if code in self._shown]
        first = {one.register: one for one in proposed}
        self._codes: list[str] = offered or list(entered.registers_of(meter.medium))
        for code in self._codes:
            register = BY_CODE[code]
            unit = self._shown[code][0] if code in self._shown else ""
            label = f"{register.symbol} {words.register_name(code)}".strip()
            self.fields[code] = NumberField(
                label=f"{label}, {unit}" if unit else label,
                least=0,
                most=10**12,
                required=False,
                initial=first[code].figure if code in first else None,
            )
            if not unit:
                units = _ENERGY_UNITS if register.unit == "kWh" else (register.unit or "m³",)
                self.fields[f"{code}_unit"] = forms.ChoiceField(
                    label=_("Unit of %(register)s") % {"register": label},
                    choices=[(name, name) for name in units],
                    initial=first[code].unit if code in first else units[0],
                    required=False,
                )
        self.doubts: list[str] = []

    @property
    def figure_fields(self) -> list[tuple[forms.BoundField, forms.BoundField | None]]:
        """Each counter's field and, where the unit is not known, the field of its unit."""
        return [
            (self[code], self[f"{code}_unit"] if f"{code}_unit" in self.fields else None)
            for code in self._codes
        ]

    @property
    def figures(self) -> list[Figure]:
        """What was typed."""
        found = []
        for code in self._codes:
            figure = self.cleaned_data.get(code)
            if figure is None:
                continue
            known_unit, decimals = self._shown.get(code, ("", 0))
            unit = known_unit or self.cleaned_data.get(f"{code}_unit") or BY_CODE[code].unit
            found.append(Figure(code, figure, unit, decimals))
        return found

    def clean(self) -> dict[str, Any]:
        """At least one figure."""
        data = super().clean() or {}
        if not self.errors and not self.figures and not self.may_be_empty(data):
            raise forms.ValidationError(_("Type in at least one figure."))
        return data

    def may_be_empty(self, _data: dict[str, Any]) -> bool:
        """Whether no figure at all is fine too."""
        return False

    def doubted(self, at: datetime) -> bool:
        """Whether something speaks against the figures at ``at`` that the reader has not been asked about yet.

        The form then shows ``doubts``; sent again unchanged, it is believed.
        """
        found = entered.doubts(self._meter, at, self.figures)
        said = " ".join(
            [at.isoformat(), *(f"{one.code}:{one.register}" for one in found),
             *(f"{one.register}={one.value!r}" for one in self.figures)]
        )  # fmt: skip
        if not found or self.data.get("sure") == said:
            return False
        self.doubts = [_in_words(one, self._shown.get(one.register, ("", 0))) for one in found]
        self.data["sure"] = said  # type: ignore[index]  # a copy
        return True


def _in_words(doubt: Doubt, shown: tuple[str, int]) -> str:
    unit, decimals = shown if shown[0] else (BY_CODE[doubt.register].unit, BY_CODE[doubt.register].decimals)
    return str(DOUBTS[doubt.code]) % {
        "register": words.register_name(doubt.register),
        "value": formats.quantity(as_sent(doubt.value, unit, decimals), unit, decimals),
        "at": formats.date_time(doubt.at),
    }
