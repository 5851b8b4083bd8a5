"""A meter's readings: all of them, entering one by hand, taking one out of use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode.families import as_sent
from avlas.decode.registers import BY_CODE
from avlas.meters import entered
from avlas.meters import formats as sent_formats
from avlas.meters.models import Kind, Meter, Quality, Reading, Source, VoidedReading
from avlas.system.models import Permission
from avlas.web import formats
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, find, page
from avlas.web.pages.fields import moment_field
from avlas.web.pages.figures import FiguresForm
from avlas.web.pages.meter_edit import who

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.utils.functional import Promise

MANAGE: Final = Permission.READING_MANAGEMENT
KINDS: Final[dict[Kind, Promise]] = {
    Kind.LIVE: gettext_lazy("heard"),
    Kind.LOGGED: gettext_lazy("stored by the meter"),
    Kind.ENTERED: gettext_lazy("entered"),
}
SOURCES: Final[dict[Source, Promise]] = {
    Source.RADIO: gettext_lazy("radio"),
    Source.WIRED: gettext_lazy("M-Bus"),
    Source.OPTICAL: gettext_lazy("optical head"),
    Source.NETWORK: gettext_lazy("network"),
    Source.TYPED: gettext_lazy("by hand"),
    Source.IMPORTED: gettext_lazy("imported"),
    Source.EXCHANGE: gettext_lazy("meter exchange"),
    Source.SIMULATED: gettext_lazy("simulated"),
}
QUALITIES: Final[dict[Quality, tuple[Promise, str]]] = {
    Quality.VOIDED: (gettext_lazy("void"), "bad"),
    Quality.ESTIMATED: (gettext_lazy("estimated"), "warn"),
    Quality.CONFLICT: (gettext_lazy("differing values"), "warn"),
    Quality.ROLLED_OVER: (gettext_lazy("rolled over"), ""),
    Quality.BACKWARDS: (gettext_lazy("backwards"), "bad"),
    Quality.IMPLAUSIBLE: (gettext_lazy("implausible"), "bad"),
    Quality.SENSOR_ERROR: (gettext_lazy("sensor error"), "bad"),
    Quality.CLOCK_WRONG: (gettext_lazy("clock wrong"), "warn"),
}
_COLUMNS: Final = (
    "energy_heat_kwh",
    "energy_cooling_kwh",
    "volume_m3",
    "electricity_import_kwh",
    "electricity_export_kwh",
    "input_a",
    "input_b",
    "flow_temperature_c",
    "return_temperature_c",
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One reading of the list."""

    row: Reading
    at: datetime
    kind: str
    source: str
    marks: list[tuple[Promise, str]]
    figures: list[tuple[str, str]]  # symbol, figure with its unit; "" where there is none
    said: dict[str, str]  # who entered it, how it was estimated, a note
    reason: str  # why it was voided

    @property
    def voided(self) -> bool:
        """Whether it is out of use."""
        return bool(self.row.quality & Quality.VOIDED)

    @property
    def slot(self) -> int:
        """Its place, as addresses have it."""
        return int(self.row.slot_at.timestamp())


def _shown(found: list[Reading], columns: list[str]) -> list[Shown]:
    specs = {
        number: sent_formats.parse(spec)
        for number, spec in sent_formats.specs({row.format_id for row in found}).items()
    }
    reasons = {}
    if found:
        voided = VoidedReading.objects.filter(
            meter_id=found[0].meter_id, slot_at__in=[row.slot_at for row in found]
        )
        reasons = {(one.slot_at, one.kind): one.reason for one in voided.order_by("pk")}
    shown = []
    for row in found:
        sent, figures = specs.get(row.format_id, {}), []
        for code in columns:
            value = getattr(row, code)
            unit, decimals = sent.get(code, (BY_CODE[code].unit, BY_CODE[code].decimals))
            text = "" if value is None else formats.quantity(as_sent(value, unit, decimals), unit, decimals)
            figures.append((BY_CODE[code].symbol, text))
        other = row.other if isinstance(row.other, dict) else {}
        shown.append(
            Shown(
                row,
                row.heard_at if row.kind == Kind.LIVE else row.slot_at,
                str(KINDS[Kind(row.kind)]),
                str(SOURCES.get(Source(row.source), "")),
                [(text, tone) for bit, (text, tone) in QUALITIES.items() if row.quality & bit],
                figures,
                other.get("entered", {}),
                reasons.get((row.slot_at, row.kind), "") if row.quality & Quality.VOIDED else "",
            )
        )
    return shown


@page()
def readings(request: PageRequest, pk: int) -> HttpResponse:
    """All readings of a meter, newest first."""
    own = find(request, Meter, pk)
    wanted = asked(request.GET, columns=(), sorts=(), default="")
    only = request.GET.get("kind", "")
    found = Reading.objects.filter(meter_id=own.pk)
    if only in ("0", "1", "2"):
        found = found.filter(kind=int(only))
    total = found.count()
    rows = list(found.order_by("-slot_at", "kind")[wanted.offset : wanted.offset + ROWS_PER_PAGE])
    columns = [code for code in _COLUMNS if any(getattr(row, code) is not None for row in rows)]
    context = {
        "meter": own,
        "rows": _shown(rows, columns),
        "columns": [BY_CODE[code] for code in columns],
        "pages": Pages(total, wanted.page),
        "kinds": [(str(int(kind)), text) for kind, text in KINDS.items()],
        "only": only,
        "may_change": MANAGE in request.allowed,
    }
    return render(request, "pages/readings.html", context)


class ReadingForm(FiguresForm):
    """A reading that somebody took, or estimates."""

    at = moment_field(label=gettext_lazy("Read at"))
    method = forms.CharField(
        label=gettext_lazy("Estimated: how"),
        max_length=200,
        required=False,
        help_text=gettext_lazy(
            "Only if nobody read it. For example: mean of the same month in two years. It is marked as estimated, "
            "and you stand for it."
        ),
    )
    note = forms.CharField(label=gettext_lazy("Note"), max_length=200, required=False)

    def clean_at(self) -> datetime:
        """A moment that has been."""
        at: datetime = self.cleaned_data["at"]
        if at > datetime.now(UTC):
            raise forms.ValidationError(_("This is in the future."))
        return at


@page(view=MANAGE, change=MANAGE)
def add(request: PageRequest, pk: int) -> HttpResponse:
    """Enter a reading by hand."""
    own = find(request, Meter, pk)
    form = ReadingForm(request.POST or None, meter=own, initial={"at": datetime.now(UTC)})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        if not form.doubted(data["at"]):
            try:
                entered.enter(
                    own, data["at"], form.figures, Source.TYPED, who(request),
                    estimated_by=data["method"].strip(), note=data["note"].strip(),
                )  # fmt: skip
            except entered.AlreadyThere:
                form.add_error("at", _("A reading is entered for this minute already. Void it first."))
            else:
                messages.success(request, _("The reading is kept."))
                return redirect("meter_readings", own.pk)
    refused = bool(form.errors or form.doubts)
    context = {"meter": own, "form": form}
    return render(request, "pages/reading_form.html", context, status=422 if refused else 200)


class VoidForm(forms.Form):
    """Why a reading is taken out of use."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        help_text=gettext_lazy("For example: read from the neighbour's meter."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


@page(view=MANAGE, change=MANAGE)
def void(request: PageRequest, pk: int, slot: int, kind: int) -> HttpResponse:
    """Take a reading out of use, with a reason."""
    own = find(request, Meter, pk)
    try:
        row = Reading.objects.get(meter_id=own.pk, slot_at=slot, kind=kind)
    except (Reading.DoesNotExist, OverflowError, ValueError, OSError) as problem:
        raise Http404 from problem
    form = VoidForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        entered.void(own, row.slot_at, Kind(row.kind), form.cleaned_data["reason"], who(request))
        messages.success(request, _("The reading is out of use. It stays in the list, marked."))
        return redirect("meter_readings", own.pk)
    columns = [code for code in _COLUMNS if getattr(row, code) is not None]
    context: dict[str, Any] = {
        "meter": own,
        "form": form,
        "shown": _shown([row], columns)[0],
    }
    return render(request, "pages/reading_void.html", context, status=422 if form.errors else 200)
