"""The worker's part: imports that wait are checked, taken in or undone, one after the other, in short transactions.

Whatever happens, it can go on where it was: rows leave staging, and deeds leave their table, in the transaction that
takes them in or undoes them.
"""

from __future__ import annotations

import logging
import time
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Sum

from avlas.meters.key_text import N_
from avlas.system import audit
from avlas.system.job_kind import Interrupted
from avlas.system.jobs import run_now
from avlas.system.models import Job
from avlas.system.told import told
from avlas.transfer import garbage
from avlas.transfer.imports import (
    fields,
    reading_plan,
    reading_row,
    register_row,
    sheet,
    staging,
    taking_in,
    undoing,
)
from avlas.transfer.imports.errors import ImportProblem
from avlas.transfer.imports.known_files import FORMATS
from avlas.transfer.imports.models import (
    Import,
    ImportDeed,
    ImportFile,
    ImportKind,
    ImportRow,
    ImportStatus,
    Verdict,
)
from avlas.transfer.imports.reading_plan import ReadingChunk
from avlas.transfer.imports.register_plan import Chunk, Judged, Seen
from avlas.transfer.imports.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from avlas.system.job_kind import Context
    from avlas.system.models import User
    from avlas.transfer.imports.register_row import Fault, Rules
    from avlas.transfer.imports.sheet import Line
    from avlas.transfer.imports.staging import Staged

logger = logging.getLogger(__name__)

JOB: Final = "imports"
"""The kind of the job."""
WAITING: Final = (ImportStatus.CHECK, ImportStatus.TAKE_IN, ImportStatus.UNDO)
UNDO_WITHIN: Final = timedelta(days=30)
LEFT_LYING: Final = timedelta(days=7)
"""How long an import that nobody went on with is kept, with its file."""
_AIM_SECONDS: Final = 0.2
_FIRST, _SMALLEST, _LARGEST = 200, 20, 600
_TRIES: Final = 3


class _NotWhole(Exception):  # noqa: N818
    """A row of an import that comes in whole or not at all can't be taken in any more."""

    def __init__(self, judged: Judged) -> None:
        super().__init__(judged.line)
        self.judged = judged


@dataclass(frozen=True, slots=True)
class _Kind:
    """How tables of one kind are understood, judged, taken in and undone."""

    understand: Callable[[Line, Rules], tuple[Any, list[Fault]]]
    chunk: Callable[..., Any]
    take_in: Callable[..., dict[str, int]]
    undo: Callable[[Import, ImportDeed], dict[str, int]]


KINDS: Final[dict[str, _Kind]] = {
    ImportKind.REGISTER: _Kind(register_row.understand, Chunk, taking_in.take_in, undoing.undo),
    ImportKind.READINGS: _Kind(reading_row.understand, ReadingChunk, reading_plan.take_in, reading_plan.undo),
}


class _Pace:
    """How many rows one transaction takes, so that it is over in a quarter of a second."""

    def __init__(self) -> None:
        self.size = _FIRST
        self._began = 0.0

    def begin(self) -> None:
        self._began = time.monotonic()

    def end(self, count: int) -> None:
        took = max(time.monotonic() - self._began, 1e-4)
        self.size = max(_SMALLEST, min(int(count * _AIM_SECONDS / took), 2 * self.size, _LARGEST))


def run(context: Context) -> None:
    """Do what waits (the job's function)."""
    while True:
        context.check()
        waiting = Import.objects.filter(status__in=WAITING).exclude(
            job__isnull=False, status__in=[ImportStatus.CHECK, ImportStatus.TAKE_IN], by=None
        )  # those are with the job that brought them, until somebody asks for something on their pages
        one = waiting.select_related("utility", "by").order_by("pk").first()
        if one is None:
            break
        do(one, context.progress)
        context.log(
            N_("%(name)s: %(status)s."), name=one.name, status=told(str(ImportStatus(one.status).label), {})
        )
    forget_old(datetime.now(UTC))


def do(one: Import, progress: Callable[[int, int | None], None] = lambda _done, _total: None) -> None:
    """Check, take in or undo one import, as its status says; a failure is written down with it."""
    steps = {ImportStatus.CHECK: check, ImportStatus.TAKE_IN: _take_in, ImportStatus.UNDO: _undo}
    try:
        with garbage.program_left_out():
            steps[ImportStatus(one.status)](one, progress)
    except Interrupted:
        raise
    except ImportProblem as problem:
        _fail(one, told(problem.text, problem.values))
    except Exception as problem:
        logger.exception("import %s failed", one.pk)
        said = f"{type(problem).__name__}: {problem}"[:300]
        _fail(one, told(N_("An error in the program: %(error)s"), {"error": said}))


def _fail(one: Import, why: dict[str, Any]) -> None:
    """What was taken in stays until it is undone; what wasn't can be looked at again."""
    before = one.status
    one.told = why
    one.status = {ImportStatus.CHECK: ImportStatus.COLUMNS}.get(ImportStatus(before), ImportStatus.FAILED)
    one.save(update_fields=["status", "told"])


def content(one: Import) -> bytes:
    """The bytes of its file. Raises ImportFile.DoesNotExist when they are no longer kept."""
    return zlib.decompress(ImportFile.objects.get(of=one).packed)


def check(one: Import, progress: Callable[[int, int | None], None]) -> None:
    """Read the file into staging, each row with what would become of it."""
    kind, settings = KINDS[one.kind], Settings.of(one.settings)
    read = _message_file if settings.format else _table
    total, lines, headings = read(one, settings, datetime.now(UTC))
    staging.clear(one)  # of an earlier check
    seen, pace, done = Seen(), _Pace(), 0
    counts: dict[str, int] = {}
    while understood := list(islice(lines, pace.size)):
        pace.begin()
        against = kind.chunk(one.utility, [record for _line, record, faults in understood if not faults], seen,
                        headings, settings.existing)  # fmt: skip
        rows = [
            Judged(line, record, faults, {}) if faults else against.judge(line, record)
            for line, record, faults in understood
        ]
        for row in rows:
            _count(counts, row)
        done += len(understood)
        with transaction.atomic():
            staging.lay(one, rows)
            one.progress_done, one.progress_total = done, total
            one.save(update_fields=["progress_done", "progress_total"])
        pace.end(len(understood))
        progress(done, total)
    if not done:
        raise ImportProblem(
            N_("There are no values in the file.")
            if settings.format
            else N_("There are no rows below the headings.")
        )
    counts["rows"] = done
    with transaction.atomic():
        one.counts, one.status, one.told = counts, ImportStatus.CHECKED, {}
        one.save(update_fields=["counts", "status", "told"])


_Read = tuple[int, "Iterator[tuple[int, Any, list[Fault]]]", dict[str, str]]
"""How many rows a file has, each with its number, what it says and what is wrong with it, and headings by field."""


def _table(one: Import, settings: Settings, now: datetime) -> _Read:
    table = sheet.read(content(one), settings.how, fields.words(fields.OF_KIND[one.kind]))
    rules = settings.rules(table, now)
    headings = {code: table.headings[place] for code, place in rules.columns.items()}
    understand = KINDS[one.kind].understand
    rows = ((line.number, *understand(line, rules)) for line in table.lines())
    return sum(1 for _line in table.lines()), rows, headings


def _message_file(one: Import, settings: Settings, now: datetime) -> _Read:
    known = FORMATS[settings.format]
    rows = list(known.rows(content(one), now))
    return len(rows), iter(rows), dict(known.headings)


def _count(counts: dict[str, int], row: Judged) -> None:
    """What the row would do, by its verdict and by things."""
    verdict = row.verdict
    name = verdict.name.lower()
    counts[name] = counts.get(name, 0) + 1
    if verdict == Verdict.REFUSED:
        return
    for part, effect in row.effects.items():
        if effect == "same":
            continue
        name = {"installed": "installed", "moved": "moved", "groups": "member"}.get(part) or (
            f"{part}_added" if effect == "new" else f"{part}_changed"
        )
        counts[name] = counts.get(name, 0) + (len(effect) if part == "groups" else 1)


def _take_in(one: Import, progress: Callable[[int, int | None], None]) -> None:
    settings = Settings.of(one.settings)
    headings = {code: heading for heading, code in settings.columns}
    if settings.format:
        headings = dict(FORMATS[settings.format].headings)
    total = one.progress_total = one.counts.get("rows", 0) - one.counts.get("refused", 0)
    seen, pace, line = Seen(), _Pace(), 0
    done = one.deeds.aggregate(rows=Sum("rows"))["rows"] or 0  # before the worker was stopped
    result = dict(one.counts.get("result", {}))

    def refused(judged: Judged) -> None:
        if one.whole:
            raise _NotWhole(judged)
        result["refused"] = result.get("refused", 0) + 1

    try:
        while rows := staging.waiting(one, line, pace.size):
            pace.begin()
            made = _one_chunk(one, rows, seen, headings, settings.existing, refused, result, done + len(rows))
            result, done, line = made, done + len(rows), rows[-1].line
            pace.end(len(rows))
            progress(done, total)
    except _NotWhole as problem:
        _take_back(one, problem.judged, progress)
        return
    with transaction.atomic():
        one.status, one.done_at, one.told = ImportStatus.DONE, datetime.now(UTC), {}
        one.counts = one.counts | {"result": result}
        one.save(update_fields=["status", "done_at", "counts", "told"])
        if one.kind == ImportKind.REGISTER:
            ImportFile.objects.filter(of=one).delete()  # its customers' data stand in the register now


def _one_chunk(
    one: Import, rows: Sequence[Staged], seen: Seen, headings: dict[str, str], existing: str,
    refused: Callable[[Judged], None], result: dict[str, int], done: int,
) -> dict[str, int]:  # fmt: skip
    """Take one chunk in; when somebody adds the same thing at the same moment, look again."""
    before = dict(result)
    for attempt in range(_TRIES):
        try:
            with transaction.atomic():
                made = KINDS[one.kind].take_in(one, rows, seen, headings, existing, on_fault=refused)
                together = {name: result.get(name, 0) + made.get(name, 0) for name in {*result, *made}}
                one.counts = one.counts | {"result": together}
                one.progress_done = done
                one.save(update_fields=["counts", "progress_done", "progress_total"])
        except IntegrityError:
            if attempt == _TRIES - 1:
                raise
            seen = Seen()  # nothing of these rows is done; what earlier ones did stands in the register
            result.clear()
            result.update(before)
        else:
            return together
    raise AssertionError("unreachable")


def _take_back(one: Import, judged: Judged, progress: Callable[[int, int | None], None]) -> None:
    """All or nothing: what was taken in before the row that can't be is undone again."""
    fault = judged.faults[0]
    _undo_deeds(one, progress)
    values = {"line": judged.line, "why": told(fault.text, fault.values)}
    text = N_("Line %(line)s can't be taken in any more, so nothing was: %(why)s Check the file again.")
    with transaction.atomic():
        one.status, one.told, one.progress_done = ImportStatus.COLUMNS, told(text, values), 0
        one.counts = {}
        one.save(update_fields=["status", "told", "progress_done", "counts"])


def _undo(one: Import, progress: Callable[[int, int | None], None]) -> None:
    result = _undo_deeds(one, progress)
    with transaction.atomic():
        one.status, one.undone_at = ImportStatus.UNDONE, datetime.now(UTC)
        one.counts = one.counts | {"undone": result}
        one.save(update_fields=["status", "undone_at", "counts"])


def _undo_deeds(one: Import, progress: Callable[[int, int | None], None]) -> dict[str, int]:
    to_undo = ImportDeed.objects.filter(of=one, kept__isnull=True).order_by("-pk")
    total = to_undo.aggregate(rows=Sum("rows"))["rows"] or 0
    done, result = 0, dict(one.counts.get("undone", {}))
    while (deed := to_undo.first()) is not None:
        with transaction.atomic():
            made = KINDS[one.kind].undo(one, deed)
            result = {name: result.get(name, 0) + made.get(name, 0) for name in {*result, *made}}
            done += deed.rows
            one.counts = one.counts | {"undone": result}
            one.progress_done, one.progress_total = done, total
            one.save(update_fields=["counts", "progress_done", "progress_total"])
        progress(done, total)
    return result


def forget_old(now: datetime) -> None:
    """Forget what imports left lying: unfinished ones after a week, what could be undone after a month."""
    lying = Import.objects.filter(
        status__in=[ImportStatus.COLUMNS, ImportStatus.CHECKED], created_at__lt=now - LEFT_LYING
    )
    for one in lying.select_related("utility"):
        throw_away(one)
    ImportFile.objects.filter(of__done_at__lt=now - UNDO_WITHIN).delete()
    over = ImportDeed.objects.filter(of__done_at__lt=now - UNDO_WITHIN)
    while some := list(over.values_list("pk", flat=True)[:2000]):
        ImportDeed.objects.filter(pk__in=some).delete()
    done = ImportRow.objects.filter(of__done_at__lt=now - LEFT_LYING)
    while some := list(done.values_list("pk", flat=True)[:2000]):
        ImportRow.objects.filter(pk__in=some).delete()


def throw_away(one: Import) -> None:
    """Forget an import of which nothing was taken in, with its file."""
    staging.clear(one)
    with transaction.atomic():
        audit.record("imports.thrown_away", utility=one.utility, target=one.name, detail={"import": one.pk})
        one.delete()


def can_be_undone(one: Import, now: datetime) -> bool:
    """Whether an import is done and not too long ago."""
    return (
        one.status in (ImportStatus.DONE, ImportStatus.FAILED)
        and (one.done_at is None or one.done_at > now - UNDO_WITHIN)
        and ImportDeed.objects.filter(of=one, kept__isnull=True).exists()
    )


def call_worker(user: User | None) -> None:
    """Let the worker look for imports at once rather than at its next time (caller's transaction)."""
    job = Job.objects.filter(kind=JOB, standing=True).first()
    if job is not None:
        run_now(job, user)
