"""The meters: which type sits at which point, since when, with which address, key and first reading."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avlas.simulate import buildings, noise
from avlas.simulate.catalogue import BY_TYPE, COUNTERS, INPUT_A, MODELS, SIZES_QP, WIRED
from avlas.simulate.loads import COOLING, ELECTRICITY, HEAT, HEAT_COOLING, NEVER, WATER, Demand

if TYPE_CHECKING:
    from avlas.simulate.ground import Ground
    from avlas.simulate.weather import Weather

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_YEAR_H = 8766


@dataclass(slots=True)
class Fleet:
    """All meters, one entry each; ``add`` makes more."""

    point: Ints  # where the utility has registered it; -1: in stock or not registered
    true_point: Ints  # where it really sits; -1: in stock
    model: Ints
    serial: Ints  # eight digits, unique
    mounted: Ints  # hour since 1970 UTC
    dismounted: Ints
    qp_m3h: Floats
    input_a: NDArray[np.bool_]
    phase_s: Floats  # when in its interval it sends
    walls_db: Floats
    clear: NDArray[np.bool_]  # sends without encryption
    wrong_key: NDArray[np.bool_]  # the utility has registered another key than the meter's
    clock_error_s: Ints  # how much the meter's clock is ahead
    ours: NDArray[np.bool_]
    primary_address: Ints  # on the M-Bus, 0 for radio

    def __len__(self) -> int:
        return len(self.point)

    def add(self, like: Ints, serials: Ints, **changes: Any) -> Ints:
        """Append copies of these meters with other serial numbers and the changes; gives their numbers."""
        first = len(self)
        for part in fields(self):
            old = getattr(self, part.name)
            new = old[like].copy()
            if part.name == "serial":
                new[:] = serials
            elif part.name in changes:
                new[:] = changes[part.name]
            setattr(self, part.name, np.concatenate([old, new]))
        return np.arange(first, len(self))


def equip(ground: Ground, begin_hour: int, now_hour: int, seed: int) -> tuple[Fleet, Ints]:
    """A meter at every point, ordinary exchanges, meters in stock; and unused serial numbers for more."""
    rng = np.random.default_rng([seed, 21])
    d = ground.demand
    n = len(ground.building)
    serials = 99_000_000 + rng.permutation(1_000_000)[: 2 * n + 400]
    qp = _sizes(ground)
    model = _models(d.medium, qp, rng)
    hidden = np.arange(n) >= ground.registered
    model[hidden & (d.medium == HEAT)] = BY_TYPE["multical403"]
    wired = _on_the_bus(ground)
    model[wired] = WIRED
    youngest = np.array([m.age_years[0] for m in MODELS])[model]
    oldest = np.array([m.age_years[1] for m in MODELS])[model]
    age = rng.uniform(youngest, oldest) * _YEAR_H
    address = np.zeros(n, dtype=np.int64)
    address[wired] = np.arange(1, len(wired) + 1)
    pulses = np.array(["input_a" in m.sent for m in MODELS])[model] & (rng.uniform(size=n) < 0.6)
    interval = np.array([m.type.interval_s for m in MODELS])[model]
    fleet = Fleet(
        point=np.where(hidden, -1, np.arange(n)),
        true_point=np.arange(n),
        model=model,
        serial=serials[:n].copy(),
        mounted=(begin_hour - age).astype(np.int64) // 24 * 24 + rng.integers(6, 15, n),
        dismounted=np.full(n, NEVER),
        qp_m3h=qp,
        input_a=pulses & (d.medium == HEAT),
        phase_s=np.round(rng.uniform(0.0, 1.0, n) * interval, 1),
        walls_db=_walls(ground, rng),
        clear=rng.uniform(size=n) < np.array([m.clear for m in MODELS])[model],
        wrong_key=np.zeros(n, dtype=bool),
        clock_error_s=np.round(rng.normal(0.0, 22.0, n)).astype(np.int64),
        ours=~hidden | (d.medium == HEAT),
        primary_address=address,
    )
    spare = serials[n:]
    # ordinary exchanges: old types out, new ones in
    old = np.nonzero(~hidden & (fleet.primary_address == 0) & np.isin(d.medium, (HEAT, WATER)))[0]
    chosen = rng.choice(old, size=min(max(n // 60, 1), len(old)), replace=False)
    spare = exchange(fleet, ground, chosen, now_hour - rng.integers(60, 380, len(chosen)) * 24, spare)
    # a shelf of new meters
    shelf = rng.choice(np.nonzero(~hidden & np.isin(d.medium, (HEAT, WATER)))[0], size=4 + n // 60)
    fleet.add(
        shelf,
        spare[: len(shelf)],
        point=-1,
        true_point=-1,
        model=np.where(d.medium[shelf] == WATER, BY_TYPE["flowiq2200"], BY_TYPE["multical603_fixed"]),
        mounted=NEVER,
        input_a=False,
        clear=False,
        primary_address=0,
    )
    return fleet, spare[len(shelf) :]


def exchange(fleet: Fleet, ground: Ground, meters: Ints, hours: Ints, spare: Ints) -> Ints:
    """Replace these meters by new ones at these hours (moved to working hours); gives the serials left."""
    hours = hours // 24 * 24 + 7 + np.arange(len(meters)) % 7
    fleet.dismounted[meters] = hours
    small = fleet.qp_m3h[meters] < 11.0
    medium = ground.medium[fleet.true_point[meters]]
    model = np.where(small, BY_TYPE["multical403"], BY_TYPE["multical603_fixed"])
    model = np.where(medium == WATER, np.where(small, BY_TYPE["multical21"], BY_TYPE["flowiq2200"]), model)
    fleet.add(
        meters,
        spare[: len(meters)],
        model=model,
        mounted=hours,
        dismounted=NEVER,
        clear=False,
        input_a=False,
        clock_error_s=4,
    )
    return spare[len(meters) :]


def _sizes(ground: Ground) -> Floats:
    d = ground.demand
    flow = d.design_kw / 1.15 / 42.0
    cold = (d.cooling_kw_k * 13.0 + d.cooling_base_kw) / (1.16 * 8.0)
    flow = np.where(
        d.medium == COOLING, cold, np.where(d.medium == HEAT_COOLING, np.maximum(flow, cold), flow)
    )
    flow = np.where(d.medium == WATER, np.where(d.uneven >= 0.9, 2.0, 2.0 + 14.0 * d.water_m3_h), flow)
    return np.asarray(SIZES_QP[np.minimum(np.searchsorted(SIZES_QP, 0.8 * flow), len(SIZES_QP) - 1)])


def _models(medium: Ints, qp: Floats, rng: np.random.Generator) -> Ints:
    out = np.zeros(len(medium), dtype=np.int64)
    draw = rng.uniform(size=len(medium))
    for code in np.unique(medium).tolist():
        here = np.nonzero(medium == code)[0]
        numbers = [n for n, m in enumerate(MODELS) if m.medium == code]
        low, high = (np.array([MODELS[n].qp_m3h[k] for n in numbers]) for k in (0, 1))
        share = np.array([MODELS[n].share for n in numbers])
        weight = share * ((qp[here][:, None] >= low) & (qp[here][:, None] <= high))
        edge = np.cumsum(weight, axis=1)
        pick = (draw[here][:, None] * edge[:, -1:] >= edge).sum(axis=1)
        out[here] = np.array(numbers)[np.minimum(pick, len(numbers) - 1)]
    return out


def _on_the_bus(ground: Ground) -> Ints:
    """Heat points in the blocks round the town hall, wired together to an M-Bus master there."""
    hall = np.nonzero(ground.kind == buildings.BY_CODE["town_hall"])[0]
    points = np.nonzero((ground.medium == HEAT) & (np.arange(len(ground.medium)) < ground.registered))[0]
    if not len(hall) or len(points) < 40:
        return np.empty(0, dtype=np.int64)
    away = np.hypot(*(ground.xy[ground.building[points]] - ground.xy[hall[0]]).T)
    return np.sort(points[np.argsort(away)[:6]])


def _walls(ground: Ground, rng: np.random.Generator) -> Floats:
    kind = ground.kind[ground.building]
    cellar = np.array(
        [{"villa": 6.0, "row_house": 6.0, "apartments": 12.0}.get(k.code, 11.0) for k in buildings.KINDS]
    )
    return np.asarray(np.maximum(cellar[kind] + rng.normal(0.0, 3.0, len(kind)), 1.0))


def yearly(demand: Demand, weather: Weather, begin_hour: int) -> Floats:
    """About what each point's counters grow by in a year (points, COUNTERS), canonical units."""
    hours = np.arange(begin_hour, begin_hour + _YEAR_H, 5, dtype=np.int64)
    outdoor = weather.outdoor_c(hours)
    balance = np.arange(8.0, 26.0, 0.5)
    missing = np.array([np.maximum(t - 1.0 - outdoor, 0.0).mean() for t in balance])
    warm = np.maximum(outdoor - 13.0, 0.0).mean()
    steady = demand.circulation_kw + demand.process_kw + demand.hot_water_kw
    heat = (demand.loss_kw_k * np.interp(demand.balance_c, balance, missing) * 0.95 + steady) * _YEAR_H
    cold = (demand.cooling_kw_k * warm * 0.5 + demand.cooling_base_kw) * _YEAR_H
    out = np.zeros((len(demand.medium), COUNTERS))
    both = demand.medium == HEAT_COOLING
    hot, cool = np.isin(demand.medium, (HEAT, HEAT_COOLING)), np.isin(demand.medium, (COOLING, HEAT_COOLING))
    volume_hot, volume_cool = (
        np.where(hot, heat / (1.15 * 41.0), 0.0),
        np.where(cool, cold / (1.16 * 8.0), 0.0),
    )
    out[:, 0] = np.where(hot, heat * np.where(both, 0.9, 1.0), 0.0)
    out[:, 1] = np.where(cool, cold, 0.0)
    out[:, 2] = volume_hot + volume_cool
    out[:, 3] = volume_hot * 79.0 + volume_cool * 7.0
    out[:, 4] = volume_hot * 38.0 + volume_cool * 15.0
    water = demand.medium == WATER
    out[water, 2] = demand.water_m3_h[water] * _YEAR_H
    power = demand.medium == ELECTRICITY
    out[power, 0] = demand.electricity_kw[power] * _YEAR_H
    out[power, 1] = demand.solar_kw[power] * 450.0
    out[:, INPUT_A] = demand.water_m3_h * _YEAR_H
    return out


def first_readings(fleet: Fleet, per_year: Floats, begin_hour: int, seed: int) -> Floats:
    """Each meter's counters (meters, COUNTERS) when the series begin, or when it was mounted if later."""
    rng = np.random.default_rng([seed, 33])
    stock = fleet.true_point < 0
    growth = per_year[np.where(stock, 0, fleet.true_point)]
    years = np.where(stock | (fleet.mounted >= begin_hour), 0.0, (begin_hour - fleet.mounted) / _YEAR_H)
    used = growth * (years * rng.uniform(0.9, 1.1, len(fleet)))[:, None]
    tested = np.zeros_like(used)
    tested[:, 2] = rng.uniform(0.0, 0.3, len(fleet))  # water run through it at the factory
    steps = np.array([m.steps for m in MODELS])[fleet.model]
    top = steps * 10.0 ** np.array([m.digits for m in MODELS])[fleet.model][:, None]
    room = np.maximum(top - 2.5 * growth, 0.4 * top)  # none rolls over by itself in the years to come
    used = np.where(used > room, used % room, used)
    return np.asarray(used + tested)


def noise_keys(fleet: Fleet, seed: int) -> noise.Keys:
    """One key per meter for what flickers."""
    return noise.keys(seed, "meters", fleet.serial)
