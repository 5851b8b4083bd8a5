"""A meter's readings as they are kept: every value with its moment, where it comes from and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode.registers import REGISTERS
from avlas.meters import formats as kept_formats
from avlas.meters.models import Kind, Meter, Quality, Reading, Source
from avlas.reports.latest import as_read
from avlas.reports.variables import BY_VARIABLE, in_canonical_unit
from avlas.web import formats, info_codes, words
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, find, page
from avlas.web.table_files import FILE_KINDS, table_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from decimal import Decimal

    from django.db.models import QuerySet
    from django.http import HttpResponse
    from django.utils.functional import Promise

    from avlas.reports.variables import Variable
    from avlas.web.table_files import Cell

KINDS: Final[dict[str, tuple[Kind, Promise]]] = {
    "live": (Kind.LIVE, gettext_lazy("heard")),
    "logged": (Kind.LOGGED, gettext_lazy("logged by the meter")),
    "entered": (Kind.ENTERED, gettext_lazy("entered")),
}
_KIND_WORDS: Final = dict(KINDS.values())
_SOURCES: Final[dict[Source, Promise]] = {
    Source.RADIO: gettext_lazy("radio"),
    Source.WIRED: gettext_lazy("M-Bus"),
    Source.OPTICAL: gettext_lazy("optical head"),
    Source.NETWORK: gettext_lazy("network"),
    Source.TYPED: gettext_lazy("typed"),
    Source.IMPORTED: gettext_lazy("imported"),
    Source.EXCHANGE: gettext_lazy("meter exchange"),
    Source.SIMULATED: gettext_lazy("simulated"),
}
_REGISTERS: Final = [one.code for one in REGISTERS if one.code != "info_code"]


@dataclass(frozen=True, slots=True)
class Line:
    """A reading as it is shown: ``values`` in the order of the columns."""

    at: datetime
    kind: str
    source: str
    values: list[Decimal | float | str | None]
    info: str
    marks: list[tuple[str, str, str]]  # sign, words, tone
    voided: bool


@page()
def meter_readings(request: PageRequest, pk: int) -> HttpResponse:
    """The readings of a period, newest first; ``file`` csv or xlsx gives them all as a file."""
    meter = find(request, Meter, pk)
    first, last = _day(request.GET.get("from", "")), _day(request.GET.get("to", ""))
    kind = request.GET.get("kind", "")
    found = _chosen(meter, first, last, kind)
    file = request.GET.get("file", "")
    if file in FILE_KINDS:
        return _file(request, file, meter, found)
    number = asked(request.GET, columns=(), sorts=("at",), default="-at").page
    pages = Pages(found.count(), number)
    number = min(number, pages.count)
    rows = list(found[(number - 1) * ROWS_PER_PAGE : number * ROWS_PER_PAGE])
    columns = _columns(rows)
    context = {
        "meter": meter,
        "columns": columns,
        "lines": list(_lines(meter, rows, columns)),
        "pages": Pages(pages.total, number),
        "first": first,
        "last": last,
        "wrong_way": first is not None and last is not None and first > last,
        "kind": kind if kind in KINDS else "",
        "kinds": {name: title for name, (_kind, title) in KINDS.items()},
        "narrowed": bool(first or last or kind in KINDS),
    }
    return render(request, "pages/meter_readings.html", context)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 < day.year < 9999 else None


def _chosen(meter: Meter, first: date | None, last: date | None, kind: str) -> QuerySet[Reading]:
    """Readings between two days as the reader's calendar has them, both included."""
    zone = formats.local(datetime.now(UTC)).tzinfo
    found = Reading.objects.filter(meter=meter)
    if first:
        found = found.filter(slot_at__gte=datetime.combine(first, time(), zone))
    if last:
        found = found.filter(slot_at__lt=datetime.combine(last + timedelta(days=1), time(), zone))
    if kind in KINDS:
        found = found.filter(kind=KINDS[kind][0])
    return found.order_by("-slot_at", "kind")


def _columns(rows: Sequence[Reading]) -> list[Variable]:
    """The registers that have a value in one of the rows."""
    return [BY_VARIABLE[code] for code in _REGISTERS if any(getattr(row, code) is not None for row in rows)]


def _lines(meter: Meter, rows: Sequence[Reading], columns: Sequence[Variable]) -> Iterator[Line]:
    texts = kept_formats.specs({row.format_id for row in rows})
    for row in rows:
        at = row.heard_at if row.kind == Kind.LIVE else row.slot_at
        sent = kept_formats.parse(texts.get(row.format_id, "{}"))
        values: list[Decimal | float | str | None] = []
        for column in columns:
            value = getattr(row, column.code)
            values.append(
                None
                if value is None
                else in_canonical_unit(as_read(column.code, value, sent, at, row.kind, row.quality))
            )
        info_code = getattr(row, "info_code", None)
        yield Line(
            at, str(_KIND_WORDS[Kind(row.kind)]), str(_SOURCES.get(Source(row.source), "")), values,
            info_codes.joined(meter.family, info_code), list(_marks(row.quality)),
            voided=bool(row.quality & Quality.VOIDED),
        )  # fmt: skip


def _marks(quality: int) -> Iterator[tuple[str, str, str]]:
    for one in Quality:
        name = (one.name or "").lower()
        if quality & one and name in words.MARKS:
            yield words.MARK_SIGNS[name], str(words.MARKS[name]), words.MARK_TONES.get(name, "muted")


def _file(request: PageRequest, kind: str, meter: Meter, found: QuerySet[Reading]) -> HttpResponse:
    rows = list(found)
    columns = _columns(rows)
    headings = [
        _("Time"),
        _("Origin"),
        _("Road"),
        *(one.heading for one in columns),
        _("Info codes"),
        _("Marks"),
    ]
    return table_file(
        request, kind, f"{_('readings')}-{meter}", headings, _cells(_lines(meter, rows, columns))
    )


def _cells(lines: Iterable[Line]) -> Iterator[list[Cell]]:
    for line in lines:
        marks = [text for _sign, text, _tone in line.marks] + ([_("taken out of use")] if line.voided else [])
        yield [line.at, line.kind, line.source, *line.values, line.info or None, "; ".join(marks) or None]
