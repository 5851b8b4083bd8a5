"""Known faults hidden in the town, so that what is meant to find them can be shown to find them.

``hide`` changes the ground, the fleet and the series' faults, and tells what it did. The same seed hides
the same faults in the same places; their dates are counted back from now.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avlas.simulate import buildings
from avlas.simulate.catalogue import (
    BY_TYPE,
    ENERGY,
    ENERGY_2,
    ERROR_HOURS,
    FLOW_M3C,
    INPUT_A,
    MODELS,
    RETURN_M3C,
    VOLUME,
    water_duration,
)
from avlas.simulate.fleet import Fleet, exchange
from avlas.simulate.loads import HEAT, NEVER, WATER, Sky
from avlas.simulate.series import FIRST_C, INFO, SECOND_C, MeterFault, PlantFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from avlas.simulate.ground import Ground

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hidden:
    """One fault as it was hidden. Numbers point into the town's meters, points and collectors."""

    code: str
    days_ago: float  # when it began
    ended_days_ago: float | None = None  # None: still there
    meters: tuple[int, ...] = ()
    points: tuple[int, ...] = ()
    collectors: tuple[int, ...] = ()
    detail: str = ""  # a figure for the description, the same in both languages


@dataclass(slots=True)
class Faults:
    """All that was hidden, and what it does to the series and the radio."""

    hidden: list[Hidden] = field(default_factory=list)
    plant: dict[int, list[PlantFault]] = field(default_factory=dict)  # by true point
    meter: dict[int, list[MeterFault]] = field(default_factory=dict)
    roll_over: dict[int, int] = field(default_factory=dict)  # meter -> hour when its energy rolls over
    barely_heard: list[int] = field(default_factory=list)
    left: dict[int, int] = field(default_factory=dict)  # point -> hour since which nobody has it
    silent_collector: tuple[int, int] | None = None  # from hour, to hour: the town's second collector


# --- what goes wrong in a building ---


@dataclass(frozen=True, slots=True)
class OpenBypass:
    """Hot water runs straight through, hardly cooled."""

    from_hour: int
    m3_h: float

    def bend(self, sky: Sky, volume: Floats, first_c: Floats, second_c: Floats) -> None:
        extra = np.where(sky.hours >= self.from_hour, self.m3_h, 0.0)
        second_c[:] = (volume * second_c + extra * (first_c - 3.0)) / (volume + extra)
        volume += extra


@dataclass(frozen=True, slots=True)
class FouledExchanger:
    """The heat exchanger grows over: more water for the same heat, and it comes back warmer."""

    from_hour: int
    kelvin_a_day: float
    most_k: float

    def bend(self, sky: Sky, volume: Floats, first_c: Floats, second_c: Floats) -> None:
        creep = np.clip((sky.hours - self.from_hour) / 24.0 * self.kelvin_a_day, 0.0, self.most_k)
        before = first_c - second_c
        second_c[:] = np.minimum(second_c + creep, first_c - 4.0)
        volume *= before / (first_c - second_c)


@dataclass(frozen=True, slots=True)
class HuntingValve:
    """The control valve swings between open and shut."""

    from_hour: int

    def bend(self, sky: Sky, volume: Floats, first_c: Floats, second_c: Floats) -> None:
        swing = np.where(sky.hours % 2 == 0, 1.93, 0.07)
        on = sky.hours >= self.from_hour
        volume *= np.where(on, swing, 1.0)
        second_c += np.where(on & (swing > 1.0), 5.0, 0.0)
        np.minimum(second_c, first_c - 3.0, out=second_c)


@dataclass(frozen=True, slots=True)
class RunningWater:
    """Water runs day and night."""

    from_hour: int
    m3_h: float

    def bend(self, sky: Sky, volume: Floats, first_c: Floats, second_c: Floats) -> None:
        running = sky.hours >= self.from_hour
        volume += np.where(running, self.m3_h, 0.0)
        first_c[:] = np.where(running, 0.8 * sky.ground_c + 0.2 * second_c, first_c)


# --- what goes wrong in a meter ---


@dataclass(frozen=True, slots=True)
class SwappedSensors:
    """t1 sits in the return and t2 in the flow: nothing is counted as heat."""

    from_hour: int
    info: int

    def show(self, sky: Sky, rows: Floats) -> None:
        on = sky.hours >= self.from_hour
        for one, other in ((FIRST_C, SECOND_C), (FLOW_M3C, RETURN_M3C)):
            rows[one], rows[other] = (
                np.where(on, rows[other], rows[one]),
                np.where(on, rows[one], rows[other]),
            )
        rows[ENERGY][on] = 0.0
        _flag(rows, on, self.info)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The flow sensor counts nothing any more, without a word."""

    from_hour: int

    def show(self, sky: Sky, rows: Floats) -> None:
        rows[:ERROR_HOURS][:, sky.hours >= self.from_hour] = 0.0


@dataclass(frozen=True, slots=True)
class Flagged:
    """An info code without any other effect: a battery running low."""

    from_hour: int
    info: int

    def show(self, sky: Sky, rows: Floats) -> None:
        _flag(rows, sky.hours >= self.from_hour, self.info)


@dataclass(frozen=True, slots=True)
class FlaggedFor:
    """A water meter's info code that also tells how long within the last 30 days."""

    from_hour: int
    info: int
    duration_unit: int

    def show(self, sky: Sky, rows: Floats) -> None:
        lasted = np.clip(sky.hours - self.from_hour + 1, 0, 720)
        on = lasted > 24
        rows[INFO] += np.where(on, self.info + self.duration_unit * water_duration(lasted), 0)


@dataclass(frozen=True, slots=True)
class PulseLeak:
    """The water meter on In-A never rests."""

    from_hour: int
    m3_h: float
    info: int

    def show(self, sky: Sky, rows: Floats) -> None:
        rows[INPUT_A] += np.where(sky.hours >= self.from_hour, self.m3_h, 0.0)
        _flag(rows, sky.hours >= self.from_hour + 24, self.info)


@dataclass(frozen=True, slots=True)
class WrongPulseValue:
    """Pulses on In-A are taken for ten times what they are."""

    from_hour: int

    def show(self, sky: Sky, rows: Floats) -> None:
        rows[INPUT_A] *= np.where(sky.hours >= self.from_hour, 10.0, 1.0)


@dataclass(frozen=True, slots=True)
class Air:
    """Air in the flow sensor, some hours every day: nothing is counted then."""

    from_hour: int
    info: int

    def show(self, sky: Sky, rows: Floats) -> None:
        hour = (sky.hours + 5 * (sky.hours // 24)) % 24
        on = (sky.hours >= self.from_hour) & ((hour % 9) < 3)
        rows[:ERROR_HOURS][:, on] = 0.0
        rows[ERROR_HOURS][on] = 1.0
        _flag(rows, on, self.info)


@dataclass(frozen=True, slots=True)
class BrokenSensor:
    """A temperature sensor without contact (185.00 °C) or short-circuited (0.00 °C): no energy is counted."""

    from_hour: int
    row: int
    shows_c: float
    info: int

    def show(self, sky: Sky, rows: Floats) -> None:
        on = sky.hours >= self.from_hour
        rows[self.row][on] = self.shows_c
        for counter in (ENERGY, ENERGY_2, FLOW_M3C, RETURN_M3C):
            rows[counter][on] = 0.0
        rows[ERROR_HOURS][on] = 1.0
        _flag(rows, on, self.info)


@dataclass(frozen=True, slots=True)
class TurnedRound:
    """A water meter somebody turned round: it counts backwards."""

    from_hour: int

    def show(self, sky: Sky, rows: Floats) -> None:
        rows[VOLUME] *= np.where(sky.hours >= self.from_hour, -1.0, 1.0)


def _flag(rows: Floats, on: NDArray[np.bool_], info: int) -> None:
    rows[INFO][on] = (rows[INFO][on].astype(np.int64) | info).astype(np.float64)


# --- hiding ---


@dataclass(slots=True)
class Hiding:
    """The town while faults are being hidden in it."""

    ground: Ground
    fleet: Fleet
    spare: Ints
    begin_hour: int
    now_hour: int
    rng: np.random.Generator
    turn: int = 0  # large towns get every fault several times
    faults: Faults = field(default_factory=Faults)
    taken: set[int] = field(default_factory=set)  # points

    def hour(self, days_ago: float) -> int:
        return self.now_hour - round(days_ago * 24)

    def info(self, meter: int, name: str) -> int:
        return MODELS[int(self.fleet.model[meter])].info.get(name, 0)

    def pick(
        self,
        medium: int,
        kinds: tuple[str, ...] = (),
        *,
        info: tuple[str, ...] = (),
        sends: tuple[str, ...] = (),
        types: tuple[str, ...] = (),
    ) -> int | None:
        """An untouched meter of this kind, mounted all the time; None when the town has none."""
        fleet, ground = self.fleet, self.ground
        known = np.nonzero(
            (fleet.point >= 0) & (fleet.true_point == fleet.point) & (fleet.dismounted == NEVER)
        )[0]
        known = known[(fleet.primary_address[known] == 0) & (fleet.mounted[known] < self.begin_hour)]
        point = fleet.point[known]
        good = ground.medium[point] == medium
        good &= ~np.isin(point, list(self.taken)) & (ground.demand.empty_from[point] == NEVER)
        if kinds:
            codes = [buildings.BY_CODE[kind] for kind in kinds]
            good &= np.isin(ground.kind[ground.building[point]], codes)
        fits = [
            all(name in model.info for name in info)
            and all(code in model.sent for code in sends)
            and (not types or model.type_name in types)
            for model in MODELS
        ]
        good &= np.array(fits)[fleet.model[known]]
        candidates = known[good]
        if not len(candidates):
            return None
        chosen = int(candidates[int(self.rng.integers(len(candidates)))])
        self.taken.add(int(fleet.point[chosen]))
        return chosen

    def exchanged(self, meter: int, days_ago: float) -> int:
        """A new meter in this one's place; gives its number."""
        self.spare = exchange(
            self.fleet, self.ground, np.array([meter]), np.array([self.hour(days_ago)]), self.spare
        )
        return len(self.fleet) - 1

    def plant(self, meter: int, fault: PlantFault) -> None:
        self.faults.plant.setdefault(int(self.fleet.true_point[meter]), []).append(fault)

    def meter(self, meter: int, fault: MeterFault) -> None:
        self.faults.meter.setdefault(meter, []).append(fault)

    def note(self, code: str, days_ago: float, *meters: int, detail: str = "") -> None:
        points = tuple(dict.fromkeys(int(p) for p in self.fleet.point[list(meters)] if p >= 0))
        self.faults.hidden.append(Hidden(code, days_ago, meters=meters, points=points, detail=detail))


_HOMES = ("villa", "row_house")
_THERMAL = ("energy_heat_kwh", "volume_m3", "flow_temperature_c", "return_temperature_c")
_WATER = ("multical21", "flowiq2200")


def _open_bypass(h: Hiding) -> None:
    meter = h.pick(HEAT, ("apartments", "shop", "office", "villa"), sends=("energy_flow_m3c",))
    if meter is not None:
        extra = max(0.065, 0.09 * float(h.ground.demand.design_kw[h.fleet.point[meter]]) / (1.15 * 45.0))
        h.plant(meter, OpenBypass(h.hour(210), extra))
        h.note("open_bypass", 210, meter, detail=f"{1000 * extra:.0f} l/h")


def _swapped_sensors(h: Hiding) -> None:
    old = h.pick(HEAT, _HOMES, types=("multical302", "multical402", "multical602", "multical403"))
    if old is not None:
        new = h.exchanged(old, 62)
        h.meter(new, SwappedSensors(0, h.info(new, "difference")))
        h.note("swapped_sensors", 62, new, detail=str(h.fleet.serial[old]))


def _stopped_meter(h: Hiding) -> None:
    meter = h.pick(HEAT, _HOMES, sends=_THERMAL)
    if meter is not None:
        h.meter(meter, Stopped(h.hour(33.4)))
        h.note("stopped_meter", 33.4, meter)


def _exchange(h: Hiding) -> None:
    old = h.pick(HEAT, ("apartments",), types=("multical602", "multical402", "multical603", "multical403"))
    if old is not None:
        new = h.exchanged(old, 118)
        h.note("exchange", 118, old, new)


def _roll_over(h: Hiding) -> None:
    fleet = h.fleet
    known = np.nonzero((fleet.point >= 0) & (fleet.dismounted == NEVER) & (fleet.primary_address == 0))[0]
    known = known[(fleet.mounted[known] < h.begin_hour) & (h.ground.medium[fleet.point[known]] == HEAT)]
    known = known[~np.isin(fleet.point[known], list(h.taken))]
    if not len(known):
        return
    # one of the largest consumers, with an old meter of seven digits that it has brought round in some years
    largest = known[np.argsort(h.ground.demand.design_kw[fleet.point[known]])[-1 - h.turn % len(known)]]
    meter, point = int(largest), int(fleet.point[largest])
    h.taken.add(point)
    use = 2000.0 * float(h.ground.demand.design_kw[point])  # kWh a year
    years = min(max(9_000_000.0 / use, 4.0), 12.0)
    fleet.model[meter] = BY_TYPE["multical602"]
    fleet.mounted[meter] = (h.begin_hour - round(years * 8766)) // 24 * 24 + 9
    h.faults.roll_over[meter] = h.hour(44)
    h.note("roll_over", 44, meter)


def _low_battery(h: Hiding) -> None:
    meter = h.pick(HEAT, _HOMES, info=("low_battery",))
    if meter is not None:
        h.meter(meter, Flagged(h.hour(87), h.info(meter, "low_battery")))
        h.note("low_battery", 87, meter)


def _water_leak(h: Hiding) -> None:
    meter = h.pick(WATER, types=("multical21",))
    if meter is not None:
        h.plant(meter, RunningWater(h.hour(12.3), 0.038))
        h.meter(meter, FlaggedFor(h.hour(12.3), h.info(meter, "leak"), h.info(meter, "leak_for")))
        h.note("water_leak", 12.3, meter, detail="38 l/h")


def _input_leak(h: Hiding) -> None:
    meter = h.pick(HEAT, info=("input_a_leak",), sends=("input_a",))
    if meter is not None:
        h.fleet.input_a[meter] = True
        h.meter(meter, PulseLeak(h.hour(19.6), 0.055, h.info(meter, "input_a_leak")))
        h.note("input_leak", 19.6, meter, detail="55 l/h")


def _silent_collector(h: Hiding) -> None:
    if h.turn == 0:
        h.faults.silent_collector = (h.hour(18.2), h.hour(15.1))
        h.faults.hidden.append(Hidden("silent_collector", 18.2, 15.1, collectors=(1,)))


def _wrong_clock(h: Hiding) -> None:
    meter = h.pick(HEAT, types=("multical403", "multical803", "multical303", "multical602"))
    if meter is not None:
        h.fleet.clock_error_s[meter] = 10_020
        h.note("wrong_clock", 397, meter, detail="2 h 47 min")


def _fouled_exchanger(h: Hiding) -> None:
    meter = h.pick(HEAT, ("apartments", "office", "school", "care_home"), sends=("energy_return_m3c",))
    if meter is not None:
        h.plant(meter, FouledExchanger(h.hour(240), 13.0 / 240.0, 16.0))
        h.note("fouled_exchanger", 240, meter, detail="13 K")


def _wrong_pulse_value(h: Hiding) -> None:
    meter = h.pick(HEAT, sends=("input_a",))
    if meter is not None:
        h.fleet.input_a[meter] = True
        h.meter(meter, WrongPulseValue(h.hour(96)))
        h.note("wrong_pulse_value", 96, meter)


def _swapped_customers(h: Hiding) -> None:
    first = h.pick(HEAT, _HOMES, sends=_THERMAL)
    second = h.pick(HEAT, _HOMES, sends=_THERMAL)
    if first is None or second is None:
        return
    one, other = int(h.fleet.point[first]), int(h.fleet.point[second])
    new = [h.exchanged(first, 200), h.exchanged(second, 200)]
    h.fleet.point[new] = [other, one]  # the slips were mixed up in the van
    h.ground.demand.empty_from[one] = h.faults.left[one] = h.hour(120) // 24 * 24 + 23
    h.note("swapped_customers", 200, *new)


def _set_back_at_wrong_time(h: Hiding) -> None:
    meter = h.pick(HEAT, ("school", "office", "town_hall", "health_centre"), sends=_THERMAL)
    if meter is not None:
        point = int(h.fleet.point[meter])
        h.ground.demand.shift_h[point] = 10
        h.ground.demand.shift_from[point] = h.hour(37)
        h.note("set_back_at_wrong_time", 37, meter, detail="10 h")


def _air(h: Hiding) -> None:
    meter = h.pick(HEAT, info=("air",), sends=_THERMAL)
    if meter is not None:
        h.meter(meter, Air(h.hour(25.5), h.info(meter, "air")))
        h.note("air", 25.5, meter)


def _sensor_open(h: Hiding) -> None:
    meter = h.pick(HEAT, info=("t2_high",), sends=_THERMAL)
    if meter is not None:
        h.meter(meter, BrokenSensor(h.hour(9.2), SECOND_C, 185.0, h.info(meter, "t2_high")))
        h.note("sensor_open", 9.2, meter, detail="185,00 °C")


def _sensor_short(h: Hiding) -> None:
    meter = h.pick(HEAT, _HOMES, info=("t1_low",), sends=_THERMAL)
    if meter is not None:
        h.meter(meter, BrokenSensor(h.hour(5.3), FIRST_C, 0.0, h.info(meter, "t1_low")))
        h.note("sensor_short", 5.3, meter, detail="0,00 °C")


def _backwards(h: Hiding) -> None:
    meter = h.pick(WATER, types=_WATER)
    if meter is not None:
        h.meter(meter, TurnedRound(h.hour(15.7)))
        unit = h.info(meter, "reverse_for")
        h.meter(meter, FlaggedFor(h.hour(15.7), h.info(meter, "reverse"), unit))
        h.note("backwards", 15.7, meter)


def _poor_radio(h: Hiding) -> None:
    meter = h.pick(HEAT, ("apartments", "industry", "shop", "workshop", "office"))
    if meter is not None:
        h.faults.barely_heard.append(meter)
        h.note("poor_radio", 397, meter)


def _wrong_key(h: Hiding) -> None:
    old = h.pick(HEAT, _HOMES)
    if old is not None:
        new = h.exchanged(old, 30)
        h.fleet.wrong_key[new] = True
        h.note("wrong_key", 30, new)


def _water_never_zero(h: Hiding) -> None:
    meter = h.pick(WATER, _HOMES, types=("diehl_hydrus", "sensus_iperl", "itron_cyble"))
    if meter is None:
        meter = h.pick(WATER, types=("diehl_hydrus", "sensus_iperl", "itron_cyble"))
    if meter is not None:
        h.plant(meter, RunningWater(h.hour(50), 0.014))
        h.note("water_never_zero", 50, meter, detail="14 l/h")


def _vacated_home(h: Hiding) -> None:
    meter = h.pick(HEAT, _HOMES, sends=_THERMAL)
    if meter is not None:
        h.ground.demand.empty_from[h.fleet.point[meter]] = h.hour(108)
        h.note("vacated_home", 108, meter)


def _hunting_valve(h: Hiding) -> None:
    meter = h.pick(HEAT, ("apartments", "office", "industry", "shop"), sends=_THERMAL)
    if meter is not None:
        h.plant(meter, HuntingValve(h.hour(41)))
        h.note("hunting_valve", 41, meter)


def _unknown_meter(h: Hiding) -> None:
    new = np.nonzero(h.fleet.ours & (h.fleet.point < 0) & (h.fleet.true_point >= 0))[0]
    for meter in new.tolist():
        days = 3 + 8 * (int(h.fleet.true_point[meter]) - h.ground.registered)
        if h.turn == 0:
            h.fleet.mounted[meter] = h.hour(days)
            h.note("unknown_meter", days, meter)


_ALL: tuple[Callable[[Hiding], None], ...] = (
    _roll_over,  # first those that fit fewest meters
    _input_leak,
    _wrong_pulse_value,
    _set_back_at_wrong_time,
    _water_leak,
    _water_never_zero,
    _backwards,
    _swapped_sensors,
    _exchange,
    _fouled_exchanger,
    _open_bypass,
    _stopped_meter,
    _low_battery,
    _silent_collector,
    _wrong_clock,
    _swapped_customers,
    _air,
    _sensor_open,
    _sensor_short,
    _poor_radio,
    _wrong_key,
    _vacated_home,
    _hunting_valve,
    _unknown_meter,
)


def hide(ground: Ground, fleet: Fleet, spare: Ints, *, begin_hour: int, now_hour: int, seed: int) -> Faults:
    """Hide every kind of fault the town has a meter for, once for each two thousand points."""
    rng = np.random.default_rng([seed, 55])
    hiding = Hiding(ground, fleet, spare, begin_hour, now_hour, rng)
    for turn in range(max(1, min(ground.registered // 2000, 10))):
        hiding.turn = turn
        for each in _ALL:
            each(hiding)
    hiding.faults.hidden.sort(key=lambda fault: fault.days_ago)
    return hiding.faults


TEXTS: Mapping[str, Mapping[str, str]] = tomllib.loads(
    files("avlas.simulate").joinpath("faults.toml").read_text(encoding="utf-8")
)
"""Code -> name_sv, name_en, and what one would see: sees_sv, sees_en ({detail} is to be filled in)."""
