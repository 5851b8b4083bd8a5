"""Water loss: what went into a zone against what its consumers took, and who draws water all night."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

import numpy as np

from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.calc.leakage import NIGHT_HOURS, NightFlow, loss_share, night_flow
from avlas.reports.calc.value_at import INTERPOLATED
from avlas.reports.counters import EXACTLY, Moments, measured_at
from avlas.reports.period_use import Members, PeriodUse, day_borders, period_use, used

if TYPE_CHECKING:
    from avlas.reports.period_use import Who

WATER: Final = ("water", "cold water", "warm water", "hot water", "")
_MOST_LOOK_UPS: Final = 80_000
"""Values looked up for one page; beyond it days are put together, or the older nights left out."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is balanced: a register, and the media of the consumers' meters that count."""

    register: str
    media: tuple[str, ...]


KINDS: Final[dict[str, Kind]] = {
    "water": Kind("volume_m3", WATER),
    "heat": Kind("energy_heat_kwh", ("heat", "heat/cooling", "")),
    "electricity": Kind("electricity_import_kwh", ("electricity", "")),
}


@dataclass(frozen=True, slots=True)
class Balance:
    """A zone's balance in n intervals. Sums leave out meters whose use is not known; ``*_unknown`` counts those."""

    starts: np.ndarray  # whole seconds UTC, n
    supplied: np.ndarray
    consumed: np.ndarray
    supply_unknown: np.ndarray
    consumers_unknown: np.ndarray
    supply_meters: int
    consumer_meters: int
    decimals: int
    by_day: bool

    @property
    def lost(self) -> np.ndarray:
        """Supplied less consumed; NaN where not a single supply meter is known."""
        known = self.supply_unknown < self.supply_meters
        return np.where(known, self.supplied - self.consumed, np.nan)


def zone_balance(
    kind: Kind,
    supply: Members,
    consumers: Members,
    start: datetime,
    end: datetime,
    now: datetime | None = None,
    zone: tzinfo = STANDARD_TIME,
) -> Balance:
    """Balance a zone per day, which begins in ``zone`` (as a whole where it has too many meters).

    A meter that is in both groups supplies. Of the consumers only meters of the kind's media count. Raises ValueError
    for an empty period.
    """
    into = period_use(supply, (kind.register,), start, end, now, zone)
    out = period_use(consumers, (kind.register,), start, end, now, zone)
    feeding = {one.meter_id for one in into.who}
    mine = np.array([one.medium in kind.media and one.meter_id not in feeding for one in out.who], bool)
    ended = min(end, now or datetime.now(UTC))
    days = day_borders(start, max(ended, start + timedelta(seconds=1)), zone)
    by_day = (len(into.who) + int(mine.sum())) * len(days) <= _MOST_LOOK_UPS
    borders = days if by_day else days[[0, -1]]
    decimals = max((int(part.used.decimals[kind.register].max(initial=0)) for part in (into, out)), default=0)
    sides = []
    for part, which in ((into, np.ones(len(into.who), bool)), (out, mine)):
        amount = _by_day(part, kind.register, borders) if by_day else part.used.amount[kind.register][:, None]
        amount = amount[which]
        sides.append((np.nansum(amount, axis=0), np.isnan(amount).sum(0)))
    (supplied, supply_unknown), (consumed, consumers_unknown) = sides
    return Balance(
        borders[:-1],
        supplied,
        consumed,
        supply_unknown,
        consumers_unknown,
        len(into.who),
        int(mine.sum()),
        decimals,
        by_day,
    )


def _by_day(part: PeriodUse, register: str, days: np.ndarray) -> np.ndarray:
    """What each row used on each day: rows x days."""
    count = len(days) - 1
    families = {one.meter_id: one.family for one in part.who}
    found = used(part.spans.by_days(days), len(part.who) * count, (register,), families)
    return found.amount[register].reshape(-1, count)


@dataclass(frozen=True, slots=True)
class NightReport:
    """Meters and their flow at night. ``use``: of each in the period; ``share``: how much of it never stood still."""

    people: list[Who]
    flow: NightFlow
    use: np.ndarray
    share: np.ndarray
    nights: int  # looked at
    first: datetime  # the first of them
    cut: bool  # the period has more nights than could be looked at


def night_report(
    members: Members, register: str, start: datetime, end: datetime, now: datetime | None = None
) -> NightReport:
    """Give the flow between 02 and 05 in the nights of the period. Raises ValueError for an empty period.

    ``register``: volume_m3 (of water meters), or a pulse input. Only values measured on the hour count.
    """
    found = period_use(members, (register,), start, end, now)
    mine = [
        place
        for place, one in enumerate(found.who)
        if not np.isnan(found.used.amount[register][place])
        and (register != "volume_m3" or one.medium in WATER)
    ]
    ended = min(end, now or datetime.now(UTC))
    nights = _nights(start, ended)
    most = max(1, _MOST_LOOK_UPS // max(1, len(mine) * len(NIGHT_HOURS)))
    looked = nights[-most:]
    meters = np.array([found.who[place].meter_id for place in mine], np.int64)
    hours = np.array(
        [int(night.timestamp()) + 3600 * hour for night in looked for hour in NIGHT_HOURS], np.int64
    )
    wanted = Moments(
        np.repeat(meters, len(hours)),
        np.tile(hours, len(meters)),
        np.full(len(meters) * len(hours), EXACTLY, np.int8),
    )
    values = measured_at(wanted, (register,))
    measured = np.where(values.how[:, 0] == INTERPOLATED, np.nan, values.value[:, 0])
    counters = measured.reshape(len(meters), len(looked), len(NIGHT_HOURS))
    flow = night_flow(counters, found.used.step[register][mine])
    use = found.used.amount[register][mine]
    return NightReport(
        [found.who[place] for place in mine],
        flow,
        use,
        loss_share(use, flow.least * (ended - start).total_seconds() / 3600),
        len(looked),
        looked[0] if looked else start,
        len(looked) < len(nights),
    )


def _nights(start: datetime, end: datetime) -> list[datetime]:
    """The beginnings (00:00 standard time) of the days whose nights lie wholly within the period."""
    day = start.astimezone(STANDARD_TIME).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    while day + timedelta(hours=NIGHT_HOURS[-1]) <= end:
        if day + timedelta(hours=NIGHT_HOURS[0]) >= start:
            found.append(day)
        day += timedelta(days=1)
    return found
