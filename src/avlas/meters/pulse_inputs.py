"""Pulse inputs of meters as meters of their own (DESIGN section 3).

A heat meter counts the pulses of up to two others, In-A and In-B: often the water meters of the same house, sometimes
somebody else's. Such an input is assigned as a meter of its own (the *fed* one) at its own metering point; from then on
its readings are derived from its parent's, in the transaction that writes those, and filled in from what is stored.
Access, bills and erasure follow the fed meter: its fences hold back what its parent says for it, and what is erased of
it is erased in its parent's rows and telegrams too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from django.db import connection, transaction
from django.db.models import Q

from avlas.decode.families import UNITS, as_sent, canonical
from avlas.meters import column_store, formats
from avlas.meters.fences import Fences
from avlas.meters.journal import Written
from avlas.meters.models import Generation, Kind, Meter, PulseInput, Quality
from avlas.meters.slots import READING_COLUMNS, READING_KEY
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from avlas.meters.directory import Directory
    from avlas.meters.keys import Who
    from avlas.meters.logged import Logged

# what a person or the meter said of a row there is
_STAYS: Final = int(Quality.CONFLICT | Quality.VOIDED | Quality.ACCEPTED)
_ROWS_AT_ONCE: Final = 2000
_COUNTERS: Final = {
    "electricity": ("electricity_import_kwh", "kWh"),
    "heat": ("energy_heat_kwh", "kWh"),
    "cooling": ("energy_cooling_kwh", "kWh"),
}
_VOLUME: Final = ("volume_m3", "m³")


class Impossible(Exception):  # noqa: N818
    """An input can't be assigned so; ``code``: "other_utility", "itself", "taken", "fed", "future", "overlaps"."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Assignment:
    """What an assignment says; see PulseInput."""

    channel: str
    from_at: datetime
    per_pulse: float | None = None
    start_value: float | None = None


def assign(parent: Meter, fed: Meter, what: Assignment, who: Who) -> int:
    """Let an input count for ``fed``, and fill in its readings since then; gives how many. Raises Impossible."""
    with transaction.atomic():
        list(Meter.objects.select_for_update().filter(pk__in=(parent.pk, fed.pk)).order_by("pk"))
        if parent.utility_id != fed.utility_id:
            raise Impossible("other_utility")
        if parent.pk == fed.pk:
            raise Impossible("itself")
        if what.from_at > datetime.now(UTC):
            raise Impossible("future")
        running = Q(to_at=None) | Q(to_at__gt=what.from_at)
        if PulseInput.objects.filter(running, parent=parent, channel=what.channel).exists():
            raise Impossible("taken")
        if (
            PulseInput.objects.filter(running, meter=fed).exists()
            or fed.pulse_inputs.filter(running).exists()
        ):
            raise Impossible("fed")
        made = PulseInput.objects.create(
            parent=parent, meter=fed, channel=what.channel, from_at=what.from_at,
            per_pulse=what.per_pulse, start_value=what.start_value,
        )  # fmt: skip
        Generation.bump(parent.utility_id)
        count = fill(made)
        audit.record(
            "meter.input_assigned", utility=parent.utility, user=who.user, computer=who.computer, target=str(fed),
            detail={
                "parent": str(parent), "input": what.channel.upper(), "from": what.from_at.isoformat(),
                "per_pulse": what.per_pulse, "start_value": what.start_value,
            },
        )  # fmt: skip
    return count


def end(made: PulseInput, at: datetime, who: Who | None) -> None:
    """Let an input count no longer from ``at`` on; without ``who`` the caller writes the audit log."""
    with transaction.atomic():
        made.to_at = max(at, made.from_at)
        made.save(update_fields=["to_at"])
        Generation.bump(made.parent.utility_id)
        if who is not None:
            audit.record(
                "meter.input_ended", utility=made.parent.utility, user=who.user, computer=who.computer,
                target=str(made.meter), detail={"parent": str(made.parent), "at": made.to_at.isoformat()},
            )  # fmt: skip


def end_all(parent: Meter, at: datetime) -> None:
    """End what a meter's inputs count for: it is taken down (caller's transaction and audit)."""
    for one in PulseInput.objects.select_related("parent", "meter").filter(parent=parent, to_at=None):
        end(one, at, None)


def open_again(parent: Meter, at: datetime) -> None:
    """Undo ``end_all``: what ended at that moment goes on, unless the fed meter is fed by another now."""
    ended = PulseInput.objects.filter(parent=parent, to_at=at)
    fed_now = PulseInput.objects.filter(to_at=None).values("meter")
    if ended.exclude(meter__in=fed_now).update(to_at=None):
        Generation.bump(parent.utility_id)


# -- deriving --------------------------------------------------------------------------------------------------------


_inputs: WeakKeyDictionary[Directory, dict[int, list[PulseInput]]] = WeakKeyDictionary()


def _by_parent(directory: Directory) -> dict[int, list[PulseInput]]:
    """The utility's assigned inputs by parent; the database is asked once a generation."""
    found = _inputs.get(directory)
    if found is None:
        found = {}
        rows = PulseInput.objects.filter(parent__utility_id=directory.utility_id).select_related("meter")
        for one in rows.order_by("pk"):
            found.setdefault(one.parent_id, []).append(one)
        _inputs[directory] = found
    return found


def follow(
    directory: Directory, live: tuple[np.ndarray, np.ndarray], stamped: tuple[np.ndarray, np.ndarray],
    logged: Iterable[Logged], written: Written,
) -> None:  # fmt: skip
    """Derive fed meters' readings from their parents', just written in the caller's transaction.

    ``live`` and ``stamped``: meters and slots of the readings written; ``logged``: values written one by one;
    ``written``: for the journal.
    """
    by_parent = _by_parent(directory)
    if not by_parent:
        return
    parents = np.array(sorted(by_parent), np.int64)
    keys: set[tuple[int, int, int]] = set()
    for kind, (meter, slot) in ((int(Kind.LIVE), live), (int(Kind.LOGGED), stamped)):
        mine = np.isin(meter, parents)
        keys |= {(one, at, kind) for one, at in zip(meter[mine].tolist(), slot[mine].tolist(), strict=True)}
    keys |= {(one.meter_id, one.slot_at, int(Kind.LOGGED)) for one in logged if one.meter_id in by_parent}
    if keys:
        names = (
            "meter_id",
            "slot_at",
            "kind",
            "heard_at",
            "source",
            "quality",
            "format_id",
            "input_a",
            "input_b",
        )
        ordered = sorted(keys)
        wanted = {name: np.array([key[n] for key in ordered], np.int64) for n, name in enumerate(READING_KEY)}
        rows = column_store.fetch(connection, "reading", wanted, names)
        _write([_Counted(*row) for row in rows], by_parent, directory.fences, written)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a parent's reading says of its inputs."""

    parent_id: int
    slot_at: int
    kind: int
    heard_at: int
    source: int
    quality: int
    format_id: int
    input_a: float | None
    input_b: float | None


def fill(made: PulseInput) -> int:
    """Derive a fed meter's readings from what is stored of its parent (caller's transaction); gives how many."""
    fences = Fences.of(made.parent.utility_id)
    since, until = int(made.from_at.timestamp()), int(made.to_at.timestamp()) if made.to_at else 1 << 60
    count, after, written = 0, (since - 1, 9), Written(made.parent.utility_id)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT meter_id, slot_at, kind, heard_at, source, quality, format_id, input_a, input_b FROM reading"
                f" WHERE meter_id = %s AND slot_at >= %s AND slot_at <= %s AND {made.register} IS NOT NULL"
                f" AND kind IN ({Kind.LIVE:d}, {Kind.LOGGED:d}) AND (slot_at > %s OR (slot_at = %s AND kind > %s))"
                f" ORDER BY slot_at, kind LIMIT {_ROWS_AT_ONCE}",
                [made.parent_id, since, until, after[0], after[0], after[1]],
            )
            rows = [_Counted(*row) for row in cursor.fetchall()]
        count += _write(rows, {made.parent_id: [made]}, fences, written)
        if len(rows) < _ROWS_AT_ONCE:
            written.append()
            return count
        after = rows[-1].slot_at, rows[-1].kind


def _write(
    rows: Sequence[_Counted], by_parent: dict[int, list[PulseInput]], fences: Fences, written: Written
) -> int:
    """Write what these readings say for fed meters; gives how many readings that makes."""
    texts = formats.specs({row.format_id for row in rows})
    made: dict[tuple[int, int, int], tuple[_Counted, str, float, str]] = {}
    for row in sorted(rows, key=lambda one: (one.slot_at, one.kind)):
        for one in by_parent.get(row.parent_id, ()):
            count = row.input_a if one.channel == PulseInput.A else row.input_b
            at = row.heard_at if row.kind == Kind.LIVE else row.slot_at
            if count is None or row.quality & Quality.VOIDED or not _counts(one, at):
                continue
            if fences.holds(one.meter_id, row.slot_at):
                continue
            register, value, spec = _shown(one, count, formats.parse(texts.get(row.format_id, "{}")))
            made[one.meter_id, row.slot_at, row.kind] = row, register, value, spec
    if not made:
        return 0
    ids = formats.ids({spec for _row, _register, _value, spec in made.values()})
    keys = sorted(made)
    wanted = {name: np.array([key[n] for key in keys], np.int64) for n, name in enumerate(READING_KEY)}
    there = {
        tuple(row[:3]): row[3]
        for row in column_store.fetch(connection, "reading", wanted, (*READING_KEY, "quality"))
    }
    for register in sorted({register for _row, register, _value, _spec in made.values()}):
        mine = [(key, *made[key]) for key in keys if made[key][1] == register]
        columns: dict[str, list[Any]] = {name: [None] * len(mine) for name in READING_COLUMNS} | {
            "meter_id": [key[0] for key, *_rest in mine],
            "slot_at": [key[1] for key, *_rest in mine],
            "kind": [key[2] for key, *_rest in mine],
            "heard_at": [row.heard_at for _key, row, *_rest in mine],
            "source": [row.source for _key, row, *_rest in mine],
            "quality": [
                int(row.quality & Quality.CLOCK_WRONG) | (there.get(key, 0) & _STAYS)
                for key, row, *_rest in mine
            ],
            "format_id": [ids[spec] for *_rest, spec in mine],
            register: [value for _key, _row, _register, value, _spec in mine],
        }
        column_store.upsert(connection, "reading", columns, READING_KEY)
    for key in keys:
        written.reading(*key)
    return len(made)


def _counts(one: PulseInput, at: int) -> bool:
    """Whether an input counts for its fed meter at a moment."""
    return one.from_at.timestamp() <= at and (one.to_at is None or at <= one.to_at.timestamp())


def _shown(one: PulseInput, count: float, sent: dict[str, tuple[str, int]]) -> tuple[str, float, str]:
    """What the fed meter shows when its input stands at ``count``: register, value, and the format of that figure."""
    register, unit = _COUNTERS.get(one.meter.medium, _VOLUME)
    own_unit, decimals = sent.get(one.register, ("", 3))
    converted = canonical(Decimal(1), own_unit)
    if one.start_value is not None and one.start_count is None:
        one.start_count = count
        PulseInput.objects.filter(pk=one.pk, start_count=None).update(start_count=count)
    counted = _exact(count, own_unit, decimals)
    if one.start_value is not None and one.start_count is not None:
        counted -= _exact(one.start_count, own_unit, decimals)
    if one.per_pulse is not None:
        each = Decimal(str(one.per_pulse)) / 1000
        counted, decimals = counted * each, max(0, -int(each.normalize().as_tuple().exponent))
    elif converted is not None:
        counted = counted * Decimal(converted[0])
        decimals = formats.shown_decimals(own_unit, decimals)
    if one.start_value is not None:
        start = Decimal(str(one.start_value))
        counted, decimals = counted + start, max(decimals, -int(start.normalize().as_tuple().exponent))
    return register, float(counted), formats.text({register: (unit, max(0, min(9, decimals)))})


def _exact(value: float, unit: str, decimals: int) -> Decimal:
    """A counter as the parent shows it."""
    if unit in UNITS:
        return as_sent(value, unit, decimals)
    return Decimal(str(value))
