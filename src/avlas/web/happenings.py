"""What happened to a metering point's meters while it was consuming: exchanges and info codes, told in a chart."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from avlas.meters.models import InfoEvent, Installation, Meter
from avlas.web import formats, info_codes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from avlas.reports.consumption import Row, Span

_MOST_TOLD: Final = 3  # of one interval; the others are counted


@dataclass(frozen=True, slots=True)
class Happening:
    """Something at a moment: ``mark`` is one of words.MARKS, ``text`` says what and when."""

    at: datetime
    mark: str
    text: str


def happenings(spans: Sequence[Span], start: datetime, end: datetime) -> list[Happening]:
    """Give the exchanges between ``spans`` and their meters' info codes from ``start`` to ``end``, in order."""
    found = [*_exchanges(spans, start, end), *_info_codes(spans, start, end)]
    return sorted(found, key=lambda one: one.at)


def of_rows(rows: Sequence[Row], found: Sequence[Happening]) -> list[list[Happening]]:
    """Give the happenings of each interval; what happens at a border belongs to the interval it begins."""
    moments = [one.at for one in found]
    return [list(found[bisect_left(moments, row.start) : bisect_left(moments, row.end)]) for row in rows]


def told(found: Sequence[Happening], mark: str) -> list[str]:
    """Say an interval's happenings of one kind: the first few, and how many more there are."""
    texts = [one.text for one in found if one.mark == mark]
    more = len(texts) - _MOST_TOLD
    return texts if more <= 0 else [*texts[:_MOST_TOLD], _("and %(n)d more") % {"n": more}]


def _exchanges(spans: Sequence[Span], start: datetime, end: datetime) -> list[Happening]:
    at = [
        (before, after)
        for before, after in pairwise(spans)
        if after.from_at is not None and start <= after.from_at < end and before.meter_id != after.meter_id
    ]
    if not at:
        return []
    names = Meter.objects.in_bulk({span.meter_id for pair in at for span in pair})
    reasons = {
        (meter_id, to_at): reason
        for meter_id, to_at, reason in Installation.objects.filter(
            meter_id__in=[before.meter_id for before, _after in at]
        ).values_list("meter_id", "to_at", "reason")
    }
    said = []
    for before, after in at:
        if after.from_at is None:
            continue
        reason = reasons.get((before.meter_id, before.to_at), "")
        text = _("meter exchange %(at)s: %(old)s → %(new)s") % {
            "at": formats.date_time(after.from_at),
            "old": names[before.meter_id],
            "new": names[after.meter_id],
        }
        said.append(Happening(after.from_at, "exchange", f"{text} ({reason})" if reason else text))
    return said


def _info_codes(spans: Sequence[Span], start: datetime, end: datetime) -> list[Happening]:
    ids = {span.meter_id for span in spans}
    events = InfoEvent.objects.filter(meter_id__in=ids, at__gte=start, at__lt=end).exclude(code=0)
    said = []
    for event in events.select_related("meter").order_by("at"):
        if not any(_sat(event, span) for span in spans):  # it has been elsewhere too
            continue
        codes = "; ".join(one.text for one in info_codes.in_words(event.meter.family, event.code))
        text = _("info code %(at)s: %(codes)s") % {"at": formats.date_time(event.at), "codes": codes}
        said.append(Happening(event.at, "info_code", text))
    return said


def _sat(event: InfoEvent, span: Span) -> bool:
    return (
        event.meter_id == span.meter_id
        and (span.from_at is None or span.from_at <= event.at)
        and (span.to_at is None or event.at < span.to_at)
    )
