"""A believable, invented Swedish town with its meters, deterministic from a seed.

``Town.build(points=300, seed=1, now=...)`` gives streets, metering points, customers, meters, collectors
and hidden faults. ``town.values(meter, times)`` gives what meters show at any moments from 13 months before
``now`` and on into the future; ``town.history()`` runs through the past as the collectors heard it. There
is no clock in here: the same points, seed and now give the same town, value by value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avlas.simulate import faults, fleet, ground, noise, radio
from avlas.simulate.catalogue import ENERGY, MODELS
from avlas.simulate.ground import position
from avlas.simulate.radio import Collector
from avlas.simulate.registry import Meter, Point, customers_of, meters_of, move, points_of
from avlas.simulate.series import Displays, Mounted, Series
from avlas.simulate.streets import DISTRICTS
from avlas.simulate.weather import Weather

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Times = NDArray[np.datetime64]

HISTORY_DAYS = 397  # 13 months
HOURLY_DAYS = 61  # the last two of them


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault known to be in the town, for tests and for people who try the reports."""

    code: str
    since: datetime  # UTC
    until: datetime | None
    days_ago: float
    meters: tuple[int, ...]
    points: tuple[int, ...]
    collectors: tuple[int, ...]
    name: Mapping[str, str]  # "sv", "en"
    sees: Mapping[str, str]  # "sv", "en": what one would see


@dataclass(frozen=True, slots=True)
class StreetLine:
    """A street's middle line for maps."""

    name: str
    city: str
    district: str
    main: bool
    line: Floats  # (n, 2) latitude, longitude (WGS84)


@dataclass(frozen=True, slots=True)
class Heard:
    """A piece of history: so many meters, all slots."""

    meters: Ints  # (m,) meter numbers
    slots: Times  # (t,) beginning of each slot, UTC
    heard_at: Times  # (m, t) when the first telegram of the slot came through
    collector: NDArray[np.int16]  # (m, t) which collector heard it best, -1: none did
    rssi_dbm: NDArray[np.float32]  # (m, t) NaN: not heard, or wired
    values: dict[str, Floats]  # register code -> (m, t) at heard_at; NaN where nothing was heard


class Town:
    """See the module; build one with ``Town.build``.

    Public: ``name``, ``seed``, ``now``, ``begin`` (the first moment with values), ``points``, ``customers``,
    ``meters``, ``collectors``, ``faults``, ``streets``, ``rivers`` and ``plants`` (latitude, longitude).
    """

    def __init__(self, points: int, seed: int, now: datetime) -> None:
        if now.tzinfo is None:
            raise ValueError("now must be an aware datetime")
        if points < 1:
            raise ValueError("a town has at least one metering point")
        self.seed = seed
        self.now = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        now_hour = int(self.now.timestamp()) // 3600
        begin_hour = (now_hour - (HISTORY_DAYS + 1) * 24) // 24 * 24
        self.begin = datetime.fromtimestamp(begin_hour * 3600, UTC)
        self.weather = Weather(seed)
        self._ground = land = ground.lay_out(points, seed)
        self._fleet, spare = fleet.equip(land, begin_hour, now_hour, seed)
        hidden = faults.hide(land, self._fleet, spare, begin_hour=begin_hour, now_hour=now_hour, seed=seed)
        self._begin_hour, self._now_hour = begin_hour, now_hour
        self.name = land.places[0].name
        self.customers, owners = customers_of(land)
        still = {point for fault in hidden.hidden for point in fault.points}
        moves = move(land, still=still, begin_hour=begin_hour, now_hour=now_hour, seed=seed)
        self.points: list[Point] = points_of(land, self.customers, owners, moves, hidden.left)
        start = fleet.first_readings(
            self._fleet, fleet.yearly(land.demand, self.weather, begin_hour), begin_hour, seed
        )
        self._series = Series(
            land.demand,
            Mounted(
                key=noise.keys(seed, "meters", self._fleet.serial),
                point=self._fleet.true_point,
                model=self._fleet.model,
                input_a=self._fleet.input_a,
                mounted=self._fleet.mounted,
                dismounted=self._fleet.dismounted,
                start=start,
            ),
            self.weather,
            begin_hour=begin_hour,
            plant_faults=hidden.plant,
            meter_faults=hidden.meter,
        )
        for meter, hour in hidden.roll_over.items():
            self._let_roll_over(meter, hour)
        self._displays = Displays(self._series)
        self._set_up_radio(hidden)
        self.meters: list[Meter] = meters_of(self._fleet, seed)
        self.faults: list[Fault] = [_fault(each, self.now) for each in hidden.hidden]
        self.streets = [
            StreetLine(
                name, place.name, DISTRICTS[street.district], street.main,
                position(street.line + np.array(place.origin_m)),
            )
            for place in land.places
            for name, street in zip(place.street_names, place.plan.streets, strict=True)
        ]  # fmt: skip
        self.rivers = [position(place.plan.river + np.array(place.origin_m)) for place in land.places]
        self.plants = [
            tuple(position(np.array(place.plan.plant) + np.array(place.origin_m)).tolist())
            for place in land.places
        ]

    @classmethod
    def build(cls, points: int = 300, seed: int = 1, *, now: datetime) -> Town:
        """A town with so many metering points; ``now`` (aware) is where history ends and live begins."""
        return cls(points, seed, now)

    # --- values ---

    def values(self, meters: int | Sequence[int] | Ints, times: Times) -> dict[str, Floats]:
        """What the meters' displays show, in canonical units (decode.registers), by register code.

        ``times`` are UTC datetime64, (t,) for all meters or (m, t); from ``begin`` on without end. Arrays
        come back as (m, t), or (t,) for a single meter number. NaN: the meter has no such register, or was
        not mounted then. Counters have the meter's own steps and roll over as it does. A value does not
        depend on what else is asked.
        """
        single = isinstance(meters, int | np.integer)
        which = np.atleast_1d(np.asarray(meters, dtype=np.int64))
        seconds = np.asarray(times).astype("datetime64[s]").astype(np.int64)
        seconds = np.broadcast_to(seconds, (len(which), seconds.shape[-1]))
        found = self._displays.values(which, seconds)
        return {code: values[0] for code, values in found.items()} if single else found

    def history_slots(self) -> Times:
        """Slots of the history (UTC): midnights in standard time, every hour in the last two months."""
        last = self._now_hour
        hourly_from = (last - HOURLY_DAYS * 24) // 24 * 24 + 23
        days = np.arange((last - HISTORY_DAYS * 24) // 24 * 24 + 23, hourly_from, 24)
        return (np.concatenate([days, np.arange(hourly_from, last)]) * 3600).astype("datetime64[s]")

    def readable(self) -> Ints:
        """Numbers of the meters that sit at registered points and can be decoded with the registered key."""
        return np.nonzero((self._fleet.point >= 0) & ~self._fleet.wrong_key)[0]

    def history(self, chunk: int = 128, meters: Sequence[int] | Ints | None = None) -> Iterator[Heard]:
        """The past 13 months as heard, ``chunk`` meters at a time (all ``readable`` ones unless told).

        Meters of one type come together, so a piece holds only the registers its types have.
        """
        which = self.readable() if meters is None else np.asarray(meters, dtype=np.int64)
        which = which[
            np.argsort(self._fleet.model[which], kind="stable")
        ]  # alike together: fewer, larger steps
        slots = self.history_slots()
        starts = slots.astype(np.int64)
        for first in range(0, len(which), chunk):
            part = which[first : first + chunk]
            after, collector, rssi = self._first_through(part, starts)
            seconds = starts + after
            values = self._displays.values(part, seconds, live=False)
            there = ~np.isnan(values["error_hours"])
            collector[~there] = -1
            missing = collector < 0
            for each in values.values():
                each[missing] = np.nan
            rssi[missing] = np.nan
            yield Heard(part, slots, seconds.astype("datetime64[s]"), collector, rssi, values)

    def outdoor_c(self, times: Times) -> Floats:
        """Outdoor temperature [°C], mean of the hours that ``times`` (UTC) lie in."""
        return self.weather.outdoor_c(np.asarray(times).astype("datetime64[h]").astype(np.int64))

    def target_at(self, meters: Sequence[int] | Ints, times: Times) -> tuple[Times, Times]:
        """The monthly target dates last passed by the meters' own clocks at ``times`` (t,) or (m, t).

        Gives two arrays (m, t): the date as the meter stamps it (datetime64[D], the first of a month) and
        the true moment (UTC, datetime64[s]) when its clock showed 00:00, at which it stored its values.
        """
        which = np.asarray(meters, dtype=np.int64)
        ahead = (3600 + self._fleet.clock_error_s[which])[:, None]
        own = (np.asarray(times).astype("datetime64[s]").astype(np.int64) + ahead).astype("datetime64[s]")
        date = own.astype("datetime64[M]").astype("datetime64[D]")
        moment = (date.astype("datetime64[s]").astype(np.int64) - ahead).astype("datetime64[s]")
        return date, moment

    # --- radio ---

    def hears(self, collector: int, meter: int) -> float | None:
        """Mean signal strength [dBm] of the meter at the collector; None when it never hears it."""
        rssi = float(self._rssi[collector, meter])
        return None if radio.chance(np.array([rssi]))[0] < 1e-5 else round(rssi, 1)

    def receive(self, collector: int, meters: Sequence[int] | Ints, times: Times) -> NDArray[np.float32]:
        """Strength [dBm] of single telegrams sent by ``meters`` (m,) at ``times`` (m,); NaN: lost.

        Wired meters answer their master always: strength 0.
        """
        which = np.asarray(meters, dtype=np.int64)
        seconds = np.asarray(times).astype("datetime64[s]").astype(np.int64)
        rssi = self._rssi[collector, which]
        if self.collectors[collector].kind == "mbus":
            return np.where(np.isfinite(rssi), 0.0, np.nan).astype(np.float32)
        luck, fading = radio.luck(self._series.meters.key[which] ^ np.uint64(101 + collector), seconds)
        deaf = self._deaf(collector, seconds)
        heard = np.round(2.0 * np.maximum(rssi + fading, radio.SENSITIVITY_DBM - 3.0)) / 2.0
        return np.where((luck < radio.chance(rssi)) & ~deaf, heard, np.nan).astype(np.float32)

    def _deaf(self, collector: int, seconds: Ints) -> NDArray[np.bool_]:
        this = self.collectors[collector]
        if this.silent_from is None or this.silent_to is None:
            return np.zeros(seconds.shape, dtype=bool)
        return np.asarray((seconds >= this.silent_from.timestamp()) & (seconds < this.silent_to.timestamp()))

    def _first_through(
        self, meters: Ints, starts: Ints
    ) -> tuple[Ints, NDArray[np.int16], NDArray[np.float32]]:
        """For each meter and hour: seconds until the first telegram came through, to whom, how strong."""
        lost = np.ones((len(meters), len(starts)))
        best = np.full((len(meters), len(starts)), -np.inf)
        collector = np.full((len(meters), len(starts)), -1, dtype=np.int16)
        for each in self.collectors:
            rssi = np.where(self._deaf(each.index, starts), -np.inf, self._rssi[each.index, meters][:, None])
            lost *= 1.0 - radio.chance(rssi)
            stronger = rssi > best
            best, collector = np.where(stronger, rssi, best), np.where(stronger, each.index, collector)
        interval = np.array([MODELS[m].type.interval_s for m in self._fleet.model[meters].tolist()])[:, None]
        luck, fading = radio.luck(self._series.meters.key[meters][:, None] ^ np.uint64(71), starts)
        with np.errstate(divide="ignore"):
            missed = np.floor(np.log(luck) / np.log(np.minimum(lost, 1.0 - 1e-12)))
        missed = np.where(lost <= 0.0, 0.0, missed)
        after = self._fleet.phase_s[meters][:, None] + np.minimum(missed, 1e6) * interval
        heard = after < 3600.0
        wired = np.array([c.kind == "mbus" for c in self.collectors])[collector] & heard
        rssi = np.round(2.0 * np.maximum(best + fading, radio.SENSITIVITY_DBM - 3.0)) / 2.0
        return (
            np.where(heard, after, 0.0).astype(np.int64),
            np.where(heard, collector, -1).astype(np.int16),
            np.where(heard & ~wired, rssi, np.nan).astype(np.float32),
        )

    def _set_up_radio(self, hidden: faults.Faults) -> None:
        land, meters = self._ground, self._fleet
        mounted = np.nonzero(meters.true_point >= 0)[0]
        building = land.building[meters.true_point[mounted]]
        xy, place = land.xy[building], land.place[building]
        collectors = radio.place_collectors(land, xy, place, meters.walls_db[mounted])
        if hidden.silent_collector is not None and len(collectors) > 1:
            begins, ends = (datetime.fromtimestamp(h * 3600, UTC) for h in hidden.silent_collector)
            deaf = collectors[1]
            collectors[1] = Collector(
                deaf.index, deaf.kind, deaf.name, deaf.serial, deaf.latitude, deaf.longitude, deaf.city,
                deaf.height_m, deaf.gain_db, deaf.xy, begins, ends,
            )  # fmt: skip
        self._rssi = np.full((len(collectors) + 1, len(meters)), -np.inf)
        for each in collectors:
            shadow = radio.shadow(self._series.meters.key[mounted], each.index)
            self._rssi[each.index, mounted] = radio.strength(xy, meters.walls_db[mounted], each) - shadow
        # where no collector hears well enough, the installer has moved the meter's antenna
        best = self._rssi[:-1].max(axis=0)
        better = np.clip(-104.0 + 3.0 * noise.uniform(self._series.meters.key) - best, 0.0, None)
        self._rssi[:-1] += np.where(np.isfinite(best), better, 0.0)
        for meter in hidden.barely_heard:
            self._rssi[:-1, meter] += -124.0 - self._rssi[:-1, meter].max()
        wired = np.nonzero(meters.primary_address > 0)[0]
        self._rssi[:-1, wired] = -np.inf
        if len(wired):
            at = land.building[meters.true_point[wired[0]]]
            latitude, longitude = position(land.xy[at]).tolist()
            index = len(collectors)
            collectors.append(
                Collector(
                    index,
                    "mbus",
                    "M-Bus-master Kommunhuset",
                    f"9910{index:04d}",
                    latitude,
                    longitude,
                    self.name,
                )
            )
            self._rssi[index, wired] = 0.0
        else:
            self._rssi = self._rssi[:-1]
        self.collectors: list[Collector] = collectors

    def _let_roll_over(self, meter: int, hour: int) -> None:
        """Set the meter's first reading so that its energy passes the last number at this hour."""
        which, seconds = np.array([meter]), np.array([[hour * 3600]])
        used = float(self._series.raw(which, seconds, live=False)[0][0, 0, ENERGY])
        model = MODELS[int(self._fleet.model[meter])]
        top = model.steps[ENERGY] * 10.0**model.digits
        start = self._series.meters.start
        start[meter, ENERGY] = top - (used - start[meter, ENERGY])


def _fault(hidden: faults.Hidden, now: datetime) -> Fault:
    texts = faults.TEXTS[hidden.code]
    ended = hidden.ended_days_ago
    return Fault(
        code=hidden.code,
        since=now - timedelta(days=hidden.days_ago),
        until=None if ended is None else now - timedelta(days=ended),
        days_ago=hidden.days_ago,
        meters=hidden.meters,
        points=hidden.points,
        collectors=hidden.collectors,
        name=MappingProxyType({"sv": texts["name_sv"], "en": texts["name_en"]}),
        sees=MappingProxyType(
            {
                "sv": texts["sees_sv"].format(detail=hidden.detail),
                "en": texts["sees_en"].format(detail=hidden.detail.replace(",", ".")),
            }
        ),
    )
