"""The guided meter exchange: start or prepare it, fill in its steps, look at it whole, carry it out; undo it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.core.validators import RegexValidator
from django.db import transaction
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import exchange as meter_exchange
from avlas.meters import installing
from avlas.meters.adopt import adopt
from avlas.meters.entered import Figure
from avlas.meters.models import Exchange, Installation, Meter, MeterState, PulseInput
from avlas.reports.latest import latest
from avlas.web.pages.access import PageRequest, computer, find, page, rows
from avlas.web.pages.fields import date_field, moment_field
from avlas.web.pages.figures import FiguresForm
from avlas.web.pages.meter_edit import MANAGE, impossible, who
from avlas.web.pages.meter_stock import in_stock
from avlas.web.pages.search import holding

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse
    from django.utils.functional import Promise

STEPS: Final[dict[str, Promise]] = {
    "when": gettext_lazy("When and why"),
    "old": gettext_lazy("Last reading of the old meter"),
    "new": gettext_lazy("The new meter"),
    "first": gettext_lazy("First reading of the new meter"),
    "check": gettext_lazy("Check and carry out"),
}
REASONS: Final = (
    gettext_lazy("Revision due"),
    gettext_lazy("Faulty"),
    gettext_lazy("Wrong size"),
    gettext_lazy("Damaged"),
    gettext_lazy("Battery low"),
    gettext_lazy("Customer's request"),
)
_OFFERED: Final = 12
_LISTED: Final = 100


def _reason() -> forms.CharField:
    return forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=200,
        widget=forms.TextInput(attrs={"list": "reasons", "autocomplete": "off"}),
    )


def _note() -> forms.CharField:
    return forms.CharField(
        label=gettext_lazy("Note"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )


class StartForm(forms.Form):
    """Why a meter is exchanged, and for which day that is planned."""

    reason = _reason()
    planned_for = date_field(
        label=gettext_lazy("Planned for"),
        required=False,
        help_text=gettext_lazy(
            "If you prepare it before the visit. It waits under “Exchanges” until it is carried out."
        ),
    )
    note = _note()


class WhenForm(forms.Form):
    """When the exchange was made."""

    at = moment_field(label=gettext_lazy("Exchanged"))
    reason = _reason()
    note = _note()

    def __init__(self, *args: Any, old: Installation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._old = old

    def clean_at(self) -> datetime:
        """After the old meter came, and not in the future."""
        at: datetime = self.cleaned_data["at"]
        if at > datetime.now(UTC):
            raise forms.ValidationError(
                _("This is in the future. Prepare the exchange, and finish it when it is done.")
            )
        if at <= self._old.from_at:
            raise forms.ValidationError(_("This is before the meter was installed."))
        return at


class OldForm(FiguresForm):
    """What the old meter showed last."""

    unreadable = forms.BooleanField(
        label=gettext_lazy("The old meter can't be read any more"),
        required=False,
        help_text=gettext_lazy("What it used after its last reading is then not known, and shown so."),
    )

    def may_be_empty(self, data: dict[str, Any]) -> bool:
        """A broken meter shows nothing."""
        return bool(data.get("unreadable"))


class TypedForm(forms.Form):
    """A new meter that is neither in stock nor heard yet."""

    manufacturer = forms.CharField(
        label=gettext_lazy("Maker"),
        max_length=3,
        validators=[RegexValidator(r"^[A-Za-z]{3}$", gettext_lazy("Three letters, for example KAM."))],
    )
    serial = forms.CharField(
        label=gettext_lazy("Serial number"),
        max_length=20,
        validators=[
            RegexValidator(r"^[0-9A-Za-z./-]+$", gettext_lazy("Only letters, digits and . / - are allowed."))
        ],
    )

    def clean_manufacturer(self) -> str:
        """In capitals, as meters send it."""
        return str(self.cleaned_data["manufacturer"]).upper()


@page()
def exchanges(request: PageRequest) -> HttpResponse:
    """What is prepared, the nearest day first, and what was exchanged lately."""
    every = rows(request, Exchange).select_related("old__meter", "old__point", "new_meter", "done_by")
    context = {
        "planned": every.filter(state=Exchange.PLANNED).order_by("planned_for", "pk")[:_LISTED],
        "done": every.exclude(state=Exchange.PLANNED).order_by("-at", "-pk")[:_LISTED],
        "today": datetime.now(UTC).date(),
    }
    return render(request, "pages/exchanges.html", context)


@page(view=MANAGE, change=MANAGE)
def start(request: PageRequest, pk: int) -> HttpResponse:
    """Begin the exchange of a meter: on the spot, or prepared for a day."""
    own = find(request, Meter, pk)
    place = own.installations.select_related("point", "meter").filter(to_at=None).first()
    there = place.exchanges.filter(state=Exchange.PLANNED).first() if place else None
    form = StartForm(request.POST or None)
    if request.method == "POST" and place is not None and form.is_valid():
        try:
            made = meter_exchange.prepare(place, form.cleaned_data, who(request))
        except installing.Impossible as problem:
            form.add_error(None, impossible(problem))
        else:
            if made.planned_for is not None and "prepare" in request.POST:
                messages.success(request, _("The exchange is prepared."))
                return redirect("exchanges")
            return redirect("exchange", made.pk)
    context = {"meter": own, "place": place, "there": there, "form": form, "reasons": REASONS}
    return render(request, "pages/exchange_start.html", context, status=422 if form.errors else 200)


@page(change=MANAGE)
def exchange(request: PageRequest, pk: int) -> HttpResponse:
    """One exchange: its steps while it is prepared, what was done afterwards."""
    own = find(request, Exchange, pk)
    if own.state != Exchange.PLANNED or MANAGE not in request.allowed:
        return render(request, "pages/exchange_done.html", _done(own, UndoForm()))
    missing = meter_exchange.missing(own)
    step = request.GET.get("step", "")
    step = step if step in STEPS else next(iter(missing), "check")
    context: dict[str, Any] = {}
    if request.method == "POST":
        step = request.POST.get("step", "")
        if step not in STEPS:
            return redirect("exchange", own.pk)
        answer = _WHAT_STEPS_DO[step](request, own, context)
        if answer is not None:
            return answer
    form = context.get("form") or _first_form(own, step)
    own = Exchange.objects.select_related("old__meter", "old__point", "new_meter").get(pk=own.pk)
    context |= {
        "exchange": own,
        "steps": [(name, title, name not in meter_exchange.missing(own)) for name, title in STEPS.items()],
        "missing": meter_exchange.missing(own),
        "step": step,
        "title": STEPS[step],
        "form": form,
        "reasons": REASONS,
        "exchange_photos": list(own.photos.defer("content", "small").order_by("-at")),
        "other_medium": own.new_meter and not _measure_alike(own.old.meter.medium, own.new_meter.medium),
        **_shown(own),
    }
    if step == "new":
        context |= _offered(request, own)
    elif step == "old":
        context["proposed_at"] = max((one.at for one in latest(own.old.meter_id)), default=None)
    refused = request.method == "POST"
    return render(request, "pages/exchange.html", context, status=422 if refused else 200)


def _shown(own: Exchange) -> dict[str, Any]:
    return {
        "old_figures": [Figure.unpacked(one) for one in own.old_figures],
        "new_figures": [Figure.unpacked(one) for one in own.new_figures],
    }


def _at(own: Exchange) -> datetime:
    return own.at or datetime.now(UTC)


def _first_form(own: Exchange, step: str) -> forms.Form | None:
    """The form of a step with what is filled in already, or proposed."""
    if step == "when":
        first = {"at": _at(own), "reason": own.reason, "note": own.note}
        return WhenForm(old=own.old, initial=first)
    if step == "old":
        kept = [Figure.unpacked(one) for one in own.old_figures]
        return OldForm(
            meter=own.old.meter,
            proposed=kept or _newest(own.old.meter),
            initial={"unreadable": own.old_unreadable},
        )
    if step == "first" and own.new_meter is not None:
        kept = [Figure.unpacked(one) for one in own.new_figures]
        return FiguresForm(meter=own.new_meter, proposed=kept or _newest(own.new_meter))
    return TypedForm() if step == "new" else None


def _newest(meter: Meter) -> list[Figure]:
    """What a meter showed when it was last read, to be compared with its display."""
    return [Figure(one.register.code, one.figure, one.unit, one.decimals) for one in latest(meter.pk)
            if not isinstance(one.figure, float)]  # fmt: skip


def _go_on(own: Exchange) -> HttpResponse:
    missing = meter_exchange.missing(own)
    address = reverse("exchange", args=[own.pk])
    return redirect(f"{address}?step={missing[0] if missing else 'check'}")


def _save(own: Exchange, **values: Any) -> HttpResponse | None:
    """Write a step, unless the exchange was carried out meanwhile."""
    Exchange.objects.filter(pk=own.pk, state=Exchange.PLANNED).update(**values)
    own.refresh_from_db()
    return _go_on(own)


def _save_when(request: PageRequest, own: Exchange, context: dict[str, Any]) -> HttpResponse | None:
    form = context["form"] = WhenForm(request.POST, old=own.old)
    return _save(own, **form.cleaned_data) if form.is_valid() else None


def _save_old(request: PageRequest, own: Exchange, context: dict[str, Any]) -> HttpResponse | None:
    form = context["form"] = OldForm(request.POST, meter=own.old.meter)
    if not form.is_valid() or form.doubted(_at(own)):
        return None
    unreadable = form.cleaned_data["unreadable"]
    figures = [] if unreadable else [one.packed() for one in form.figures]
    return _save(own, old_figures=figures, old_unreadable=unreadable)


def _save_first(request: PageRequest, own: Exchange, context: dict[str, Any]) -> HttpResponse | None:
    if own.new_meter is None:
        return _go_on(own)
    form = context["form"] = FiguresForm(request.POST, meter=own.new_meter)
    if not form.is_valid() or form.doubted(_at(own)):
        return None
    return _save(own, new_figures=[one.packed() for one in form.figures])


def _save_new(request: PageRequest, own: Exchange, context: dict[str, Any]) -> HttpResponse | None:
    """The new meter: one in stock ("meter"), one that is heard ("heard"), or one typed in."""
    chosen = request.POST.get("choice", "")
    kind, _colon, number = chosen.partition(":")
    pk = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    meter: Meter | None = None
    if kind == "meter":
        meter = in_stock(request).filter(pk=pk).first()
    elif kind == "heard":
        state = rows(request, MeterState).filter(pk=pk, meter=None).first()
        meter = (
            next(iter(adopt(request.utility, [state], request.user, computer(request))), None)
            if state
            else None
        )
    elif kind == "typed":
        form = context["form"] = TypedForm(request.POST)
        if not form.is_valid():
            return None
        values = {**form.cleaned_data, "medium": own.old.meter.medium}
        serial = values["serial"]
        try:
            meter = installing.create(
                request.utility, values, serial if serial.isascii() and serial.isdigit() and len(serial) == 8 else "",
                who(request),
            )  # fmt: skip
        except installing.Impossible:
            meter = in_stock(request).filter(manufacturer=values["manufacturer"], serial=serial).first()
            if meter is None:
                form.add_error("serial", _("This meter is installed somewhere, or out of use."))
                return None
    if meter is None:
        context["problem"] = _("Choose the meter, or type it in.")
        return None
    values = {} if meter.pk == own.new_meter_id else {"new_figures": []}
    return _save(own, new_meter=meter, **values)


def _carry_out(request: PageRequest, own: Exchange, context: dict[str, Any]) -> HttpResponse | None:
    try:
        meter_exchange.carry_out(own, who(request))
    except installing.Impossible as problem:
        context["problem"] = impossible(problem)
        return None
    messages.success(request, _("The exchange is carried out. The old meter lies in stock."))
    return redirect("exchange", own.pk)


_WHAT_STEPS_DO: Final[dict[str, Callable[[PageRequest, Exchange, dict[str, Any]], HttpResponse | None]]] = {
    "when": _save_when,
    "old": _save_old,
    "new": _save_new,
    "first": _save_first,
    "check": _carry_out,
}


def _measure_alike(old: str, new: str) -> bool:
    """Whether a meter of one medium may stand where one of the other stood: nobody knows better, or they share one."""
    if not old or not new:
        return True
    if "water" in (old, new):  # which kind of water it does not say
        return old.endswith("water") and new.endswith("water")
    return bool(set(old.split("/")) & set(new.split("/")))


def _offered(request: PageRequest, own: Exchange) -> dict[str, Any]:
    """Meters to choose from: those in stock, then those heard that are nobody's; of the old one's medium first."""
    text = request.GET.get("q", "").strip()[:100]
    words = text.replace("\0", "").split()[:5]
    stock = holding(in_stock(request), ("serial", "manufacturer", "model"), words)
    medium = own.old.meter.medium
    alike = sorted(
        stock.order_by("-created_at", "serial")[: 20 * _OFFERED],
        key=lambda meter: not _measure_alike(medium, meter.medium),
    )
    heard = holding(
        rows(request, MeterState).filter(meter=None), ("identification", "manufacturer", "model"), words
    ).order_by("-rssi_dbm", "-last_heard_at")
    near = sorted(heard[: 20 * _OFFERED], key=lambda state: not _measure_alike(medium, state.medium))
    return {
        "text": text,
        "stock": alike[:_OFFERED],
        "heard": near[:_OFFERED],
        "chosen": f"meter:{own.new_meter_id}" if own.new_meter_id else "",
    }


class UndoForm(forms.Form):
    """Why an exchange is undone."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200)


def _ended_inputs(own: Exchange) -> list[PulseInput]:
    """The old meter's pulse inputs that ended with the exchange and count by no other meter yet."""
    if own.state != Exchange.DONE or own.at is None or own.new_meter_id is None:
        return []
    running = PulseInput.objects.filter(to_at=None).values("meter")
    ended = PulseInput.objects.filter(parent=own.old.meter, to_at=own.at).exclude(meter__in=running)
    return list(ended.select_related("meter").order_by("channel"))


def _done(own: Exchange, form: forms.Form) -> dict[str, Any]:
    own = Exchange.objects.select_related("old__meter", "old__point", "new_meter", "done_by").get(pk=own.pk)
    why_not = meter_exchange.why_not_undone(own)
    return {
        "exchange": own,
        "form": form,
        "may_undo": not why_not,
        "ended_inputs": _ended_inputs(own),
        "exchange_photos": list(own.photos.defer("content", "small").order_by("-at")),
        "why_not": impossible(installing.Impossible(why_not)) if why_not not in ("", "not_done") else "",
        **_shown(own),
    }


@page(view=MANAGE, change=MANAGE)
def undo(request: PageRequest, pk: int) -> HttpResponse:
    """Make an exchange undone, with a reason; one that is only prepared is withdrawn."""
    own = find(request, Exchange, pk)
    if request.method != "POST":
        return redirect("exchange", own.pk)
    form = UndoForm(request.POST)
    try:
        if own.state == Exchange.PLANNED:
            meter_exchange.withdraw(own, who(request))
            messages.success(request, _("The prepared exchange is withdrawn."))
            return redirect("exchanges")
        if form.is_valid():
            with transaction.atomic():
                meter_exchange.undo(own, form.cleaned_data["reason"], who(request))
            messages.success(request, _("The exchange is undone. The new meter lies in stock."))
            return redirect("exchange", own.pk)
    except installing.Impossible as problem:
        form.add_error(None, impossible(problem))
    return render(request, "pages/exchange_done.html", _done(own, form), status=422)
