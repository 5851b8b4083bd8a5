"""Every meter's counters for any moment, without remembering what was asked before.

Time is cut into blocks of a week. A block's hourly steps depend on nothing but the meter and the block;
counters at the start of blocks are kept once they are known, so any moment is soon reached again. Inside
an hour counters run straight.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from avlas.simulate import loads, noise
from avlas.simulate.catalogue import (
    COUNTER_CODES,
    COUNTERS,
    ENERGY,
    ENERGY_2,
    ERROR_HOURS,
    FLOW_M3C,
    INPUT_A,
    MODELS,
    RETURN_M3C,
    VOLUME,
)
from avlas.simulate.loads import COOLING, ELECTRICITY, HEAT, HEAT_COOLING, PRESSURE, WATER, Demand, Sky

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from avlas.simulate.weather import Weather

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FIRST_C, SECOND_C, INFO = (
    COUNTERS,
    COUNTERS + 1,
    COUNTERS + 2,
)  # momentary: t1 (water, bar), t2 (room), info code
ROWS = COUNTERS + 3
BLOCK_H = 168
_KEPT = 1_200_000  # counters at the start of blocks: more meters, fewer of them each
_CACHED = 6000  # blocks of single meters kept for live use, 13 kB each


class PlantFault(Protocol):
    """Something wrong in the building: changes what flows through the meter."""

    def bend(self, sky: Sky, volume: Floats, first_c: Floats, second_c: Floats) -> None:
        """Change the hours' volume [m³] and temperatures [°C] in place."""


class MeterFault(Protocol):
    """Something wrong with the meter: changes what it counts and shows."""

    def show(self, sky: Sky, rows: Floats) -> None:
        """Change the hourly rows (ROWS, hours) in place: steps of the counters, temperatures, info code."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """What the series need to know of all meters; arrays of one length."""

    key: noise.Keys
    point: Ints  # true row of Demand, -1 for one in stock
    model: Ints
    input_a: NDArray[np.bool_]  # a water meter's pulses come in on In-A
    mounted: Ints  # hour since 1970, UTC
    dismounted: Ints
    start: Floats  # (meters, COUNTERS) at the beginning of the series or when mounted


class _Block(NamedTuple):
    """One block of some meters."""

    number: int
    start: Floats  # (meters, COUNTERS) growth until the block begins
    steps: Floats  # (meters, ROWS, BLOCK_H) hourly rows
    grown: Floats  # (meters, COUNTERS, BLOCK_H) growth from the block's beginning to each hour's end


class Series:
    """Counters and momentary values of all meters from ``begin_hour`` on, as far into the future as asked."""

    def __init__(
        self,
        demand: Demand,
        meters: Mounted,
        weather: Weather,
        *,
        begin_hour: int,
        plant_faults: Mapping[int, Sequence[PlantFault]],
        meter_faults: Mapping[int, Sequence[MeterFault]],
    ) -> None:
        self.demand, self.meters, self.weather, self.begin_hour = demand, meters, weather, begin_hour
        self.plant_faults, self.meter_faults = plant_faults, meter_faults
        self.medium = np.where(meters.point >= 0, demand.medium[meters.point], -1)
        self._inlet = np.array([MODELS[m].type.device_type == 0x0C for m in meters.model.tolist()])
        self._keep_every = 1 + len(meters.point) * 60 // _KEPT
        self._kept = np.zeros((len(meters.point), 1, COUNTERS))
        self._known = np.ones(len(meters.point), dtype=np.int64)
        self._recent: OrderedDict[tuple[int, int], tuple[Floats, Floats]] = OrderedDict()

    # --- hours ---

    def hourly(self, meters: Ints, block: int) -> Floats:
        """Hourly rows (meters, ROWS, BLOCK_H) of one block: steps of the counters, then momentary values."""
        sky = loads.sky(self.weather, self.begin_hour + block * BLOCK_H, BLOCK_H)
        medium = self.medium[meters]
        found = np.unique(medium).tolist()
        if len(found) == 1 and found[0] >= 0:
            out = self._medium_rows(found[0], meters, sky)
        else:
            out = np.zeros((len(meters), ROWS, BLOCK_H))
            for code in found:
                if code >= 0:
                    here = np.nonzero(medium == code)[0]
                    out[here] = self._medium_rows(code, meters[here], sky)
        for row, meter in enumerate(meters.tolist()):
            for fault in self.meter_faults.get(meter, ()):
                fault.show(sky, out[row])
        mounted, dismounted = self.meters.mounted[meters], self.meters.dismounted[meters]
        if mounted.max() > sky.hours[0] or dismounted.min() <= sky.hours[-1]:
            there = (sky.hours >= mounted[:, None]) & (sky.hours < dismounted[:, None])
            out[:, :COUNTERS] *= there[:, None, :]
        return out

    def _medium_rows(self, code: int, meters: Ints, sky: Sky) -> Floats:
        out = np.zeros((len(meters), ROWS, BLOCK_H))
        points = self.meters.point[meters]
        d = self.demand.rows(points)
        if code == ELECTRICITY:
            out[:, ENERGY], out[:, ENERGY_2] = loads.electricity(d, sky)
            return out
        if code == PRESSURE:
            out[:, FIRST_C] = loads.pressure(d, sky)
            return out
        if code == WATER:
            volume, first_c, second_c = loads.water(d, sky)
        elif code == HEAT:
            volume, first_c, second_c = loads.heat(d, sky)
        elif code == COOLING:
            volume, first_c, second_c = loads.cooling(d, sky)
        else:
            volume, first_c, second_c = loads.heat_and_cooling(d, sky)
        for row, point in enumerate(points.tolist()):
            for fault in self.plant_faults.get(point, ()):
                fault.bend(sky, volume[row], first_c[row], second_c[row])
        out[:, VOLUME], out[:, FIRST_C], out[:, SECOND_C] = volume, first_c, second_c
        if code == WATER:
            return out
        sensor = np.where(self._inlet[meters][:, None], first_c, second_c)
        energy = volume * loads.heat_coefficient(sensor) * (first_c - second_c)
        out[:, ENERGY], out[:, ENERGY_2] = np.maximum(energy, 0.0), np.maximum(-energy, 0.0)
        out[:, FLOW_M3C], out[:, RETURN_M3C] = volume * first_c, volume * second_c
        pulses = np.nonzero(self.meters.input_a[meters])[0]
        if len(pulses):
            out[pulses, INPUT_A] = loads.water(self.demand.rows(points[pulses]), sky)[0]
        return out

    # --- moments ---

    def raw(self, meters: Ints, seconds: Ints, *, live: bool = True) -> tuple[Floats, Floats]:
        """Unrounded counters (meters, times, COUNTERS) and the hour's rows (meters, times, ROWS).

        ``seconds`` since 1970 (meters, times). Before the series begins: NaN. ``live`` keeps single blocks
        for the next question; not wanted when histories run through.
        """
        hours = seconds // 3600 - self.begin_hour
        into = (seconds % 3600) / 3600.0
        counters = np.full((*seconds.shape, COUNTERS), np.nan)
        rows = np.full((*seconds.shape, ROWS), np.nan)
        asked = hours // BLOCK_H
        valid = hours >= 0
        if not valid.any():
            return counters, rows
        for block, at_start, steps, grown in self._walk(meters, np.unique(asked[valid]), live=live):
            row, column = np.nonzero((asked == block) & valid)
            hour = hours[row, column] - block * BLOCK_H
            this = steps[row, :, hour]
            left = (1.0 - into[row, column])[:, None]
            counters[row, column] = at_start[row] + grown[row, :, hour] - this[:, :COUNTERS] * left
            rows[row, column] = this
        return counters + self.meters.start[meters][:, None, :], rows

    def _walk(self, meters: Ints, blocks: Ints, *, live: bool) -> Iterator[_Block]:
        """Each asked block in time's order."""
        if live and len(blocks) == 1:
            recent = self._recall(meters, int(blocks[0]))
            if recent is not None:
                yield recent
                return
        every, at, start = self._keep_every, -1, np.empty(0)
        self._room(int(blocks[-1]) // every + 1)
        for wanted in blocks.tolist():
            kept = min(int(self._known[meters].min()) - 1, wanted // every)
            if at < 0 or kept * every > at:
                at, start = kept * every, self._kept[meters, kept].copy()
            while at <= wanted:
                if at % every == 0:
                    self._kept[meters, at // every] = start
                    self._known[meters] = np.maximum(self._known[meters], at // every + 1)
                steps = self.hourly(meters, at)
                grown = np.cumsum(steps[:, :COUNTERS], axis=2)
                if at == wanted:
                    if live and len(blocks) <= 2:
                        self._remember(meters, at, start, steps)
                    yield _Block(at, start, steps, grown)
                start = start + grown[:, :, -1]
                at += 1

    def _recall(self, meters: Ints, number: int) -> _Block | None:
        asked = [(meter, number) for meter in meters.tolist()]
        if not all(each in self._recent for each in asked):
            return None
        for each in asked:
            self._recent.move_to_end(each)
        start = np.stack([self._recent[each][0] for each in asked])
        steps = np.stack([self._recent[each][1] for each in asked])
        return _Block(number, start, steps, np.cumsum(steps[:, :COUNTERS], axis=2))

    def _remember(self, meters: Ints, number: int, start: Floats, steps: Floats) -> None:
        for row, meter in enumerate(meters.tolist()[:_CACHED]):
            self._recent[meter, number] = (start[row].copy(), steps[row].copy())
        while len(self._recent) > _CACHED:
            self._recent.popitem(last=False)

    def _room(self, count: int) -> None:
        have = self._kept.shape[1]
        if count > have:
            more = np.zeros((len(self._kept), count - have, COUNTERS))
            self._kept = np.concatenate([self._kept, more], axis=1)


_DECIMALS = {
    "flow_temperature_c": 2,
    "return_temperature_c": 2,
    "temperature_difference_k": 2,
    "ambient_temperature_c": 0,
    "volume_flow_m3h": 3,
    "power_kw": 1,
    "power_export_kw": 3,
    "pressure_1_bar": 2,
}


class Displays:
    """What the meters show of the raw series: whole steps, roll-over, momentary values, info codes."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self._steps = np.array([model.steps for model in MODELS])
        self._modulus = np.array([10.0**model.digits for model in MODELS])
        self._scale = {
            code: np.array([10.0 ** model.sent.get(code, ("", decimals))[1] for model in MODELS])
            for code, decimals in _DECIMALS.items()
        }

    def values(self, meters: Ints, seconds: Ints, *, live: bool = True) -> dict[str, Floats]:
        """Register code -> (meters, times) in canonical units, NaN where a meter has no such register."""
        counters, rows = self.series.raw(meters, seconds, live=live)
        mounted = self.series.meters.mounted[meters][:, None] * 3600
        dismounted = self.series.meters.dismounted[meters][:, None] * 3600
        gone = (seconds < mounted) | (seconds > dismounted)
        counters[gone], rows[gone] = np.nan, np.nan
        model = self.series.meters.model[meters]
        steps, modulus = self._steps[model][:, None, :], self._modulus[model][:, None, None]
        # a hair is added so that a whole step told in floating point does not show as the one below
        shown = np.floor(counters / steps + 1e-7) % modulus * steps
        shown = np.round(shown, 9)
        medium = self.series.medium[meters]
        out: dict[str, Floats] = {}
        for code in np.unique(medium[medium >= 0]).tolist():
            here = np.nonzero(medium == code)[0]
            for name, values in self._of_medium(
                code, meters[here], seconds[here], shown[here], rows[here]
            ).items():
                out.setdefault(name, np.full(seconds.shape, np.nan))[here] = values
        return out

    def _of_medium(
        self, code: int, meters: Ints, seconds: Ints, shown: Floats, rows: Floats
    ) -> dict[str, Floats]:
        model = self.series.meters.model[meters]
        key = self.series.meters.key[meters][:, None]
        out: dict[str, Floats] = {}
        for number, name in enumerate(COUNTER_CODES[code]):
            if name and name != "input_a" and not (code == HEAT and number == ENERGY_2):
                out[name] = shown[..., number]
        if code == COOLING:
            del out["energy_heat_kwh"]
        with_input = self.series.meters.input_a[meters]
        if code in {HEAT, COOLING, HEAT_COOLING} and with_input.any():
            out["input_a"] = np.where(with_input[:, None], shown[..., INPUT_A], np.nan)
        flicker = 1.0 + 0.06 * noise.normal(key, seconds // 120)  # valves and taps within the hour
        exact: dict[str, Floats] = {}
        if code in {HEAT, COOLING, HEAT_COOLING}:
            exact["flow_temperature_c"] = rows[..., FIRST_C]
            exact["return_temperature_c"] = rows[..., SECOND_C]
            exact["volume_flow_m3h"] = rows[..., VOLUME] * flicker
            exact["power_kw"] = (rows[..., ENERGY] + rows[..., ENERGY_2]) * flicker
        elif code == WATER:
            exact["volume_flow_m3h"] = np.maximum(rows[..., VOLUME], 0.0) * flicker
            exact["flow_temperature_c"] = rows[..., FIRST_C]
            exact["ambient_temperature_c"] = rows[..., SECOND_C]
        elif code == ELECTRICITY:
            exact["power_kw"] = rows[..., ENERGY] * flicker
            exact["power_export_kw"] = rows[..., ENERGY_2] * flicker
        else:
            exact["pressure_1_bar"] = rows[..., FIRST_C]
        for name, values in exact.items():
            scale = self._scale[name][model][:, None]
            out[name] = np.round(values * scale) / scale
        if "return_temperature_c" in out:
            out["temperature_difference_k"] = np.round(
                out["flow_temperature_c"] - out["return_temperature_c"], 2
            )
        begun = np.minimum(self.series.meters.mounted[meters], seconds.max() // 3600)[:, None]
        out["operating_hours"] = np.where(np.isnan(rows[..., INFO]), np.nan, seconds // 3600 - begun)
        out["error_hours"] = shown[..., ERROR_HOURS]
        out["info_code"] = rows[..., INFO]
        return out
