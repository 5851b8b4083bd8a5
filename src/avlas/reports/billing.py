"""Billing: which amounts of a month are ready, which are estimated or missing and why, and what changed after closing.

A month's basis is what each metering point used (reports.period_use). The amount of the register that is billed first
decides a row's state. Closing a month keeps its amounts with the counters behind them, apart from readings; from then
on whatever alters an amount is a correction until it has been taken into account.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.db import transaction
from django.utils import timezone

from avlas.decode.families import as_sent
from avlas.decode.registers import BY_CODE
from avlas.meters import entered, formats
from avlas.meters.models import BilledAmount, BillingMonth, Meter, MeterState, Occupancy, Source
from avlas.reports.calc.borders import STANDARD_TIME, name_of
from avlas.reports.calc.value_at import INTERPOLATED, NONE
from avlas.reports.counters import BEFORE, EXACTLY, HELD, Moments, counters_at
from avlas.reports.period_use import Members, UseMark, period_use
from avlas.system import audit
from avlas.system.models import Utility

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from avlas.meters.keys import Who as Person
    from avlas.reports.period_use import PeriodUse, Who

REGISTERS: Final = ("energy_heat_kwh", "energy_cooling_kwh", "volume_m3", "electricity_import_kwh")
COMPLETE, ESTIMATED, DOUBTFUL, MISSING = 0, 1, 2, 3
"""A row's state: two good counters; one of them estimated or interpolated; something speaks against it; not known."""
STATES: Final = (COMPLETE, ESTIMATED, DOUBTFUL, MISSING)
YEARS_KEPT: Final = 7

_ESTIMATED: Final = int(UseMark.ESTIMATED | UseMark.INTERPOLATED)
_DOUBTFUL: Final = int(
    UseMark.INCOMPLETE
    | UseMark.BACKWARDS
    | UseMark.CONFLICT
    | UseMark.IMPLAUSIBLE
    | UseMark.SENSOR_ERROR
    | UseMark.CLOCK_WRONG
)
_NEVER_BILLED: Final = (
    "pressure", "calorific value", "A/D converter", "smoke detector", "room sensor", "gas detector", "carbon dioxide",
    "breaker", "valve", "customer unit", "bus component", "communication controller", "repeater", "radio converter",
)  # fmt: skip
"""Media (families.MEDIA) of devices that count nothing anybody pays for."""
_BILLED: Final = (
    f"m.medium NOT IN ({', '.join(['%s'] * len(_NEVER_BILLED))})"
    " AND (EXISTS (SELECT 1 FROM meters_installation b WHERE b.meter_id = m.id)"
    " OR EXISTS (SELECT 1 FROM reading r WHERE r.meter_id = m.id))"
)
_DAY: Final = 86400
_RATE_DAYS: Final = 30
_OTHER_ZONE: Final = timedelta(hours=3)  # by less than that the Nordic zones differ
_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Basis:
    """A month's rows: who, their state (n, STATES) and the register (n, place in REGISTERS) that decides it.

    ``zone``: in which months begin.
    """

    start: datetime
    end: datetime
    zone: tzinfo
    found: PeriodUse
    state: np.ndarray
    main: np.ndarray

    def amount(self, row: int) -> float:
        """The amount of the row's first register in its canonical unit; NaN: not known."""
        return float(self.found.used.amount[REGISTERS[self.main[row]]][row])

    @property
    def amounts(self) -> np.ndarray:
        """Those of all rows."""
        return _amounts(self.found, self.main)


def basis(
    members: Members,
    start: datetime,
    end: datetime,
    now: datetime | None = None,
    zone: tzinfo = STANDARD_TIME,
) -> Basis:
    """Give the basis for billing a month (aware moments; end not counted; months begin in ``zone``).

    Without what is never billed: pressure sensors and the like, and meters that were never installed and never read.
    """
    billed = replace(
        members, test=f"({members.test}) AND {_BILLED}", values=[*members.values, *_NEVER_BILLED]
    )
    found = period_use(billed, REGISTERS, start, end, now, zone)
    main = _main_registers(found)
    marks = found.used.marks
    state = np.full(len(main), COMPLETE)
    state[(marks & _ESTIMATED) != 0] = ESTIMATED
    state[(marks & _DOUBTFUL) != 0] = DOUBTFUL
    state[np.isnan(_amounts(found, main))] = MISSING
    return Basis(start, end, zone, found, state, main)


def _amounts(found: PeriodUse, main: np.ndarray) -> np.ndarray:
    """Of each row the amount of the register at its place in REGISTERS; NaN: not known."""
    stacked = np.stack([found.used.amount[code] for code in REGISTERS])
    picked: np.ndarray = np.take_along_axis(stacked, main[None, :], 0)[0]
    return picked


def _main_registers(found: PeriodUse) -> np.ndarray:
    """Of what each row's medium bills the first that has an amount; the first of all when none has."""
    known = [~np.isnan(found.used.amount[code]) for code in REGISTERS]
    media, of_row = np.unique(np.array([one.medium for one in found.who], str), return_inverse=True)
    main = np.zeros(len(of_row), np.int64)
    for number, medium in enumerate(media.tolist()):
        mine = of_row == number
        wanted = [REGISTERS.index(code) for code in entered.registers_of(medium) if code in REGISTERS]
        main[mine] = wanted[0]
        for one in reversed(wanted):
            main[mine & known[one]] = one
    return main


# why something is missing, and what could stand there


@dataclass(frozen=True, slots=True)
class Gap:
    """Why an amount is not known.

    ``at_start``/``at_end``: whether a counter stands there; ``last_at``: the newest reading before the end; ``state``:
    what became of the meter's newest telegram (meters.State), None: never heard.
    """

    at_start: bool
    at_end: bool
    backwards: bool
    last_at: datetime | None
    heard_at: datetime | None
    state: int | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a meter's register may have shown at the end: the figure in the meter's own unit.

    ``method``: LAST_YEAR (as it used on the same days a year before) or MEAN (as on average in the days before);
    ``days``: how long nobody has read it.
    """

    meter_id: int
    register: str
    at: datetime
    figure: Decimal
    unit: str
    decimals: int
    method: str
    days: float


LAST_YEAR, MEAN = "last_year", "mean"


def gaps(month: Basis, rows: Sequence[int]) -> dict[int, Gap]:
    """Say for some rows whose amount is not known why that is."""
    picked = _last_spans(month, rows)
    found = counters_at(_moments(picked), REGISTERS, month.found.spans.stamps)
    count = len(rows)
    states: dict[int, MeterState] = {}
    meters = [int(meter) for meter, _start, _end in picked]
    for state in MeterState.objects.filter(meter_id__in=meters).order_by("last_heard_at"):
        if state.meter_id is not None:
            states[state.meter_id] = state
    told = {}
    for place, row in enumerate(rows):
        code = int(month.main[row])
        how = found.how[[place, count + place], code]
        stood = int(found.stood_at[count + place, code])
        state_of = states.get(meters[place])
        told[row] = Gap(
            at_start=how[0] not in (NONE, HELD),
            at_end=how[1] not in (NONE, HELD),
            backwards=bool(month.found.used.marks[row] & int(UseMark.BACKWARDS)),
            last_at=datetime.fromtimestamp(stood, UTC) if stood else None,
            heard_at=state_of.last_heard_at if state_of else None,
            state=state_of.state if state_of else None,
        )
    return told


def estimates(month: Basis, rows: Sequence[int]) -> dict[int, Estimate]:
    """Propose for some rows what the meter showed at the end, where an earlier counter gives something to go by.

    The last counter, and what was used in the same days a year before; where that is not known, the mean use of the
    30 days before the last counter.
    """
    picked = _last_spans(month, rows)
    if not picked:
        return {}
    meter_id = np.array([meter for meter, _start, _end in picked], np.int64)
    end = np.array([until for _meter, _start, until in picked], np.int64)
    last = counters_at(Moments(meter_id, end, np.full(len(end), BEFORE, np.int8)), REGISTERS)
    main = month.main[np.array(rows, np.int64)]
    places = np.arange(len(rows))
    held = last.how[places, main] == HELD
    value, since = last.value[places, main], last.stood_at[places, main]
    year = counters_at(
        Moments(
            np.concatenate([meter_id, meter_id, meter_id]),
            np.concatenate([_year_before(end), _year_before(since), since - _RATE_DAYS * _DAY]),
            np.full(3 * len(end), EXACTLY, np.int8),
        ),
        REGISTERS,
    )
    year_end, year_since, month_before = (year.value[places + turn * len(rows), main] for turn in range(3))
    specs = formats.specs(set(np.unique(last.format_id).tolist()) - {0})
    told = {}
    for place, row in enumerate(rows):
        use = year_end[place] - year_since[place]
        method, days = LAST_YEAR, (int(end[place]) - int(since[place])) / _DAY
        if not use >= 0:  # also when it is not known
            use, method = (value[place] - month_before[place]) / _RATE_DAYS * days, MEAN
        if not held[place] or not use >= 0:
            continue
        register = REGISTERS[main[place]]
        sent = formats.parse(specs.get(int(last.format_id[place, main[place]]), "")).get(register)
        unit, decimals = sent or (BY_CODE[register].unit, BY_CODE[register].decimals)
        told[row] = Estimate(
            int(meter_id[place]),
            register,
            datetime.fromtimestamp(int(end[place]), UTC),
            as_sent(float(value[place] + use), unit, decimals),
            unit,
            decimals,
            method,
            days,
        )
    return told


def approve(utility: Utility, one: Estimate, method: str, who: Person) -> None:
    """Keep an estimate as a reading that ``who`` stands for. ``method``: how it came about, in words.

    Raises entered.AlreadyThere and entered.Erased.
    """
    entered.enter(
        Meter.objects.get(utility=utility, pk=one.meter_id),
        one.at,
        [entered.Figure(one.register, one.figure, one.unit, one.decimals)],
        Source.TYPED,
        who,
        estimated_by=method,
    )


def _last_spans(month: Basis, rows: Sequence[int]) -> list[tuple[int, int, int]]:
    """The meter that counted last for each row, from when and until when (seconds UTC)."""
    spans = month.found.spans
    found = []
    for row in rows:
        mine = np.flatnonzero(spans.row == row)
        if mine.size:
            last = mine[-1]
            found.append((int(spans.meter_id[last]), int(spans.start[last]), int(spans.end[last])))
        else:
            found.append(
                (month.found.who[row].meter_id, int(month.start.timestamp()), int(month.end.timestamp()))
            )
    return found


def _moments(picked: list[tuple[int, int, int]]) -> Moments:
    """The beginnings and the ends of the spans; at the end the last counter may stand in."""
    table = np.array(picked, np.int64).reshape(-1, 3)
    count = len(table)
    return Moments(
        np.concatenate([table[:, 0], table[:, 0]]),
        np.concatenate([table[:, 1], table[:, 2]]),
        np.concatenate([np.full(count, EXACTLY, np.int8), np.full(count, BEFORE, np.int8)]),
    )


def _year_before(seconds: np.ndarray) -> np.ndarray:
    return seconds - 365 * _DAY


# closing a month, and what changes afterwards


@dataclass(frozen=True, slots=True)
class Correction:
    """An amount of a closed month that is no longer what was billed; None: not known, or not billed."""

    who: Who
    register: str
    billed: float | None
    now: float | None
    decimals: int
    marks: int

    @property
    def difference(self) -> float:
        """What is to be added to the next bill, in the canonical unit."""
        return (self.now or 0.0) - (self.billed or 0.0)


def closed(utility: Utility, start: datetime) -> BillingMonth | None:
    """The month that begins at ``start``, if it is closed; perhaps in another zone, at another hour."""
    near = (int((start + sign * _OTHER_ZONE).timestamp()) for sign in (-1, 1))
    return BillingMonth.objects.filter(utility=utility, month_at__range=tuple(near)).first()


def close(utility: Utility, month: Basis, who: Person, *, doubtful: bool = False) -> BillingMonth:
    """Close a month: keep what is known of it, doubtful amounts only if asked, and the counters behind it.

    Raises ValueError when it is not over, or closed already.
    """
    if month.end > timezone.now():
        raise ValueError("the month is not over")
    rows = np.flatnonzero(month.state < (MISSING if doubtful else DOUBTFUL)).tolist()
    with transaction.atomic():
        Utility.objects.select_for_update().get(pk=utility.pk)  # one at a time
        if closed(utility, month.start):
            raise ValueError("the month is closed already")
        made = BillingMonth.objects.create(
            utility=utility, month_at=int(month.start.timestamp()), borders=name_of(month.zone),
            closed_by=who.user,
        )  # fmt: skip
        _keep(made, month, rows, 1)
        counts = np.bincount(month.state, minlength=len(STATES)).tolist()
        audit.record(
            "billing.closed", utility=utility, user=who.user, computer=who.computer,
            target=f"{month.start + timedelta(days=1):%Y-%m}",
            detail={"amounts": len(rows), "complete": counts[COMPLETE], "estimated": counts[ESTIMATED],
                    "doubtful": counts[DOUBTFUL], "missing": counts[MISSING], "doubtful_billed": doubtful},
        )  # fmt: skip
    return made


def corrections(made: BillingMonth, month: Basis) -> list[Correction]:
    """What of a closed month is no longer as it was billed: by a whole count of the register, or newly known."""
    billed = _latest(made)
    used = month.found.used
    told = []
    for row, who in enumerate(month.found.who):
        register = REGISTERS[month.main[row]]
        now = month.amount(row)
        was = billed.pop(_key(who, register), None)
        known = None if np.isnan(now) else now
        step = float(used.step[register][row]) or 10.0 ** -int(used.decimals[register][row])
        if known is None:
            continue
        # newly known; or off by a count (two roundings of half a count are none)
        if month.state[row] < DOUBTFUL if was is None else abs(known - was.amount) > 0.75 * step:
            told.append(
                Correction(
                    who,
                    register,
                    None if was is None else was.amount,
                    known,
                    int(used.decimals[register][row]),
                    int(used.marks[row]),
                )
            )
    return sorted(told, key=lambda one: -abs(one.difference))


def settle(made: BillingMonth, month: Basis, who: Person) -> int:
    """Note that all corrections of a month have been taken into account; gives how many that were."""
    with transaction.atomic():
        BillingMonth.objects.select_for_update().get(pk=made.pk)
        changed = {(_key(one.who, one.register)) for one in corrections(made, month)}
        rows = [
            row for row, one in enumerate(month.found.who) if _key(one, REGISTERS[month.main[row]]) in changed
        ]
        version = 1 + max((one.version for one in _latest(made).values()), default=0)
        _keep(made, month, rows, version)
        if rows:
            audit.record(
                "billing.corrected", utility=made.utility, user=who.user, computer=who.computer,
                target=f"{month.start + timedelta(days=1):%Y-%m}", detail={"amounts": len(rows)},
            )  # fmt: skip
    return len(rows)


def forget_old(utility: Utility, now: datetime) -> int:
    """Remove what was billed more than seven years ago; gives how many months that were."""
    before = now - timedelta(days=YEARS_KEPT * 366)
    return (
        BillingMonth.objects.filter(utility=utility, closed_at__lt=before)
        .delete()[1]
        .get("meters.BillingMonth", 0)
    )


_Key = tuple[int, int, str]


def _key(who: Who, register: str) -> _Key:
    """A row goes on across a meter exchange where there is a point."""
    return (who.point_id, 0, register) if who.point_id else (0, who.meter_id, register)


def _latest(made: BillingMonth) -> dict[_Key, BilledAmount]:
    found: dict[_Key, BilledAmount] = {}
    for one in made.amounts.order_by("version"):
        key = (one.point_id, 0, one.register) if one.point_id else (0, one.meter_id or 0, one.register)
        found[key] = one
    return found


def _keep(made: BillingMonth, month: Basis, rows: Sequence[int], version: int) -> None:
    used = month.found.used
    customers = _customers(made.utility, [month.found.who[row].point_id for row in rows], month.end)
    parts = _parts(month, rows)
    BilledAmount.objects.bulk_create(
        (
            BilledAmount(
                month=made,
                version=version,
                meter_id=who.meter_id,
                point_id=who.point_id or None,
                customer_id=customers.get(who.point_id),
                register=register,
                amount=month.amount(row),
                decimals=int(used.decimals[register][row]),
                marks=int(used.marks[row]),
                until_at=parts[row][-1]["to"] if parts.get(row) else int(month.end.timestamp()),
                parts=parts.get(row, []),
            )
            for row in rows
            for who, register in [(month.found.who[row], REGISTERS[month.main[row]])]
        ),
        batch_size=_AT_ONCE,
    )


def _customers(utility: Utility, point_ids: Iterable[int], end: datetime) -> dict[int, int]:
    """Who lived at the points at the end of the month."""
    living = Occupancy.objects.filter(point__utility=utility, from_at__lt=end).exclude(to_at__lt=end)
    wanted = {one for one in point_ids if one}
    return {
        point: customer
        for point, customer in living.values_list("point_id", "customer_id")
        if point in wanted
    }


def _parts(month: Basis, rows: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The counters behind the amounts, meter by meter, exactly as the meter shows them."""
    spans = month.found.spans.of_rows(np.array(rows, np.int64))
    count = len(spans.row)
    found = spans.counters(REGISTERS)
    specs = formats.specs(set(np.unique(found.format_id).tolist()) - {0})
    told: dict[int, list[dict[str, Any]]] = {}
    for place in range(count):
        row = int(spans.row[place])
        code = int(month.main[row])
        first, last = (_figure(found.value[end, code], found.format_id[end, code], code, specs)
                       for end in (place, count + place))  # fmt: skip
        told.setdefault(row, []).append(
            {
                "meter": int(spans.meter_id[place]),
                "from": int(spans.start[place]),
                "to": int(spans.end[place]),
                "first": first,
                "last": last,
                "interpolated": INTERPOLATED in found.how[[place, count + place], code],
            }
        )
    return told


def _figure(value: float, format_id: int, code: int, specs: dict[int, str]) -> list[str] | None:
    """[figure, unit] as the meter shows it."""
    if np.isnan(value):
        return None
    register = REGISTERS[code]
    unit, decimals = formats.parse(specs.get(int(format_id), "")).get(register) or (
        BY_CODE[register].unit,
        BY_CODE[register].decimals,
    )
    return [str(as_sent(float(value), unit, decimals)), unit]
