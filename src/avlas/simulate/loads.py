"""What buildings draw, hour by hour: heat, cooling, water and electricity, with the physics kept whole.

Energy is always volume x heat coefficient x temperature difference, whatever the load was made of. Every
function takes rows of ``Demand`` (one per metering point) and a ``Sky`` (one per hour) and gives arrays
(rows, hours). An hour's result depends on that hour only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avlas.simulate import noise
from avlas.simulate.almanac import Almanac, Hours, almanac

if TYPE_CHECKING:
    from avlas.simulate.noise import Floats, Keys
    from avlas.simulate.weather import Weather

Ints = NDArray[np.int64]
NEVER = np.int64(2**40)  # an hour that does not come

HEAT, COOLING, HEAT_COOLING, WATER, ELECTRICITY, PRESSURE = range(6)
MEDIA = ("heat", "cooling", "heat/cooling", "water", "electricity", "pressure")


def heat_coefficient(sensor_c: Floats) -> Floats:
    """Heat coefficient k [kWh/(m³·K)] of water measured at this temperature [°C] at the flow sensor."""
    return (1001.1 - 0.0834 * sensor_c - 0.00358 * sensor_c**2) * (4.183 / 3600.0)


@dataclass(frozen=True, slots=True)
class Sky:
    """What all buildings share in a stretch of hours."""

    hours: Hours
    calendar: Almanac
    outdoor_c: Floats
    felt_c: tuple[Floats, Floats, Floats]  # by light, middling and heavy buildings
    sun: Floats
    network_c: Floats  # flow temperature leaving the plant
    chilled_c: Floats  # district cooling leaving the plant
    ground_c: Floats  # cold water, pipes in the ground
    slot: Ints  # working day 0-23, day off 24-47


@lru_cache(maxsize=96)
def sky(weather: Weather, first_hour: int, count: int) -> Sky:
    """The shared conditions of ``count`` hours from ``first_hour`` (hours since 1970 UTC)."""
    hours = np.arange(first_hour, first_hour + count, dtype=np.int64)
    calendar = almanac(hours)
    quick = weather.felt_c(hours, 6.0)
    plant = noise.keys(weather.seed, "plant", 0)
    network = np.clip(71.0 + (6.0 - quick) * 1.12, 71.0, 102.0) + 0.8 * noise.wave(plant, hours / 5.0)
    season = -np.cos(2.0 * np.pi * (calendar.year_part - 0.14))  # the ground lags the air by weeks
    return Sky(
        hours=hours,
        calendar=calendar,
        outdoor_c=weather.outdoor_c(hours),
        felt_c=(weather.felt_c(hours, 10.0), weather.felt_c(hours, 30.0), weather.felt_c(hours, 60.0)),
        sun=weather.sun(hours),
        network_c=network,
        chilled_c=6.4 + 0.35 * noise.wave(plant, hours / 7.0 + 1e6),
        ground_c=8.6 + 4.6 * season,
        slot=calendar.clock + 24 * calendar.off,
    )


@dataclass(frozen=True, slots=True)
class Demand:
    """Every metering point's way of using; arrays of one length, one entry per point."""

    key: Keys
    medium: Ints
    loss_kw_k: Floats
    balance_c: Floats
    memory: Ints
    sun_k: Floats  # degrees that full sunshine is worth
    schedule: Ints
    draw_off: Ints
    hot_water_kw: Floats  # mean
    uneven: Floats
    circulation_kw: Floats
    process_kw: Floats
    pipe_loss_k: Floats  # flow temperature lost on the way from the plant, at full flow
    idle_loss_k: Floats  # and what more is lost when nearly nothing flows
    design_kw: Floats  # load at -18 °C
    poor_k: Floats  # how much warmer the substation returns the water than a good one
    cooling_kw_k: Floats
    cooling_base_kw: Floats
    water_m3_h: Floats  # mean
    electricity_kw: Floats  # mean
    solar_kw: Floats  # peak, 0 without panels
    bar: Floats  # pressure at the point
    empty_from: Ints  # hour when nobody lives there any longer ...
    empty_to: Ints  # ... and when someone does again
    travels: NDArray[np.bool_]  # homes stand empty in some weeks
    shift_h: Ints  # the schedule's clock is wrong by so many hours ...
    shift_from: Ints  # ... from this hour

    def rows(self, points: Ints) -> Demand:
        """Only these points, in this order."""
        return Demand(**{part.name: getattr(self, part.name)[points] for part in fields(self)})


def _day(*parts: tuple[int, float]) -> list[float]:
    """24 hourly figures from (until hour, level) steps."""
    out: list[float] = []
    for until, level in parts:
        out += [level] * (until - len(out))
    return out


def _table(*pairs: tuple[list[float], list[float]], normal: bool) -> Floats:
    table = np.array([working + off for working, off in pairs])
    if normal:  # so that the year's mean is 1
        table /= (table[:, :24].mean(axis=1) * 5 + table[:, 24:].mean(axis=1) * 2)[:, None] / 7
    return table


_NIGHT = _day((5, 0.62), (7, 1.32), (9, 1.16), (17, 1.0), (18, 0.85), (24, 0.66))
SCHEDULES = _table(
    (_day((24, 1.0)), _day((24, 1.0))),
    (_NIGHT, _day((24, 0.68))),
    (_day((6, 0.72), (9, 1.25), (19, 1.05), (24, 0.74)), _day((8, 0.72), (10, 1.2), (17, 1.0), (24, 0.72))),
    (_day((5, 0.7), (7, 1.3), (16, 1.1), (24, 0.7)), _day((24, 0.6))),
    normal=False,
)
DRAW_OFF = _table(
    (
        [
            0.25,
            0.12,
            0.08,
            0.08,
            0.15,
            0.7,
            2.1,
            2.5,
            1.5,
            0.8,
            0.7,
            0.7,
            0.75,
            0.7,
            0.7,
            0.9,
            1.3,
            1.7,
            2.0,
            1.9,
            1.7,
            1.5,
            1.0,
            0.5,
        ],
        [
            0.4,
            0.22,
            0.12,
            0.08,
            0.08,
            0.2,
            0.5,
            1.0,
            1.7,
            2.0,
            1.9,
            1.6,
            1.4,
            1.2,
            1.1,
            1.2,
            1.4,
            1.7,
            1.9,
            1.8,
            1.6,
            1.4,
            1.0,
            0.6,
        ],
    ),
    (
        _day((6, 0.05), (8, 0.8), (11, 1.8), (13, 3.2), (16, 1.8), (18, 0.7), (24, 0.1)),
        _day((8, 0.03), (18, 0.25), (24, 0.04)),
    ),
    (
        _day((6, 0.2), (9, 1.4), (14, 1.1), (20, 2.1), (22, 1.0), (24, 0.2)),
        _day((9, 0.2), (18, 2.0), (24, 0.2)),
    ),
    (
        _day((5, 0.35), (7, 1.2), (10, 2.1), (14, 1.3), (20, 1.2), (22, 0.9), (24, 0.4)),
        _day((6, 0.35), (10, 2.0), (14, 1.3), (20, 1.2), (22, 0.9), (24, 0.4)),
    ),
    normal=True,
)
_LIGHTS = _table(
    (
        _day((5, 0.55), (8, 1.0), (15, 0.8), (17, 1.1), (22, 1.75), (24, 1.0)),
        _day((7, 0.55), (16, 1.05), (22, 1.6), (24, 1.0)),
    ),
    (_day((6, 0.4), (8, 1.2), (17, 2.0), (19, 1.0), (24, 0.45)), _day((24, 0.45))),
    (_day((6, 0.5), (22, 1.5), (24, 0.6)), _day((8, 0.5), (19, 1.6), (24, 0.5))),
    (_day((6, 0.7), (22, 1.2), (24, 0.8)), _day((6, 0.7), (22, 1.2), (24, 0.8))),
    normal=True,
)


def _lived_in(d: Demand, s: Sky) -> Floats:
    """1 when people are there, 0 when the home is empty or its people travel."""
    week = (s.calendar.day // 7)[None, :]
    away = np.where(s.calendar.holiday_season, 0.34, 0.035)[None, :]
    trip = d.travels[:, None] & (noise.uniform(d.key[:, None] ^ np.uint64(3), week) < away)
    empty = (s.hours >= d.empty_from[:, None]) & (s.hours < d.empty_to[:, None])
    return np.where(trip | empty, 0.0, 1.0)


def _open(d: Demand, s: Sky) -> Floats:
    """How much of the daytime activity goes on: schools and preschools rest in the holidays."""
    rests = (d.draw_off[:, None] == 1) & s.calendar.school_break[None, :]
    return np.where(rests, 0.45, 1.0)


def _drawn(d: Demand, s: Sky, topic: int) -> Floats:
    """Draw-off relative to the mean: profile of the day, people's presence, taps opened by chance."""
    chance = -np.log(noise.uniform(d.key[:, None] ^ np.uint64(topic), s.hours[None, :]))
    single = d.uneven[:, None] > 0.9  # one household: many hours without a tap opened
    unit = np.where(single, 0.5 * chance**2, 1.0 + d.uneven[:, None] * (chance - 1.0))
    return np.asarray(DRAW_OFF[d.draw_off][:, s.slot] * unit * _lived_in(d, s) * _open(d, s))


def _space_heat(d: Demand, s: Sky) -> Floats:
    """Heating and ventilation [kW]."""
    felt = np.stack(s.felt_c)[d.memory]
    whim = 0.7 * noise.normal(d.key[:, None] ^ np.uint64(7), s.calendar.day[None, :])
    missing = d.balance_c[:, None] + 0.35 * whim - felt - d.sun_k[:, None] * s.sun
    slot = np.broadcast_to(s.slot, missing.shape)
    if d.shift_h.any():
        shift = np.where(s.hours >= d.shift_from[:, None], d.shift_h[:, None], 0)
        slot = (slot - slot % 24) + (slot % 24 - shift) % 24
    flutter = 1.0 + 0.05 * noise.normal(d.key[:, None] ^ np.uint64(9), s.hours[None, :])
    empty = (s.hours >= d.empty_from[:, None]) & (s.hours < d.empty_to[:, None])
    frugal = np.where(empty, 0.55, 1.0)  # an empty home is kept free from frost and damp
    scheduled = SCHEDULES[d.schedule[:, None], slot]
    return np.asarray(d.loss_kw_k[:, None] * np.maximum(missing, 0.0) * scheduled * flutter * frugal)


def heat(d: Demand, s: Sky) -> tuple[Floats, Floats, Floats]:
    """District heating: volume [m³] of each hour, flow and return temperature [°C]."""
    space = _space_heat(d, s)
    hot = d.hot_water_kw[:, None] * _drawn(d, s, 5)
    busy = np.where((s.calendar.clock >= 6) & (s.calendar.clock < 21), 1.25, 0.6)
    steady = d.circulation_kw[:, None] + d.process_kw[:, None] * busy
    share = (space + hot + steady) / d.design_kw[:, None]
    flow_c = s.network_c - d.pipe_loss_k[:, None] * (0.55 + 0.45 * np.exp(-3.0 * share))
    flow_c = flow_c - d.idle_loss_k[:, None] * np.exp(-22.0 * share)
    flow_c = np.maximum(flow_c + 0.35 * noise.normal(d.key[:, None] ^ np.uint64(13), s.hours[None, :]), 52.0)
    poor = d.poor_k[:, None]
    space_return = 24.0 + 21.0 * np.minimum(space / d.design_kw[:, None], 1.1) ** 0.62 + poor
    hot_return = s.ground_c + 13.0 + 0.45 * poor
    steady_return = 47.5 + 0.3 * poor
    coefficient = 1.15
    volumes = [
        power / (coefficient * np.maximum(flow_c - cold, 8.0))
        for power, cold in ((space, space_return), (hot, hot_return), (steady, steady_return))
    ]
    volume = volumes[0] + volumes[1] + volumes[2] + 1e-9
    mixed = (volumes[0] * space_return + volumes[1] * hot_return + volumes[2] * steady_return) / volume
    idle = np.exp(
        -volume / (0.004 * d.design_kw[:, None] + 1e-9)
    )  # what stands still takes on the room's warmth
    return_c = mixed * (1.0 - idle) + np.minimum(33.0, flow_c - 6.0) * idle
    return_c = return_c + 0.3 * noise.normal(d.key[:, None] ^ np.uint64(17), s.hours[None, :])
    return volume, flow_c, np.minimum(return_c, flow_c - 3.0)


def cooling(d: Demand, s: Sky) -> tuple[Floats, Floats, Floats]:
    """District cooling: volume [m³] of each hour, flow (cold) and return (warmer) temperature [°C]."""
    at_work = np.where(s.calendar.off, 0.35, 1.0) * np.where(
        (s.calendar.clock >= 7) & (s.calendar.clock < 19), 1.0, 0.3
    )
    warm = np.maximum(s.felt_c[0] + 2.5 * s.sun - 13.0, 0.0)
    flutter = 1.0 + 0.08 * noise.normal(d.key[:, None] ^ np.uint64(19), s.hours[None, :])
    power = (d.cooling_kw_k[:, None] * warm * at_work + d.cooling_base_kw[:, None]) * np.maximum(flutter, 0.2)
    flow_c = (
        s.chilled_c
        + 0.25 * d.pipe_loss_k[:, None]
        + 0.1 * noise.normal(d.key[:, None] ^ np.uint64(23), s.hours[None, :])
    )
    return_c = (
        flow_c
        + 8.4
        - 0.3 * d.poor_k[:, None]
        + 0.25 * noise.normal(d.key[:, None] ^ np.uint64(29), s.hours[None, :])
    )
    return_c = np.maximum(return_c, flow_c + 2.0)
    return power / (heat_coefficient(flow_c) * (return_c - flow_c)) + 1e-9, flow_c, return_c


def heat_and_cooling(d: Demand, s: Sky) -> tuple[Floats, Floats, Floats]:
    """One pair of pipes: heating in the cold part of the year, cooling in the warm one."""
    warm_season = s.felt_c[2] > 13.5
    heated, cooled = heat(d, s), cooling(d, s)
    volume, flow_c, return_c = (np.where(warm_season, c, h) for h, c in zip(heated, cooled, strict=True))
    return volume, flow_c, return_c


def water(d: Demand, s: Sky) -> tuple[Floats, Floats, Floats]:
    """Cold water: volume [m³] of each hour, water and room temperature [°C]."""
    use = d.water_m3_h[:, None] * _drawn(d, s, 31)
    garden = np.maximum(s.felt_c[1] - 15.0, 0.0) * np.isin(s.calendar.clock, (18, 19, 20))
    use = use + np.where(d.travels[:, None], 0.006 * garden * _lived_in(d, s), 0.0)
    use = np.where(use < 0.0008, 0.0, use)
    room = 15.5 + 0.22 * s.felt_c[2] + 1.5 * noise.normal(d.key[:, None] ^ np.uint64(37))
    stands = np.exp(-use / 0.03)
    water_c = s.ground_c * (1.0 - 0.6 * stands) + room * 0.6 * stands
    return use, water_c, room


def electricity(d: Demand, s: Sky) -> tuple[Floats, Floats]:
    """Imported and exported energy [kWh] of each hour."""
    chance = -np.log(noise.uniform(d.key[:, None] ^ np.uint64(41), s.hours[None, :]))
    spread = 0.55 * np.sqrt(d.uneven)[:, None]
    dark = 1.0 + 0.22 * np.cos(2.0 * np.pi * s.calendar.year_part)
    present = np.where(_lived_in(d, s) > 0.0, 1.0, 0.22)
    use = d.electricity_kw[:, None] * _LIGHTS[d.draw_off][:, s.slot] * dark * present * _open(d, s)
    use = use * (1.0 + spread * (chance - 1.0))
    made = d.solar_kw[:, None] * 0.86 * s.sun
    return np.maximum(use - made, 0.02 * use), np.maximum(made - use, 0.0) + 0.0 * made


def pressure(d: Demand, s: Sky) -> Floats:
    """Network pressure [bar] at the point, mean of the hour: lower when the town draws water."""
    pull = DRAW_OFF[0][s.slot]
    return np.asarray(
        d.bar[:, None] - 0.28 * pull + 0.12 * noise.wave(d.key[:, None], s.hours[None, :] / 6.0)
    )
