"""The job: an export by a saved format, of a period by rule, to a place. Never twice, also after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db.models import Max
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from avlas.system.job_kind import JobFailed, Parameter
from avlas.transfer.exports import making, sending
from avlas.transfer.exports.formatting import TooWide, zone_of
from avlas.transfer.exports.layout import BadLayout
from avlas.transfer.exports.periods import RULES, period
from avlas.transfer.exports.receipt import Receipt, ReceiptState
from avlas.transfer.exports.template import ExportTemplate
from avlas.transfer.places.place import Place
from avlas.transfer.places.road import PlaceError

if TYPE_CHECKING:
    from avlas.system.job_kind import Context
    from avlas.system.models import Utility
    from avlas.transfer.exports.layout import Layout
    from avlas.transfer.exports.rows import CellOf


def _templates(utility: Utility | None) -> list[tuple[str, str]]:
    return [
        (str(one.pk), one.name) for one in ExportTemplate.objects.filter(utility=utility).order_by("name")
    ]


def _places(utility: Utility | None) -> list[tuple[str, str]]:
    return [(str(one.pk), one.name) for one in Place.objects.filter(utility=utility).order_by("name")]


PARAMETERS: Final = (
    Parameter("template", _("Export"), "choice", choices=_templates),
    Parameter("period", _("Period"), "choice", default="last_month", choices=tuple(RULES.items())),
    Parameter("place", _("To"), "choice", choices=_places),
)


def run(context: Context, cell_of: CellOf) -> None:
    """Make the file once for this due time and send it. ``cell_of`` gives a variable's value in words."""
    template = _own(context, ExportTemplate, "template", gettext_noop("The export is not there any more."))
    place = _own(context, Place, "place", gettext_noop("The place is not there any more."))
    try:
        layout: Layout = template.read()
    except BadLayout as problem:
        raise JobFailed(gettext_noop("The export makes no sense: %(said)s"), said=str(problem)) from problem
    last_end = Receipt.objects.filter(job_id=context.job_id, state=ReceiptState.SENT).aggregate(Max("end_at"))
    start, end = period(
        str(context.parameters["period"]), context.due_at, zone_of(layout.borders), last_end["end_at__max"]
    )
    if start >= end:
        context.log(gettext_noop("Nothing to export: the last one went up to today."))
        return
    key = f"job/{context.job_id}/{context.due_at.isoformat()}"
    receipt = Receipt.objects.filter(key=key).first() or making.new_receipt(template, start, end, key=key)
    if receipt.state == ReceiptState.SENT:
        context.log(gettext_noop("%(file)s had been sent already."), file=receipt.file_name)
        return
    if not receipt.is_whole:
        Receipt.objects.filter(pk=receipt.pk).update(job=context.job_id)
        _make(context, receipt, layout, cell_of)
    try:
        sending.send(receipt, place)
    except PlaceError as problem:
        raise JobFailed(problem.text, **problem.values) from problem
    context.log(
        gettext_noop("%(file)s, %(rows)s rows, is sent to %(place)s."),
        file=receipt.file_name,
        rows=receipt.rows,
        place=place.name,
    )


def _own(context: Context, model: Any, name: str, gone: str) -> Any:
    given = str(context.parameters[name])
    found = model.objects.filter(utility=context.utility, pk=int(given) if given.isdecimal() else 0).first()
    if found is None:
        raise JobFailed(gone)
    return found


def _make(context: Context, receipt: Receipt, layout: Layout, cell_of: CellOf) -> None:
    def said(done: int, total: int) -> None:
        context.progress(done, total)

    try:
        replaced = making.make(receipt, layout, cell_of, said)
    except TooWide as problem:
        raise JobFailed(problem.text, **problem.values) from problem
    if replaced:
        context.log(
            gettext_noop("%(count)s signs are not in the encoding and were written as the nearest there is."),
            count=replaced,
        )
    if receipt.tally.get("without"):
        context.log(gettext_noop("%(count)s rows have no value."), count=receipt.tally["without"])
