"""The town's buildings and metering points: where they stand, what they are, how they use.

Large towns are several places: a utility with 100,000 points serves a whole district of the country.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avlas.simulate import loads, names, noise, streets
from avlas.simulate.buildings import BY_CODE, KINDS
from avlas.simulate.loads import COOLING, ELECTRICITY, HEAT, HEAT_COOLING, PRESSURE, WATER, Demand
from avlas.simulate.weather import LATITUDE, LONGITUDE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LARGEST_PLACE = 7000  # buildings
_METRES_PER_DEGREE = 111_320.0

_MIX = {  # per district: kinds and how common they are
    streets.CENTRUM: (("apartments", 0.56), ("shop", 0.22), ("office", 0.18), ("workshop", 0.04)),
    streets.NORRA: (("villa", 1.0),),
    streets.OSTRA: (("apartments", 0.9), ("shop", 0.1)),
    streets.SODER: (("villa", 1.0),),
    streets.VASTRA: (("industry", 0.5), ("workshop", 0.34), ("office", 0.1), ("shop", 0.06)),
    streets.STRANDEN: (("row_house", 0.6), ("apartments", 0.4)),
}
# what every town has one of, and how many buildings it takes to have another
_CIVIC: tuple[tuple[str, int, tuple[int, ...]], ...] = (
    ("school", 160, (streets.SODER, streets.OSTRA, streets.NORRA)),
    ("swimming_hall", 2500, (streets.OSTRA, streets.CENTRUM)),
    ("preschool", 90, (streets.NORRA, streets.SODER, streets.OSTRA)),
    ("care_home", 170, (streets.OSTRA, streets.STRANDEN, streets.NORRA)),
    ("town_hall", 9000, (streets.CENTRUM,)),
    ("health_centre", 1500, (streets.CENTRUM, streets.OSTRA)),
    ("hotel", 900, (streets.CENTRUM,)),
    ("library", 3000, (streets.CENTRUM,)),
    ("church", 1800, (streets.CENTRUM,)),
    ("sports_hall", 900, (streets.VASTRA, streets.NORRA)),
    ("fire_station", 3500, (streets.VASTRA, streets.CENTRUM)),
    ("waterworks", 9000, (streets.STRANDEN, streets.SODER)),
)


@dataclass(frozen=True, slots=True)
class Place:
    """One built-up place (ort)."""

    name: str
    latitude: float  # of its square
    longitude: float
    postal_code: str  # of its centre; each district has the next one
    plan: streets.Plan
    street_names: tuple[str, ...]
    origin_m: tuple[float, float]  # its square in the town's metres, x east, y north


@dataclass(slots=True)
class Ground:
    """Buildings and metering points; the last points, from ``registered`` on, the utility does not know."""

    places: tuple[Place, ...]
    # per building
    place: Ints
    xy: Floats  # metres from the first place's square
    street: Ints  # within the place
    number: Ints
    kind: Ints
    district: Ints
    area_m2: Floats
    # per metering point
    building: Ints
    medium: Ints
    registered: int
    demand: Demand


def position(xy: Floats) -> Floats:
    """WGS84 latitude and longitude (n, 2) of town metres (n, 2)."""
    latitude = LATITUDE + xy[..., 1] / _METRES_PER_DEGREE
    longitude = LONGITUDE + xy[..., 0] / (_METRES_PER_DEGREE * math.cos(math.radians(LATITUDE)))
    return np.asarray(np.round(np.stack([latitude, longitude], axis=-1), 6), dtype=np.float64)


def lay_out(points: int, seed: int) -> Ground:
    """Ground with so many metering points, and some more that are heard though nobody registered them."""
    counts = _media(points)
    ours, foreign = 2 + points // 500, 9 + points // 60
    own_building = counts[HEAT] + counts[HEAT_COOLING]
    water_only = counts[WATER] // 5 if own_building else counts[WATER]
    wanted = max(own_building + water_only + ours + foreign, 12)
    places, place, xy, street, number, district = _build_places(wanted, seed)
    rng = np.random.default_rng([seed, 5])
    known = wanted - ours - foreign  # the rest are new houses and neighbours' customers
    kind = _kinds(place, district, street, known, rng)
    area = np.empty(wanted)
    low = np.array([k.area_m2[0] for k in KINDS])[kind]
    high = np.array([k.area_m2[1] for k in KINDS])[kind]
    area = np.round(low * (high / low) ** rng.beta(1.6, 1.9, wanted))
    building, medium = _points(counts, kind, known, water_only, rng)
    by_address = np.lexsort((medium, number[building], street[building], district[building], place[building]))
    building, medium = building[by_address], medium[by_address]
    hidden = np.arange(known, wanted)
    building = np.concatenate([building, hidden])
    medium = np.concatenate([medium, np.where(np.arange(len(hidden)) < ours, HEAT, WATER)])
    return Ground(
        places=places,
        place=place,
        xy=xy,
        street=street,
        number=number,
        kind=kind,
        district=district,
        area_m2=area,
        building=building,
        medium=medium,
        registered=points,
        demand=_demand(
            places, place[building], xy[building], (kind[building], area[building]), medium, seed=seed
        ),
    )


def _media(points: int) -> dict[int, int]:
    share = {WATER: 0.16, ELECTRICITY: 0.09, COOLING: 0.03, HEAT_COOLING: 0.015, PRESSURE: 0.007}
    least = 1 if points >= 30 else 0
    counts = {medium: max(round(points * part), least) for medium, part in share.items()}
    return {HEAT: points - sum(counts.values()), **counts}


def _build_places(wanted: int, seed: int) -> tuple[tuple[Place, ...], Ints, Floats, Ints, Ints, Ints]:
    count = math.ceil(wanted / _LARGEST_PLACE)
    sizes = [wanted // count + (1 if n < wanted % count else 0) for n in range(count)]
    places, columns = [], []
    for n, size in enumerate(sizes):
        rng = np.random.default_rng([seed, n, 3])
        bearing, away = 2.4 * n, 0.0 if n == 0 else 9_000.0 + 3_500.0 * n
        origin = (away * math.sin(bearing), away * math.cos(bearing))
        radius = 36.0 * math.sqrt(size) + 60.0
        while True:
            plan = streets.draw(radius, seed + n)
            lots = streets.lots(plan, seed + n)
            if len(lots.xy) >= 1.25 * size:
                break
            radius *= 1.2
        centre = np.hypot(lots.xy[:, 0], lots.xy[:, 1]) / radius
        chosen = np.sort(np.argsort(centre * 0.8 + rng.uniform(0.0, 1.0, len(centre)))[:size])
        chosen = rng.permutation(chosen)
        main = np.array([street.main for street in plan.streets])
        home = np.array([street.district for street in plan.streets])
        given = names.street_names(home, main, rng)
        latitude, longitude = position(np.array(origin)).tolist()
        name = names.PLACES[n % len(names.PLACES)] + (
            f" {n // len(names.PLACES) + 1}" if n >= len(names.PLACES) else ""
        )
        places.append(
            Place(name, latitude, longitude, f"99{n % 10} {10 + 20 * (n // 10)}", plan, tuple(given), origin)
        )
        frontage = np.array([30.0, 25.0, 34.0, 25.0, 58.0, 26.0])[lots.district[chosen]]
        number = 2 * (lots.along_m[chosen] / frontage).astype(np.int64) + 1 + lots.side[chosen]
        columns.append(
            (
                np.full(size, n),
                lots.xy[chosen] + np.array(origin),
                lots.street[chosen],
                number,
                lots.district[chosen],
            )
        )
    place, xy, street, number, district = (np.concatenate(part) for part in zip(*columns, strict=True))
    shuffled = np.random.default_rng([seed, 4]).permutation(wanted) if count > 1 else np.arange(wanted)
    return (
        tuple(places),
        place[shuffled],
        xy[shuffled],
        street[shuffled],
        number[shuffled],
        district[shuffled],
    )


def _kinds(place: Ints, district: Ints, street: Ints, known: int, rng: np.random.Generator) -> Ints:
    kind = np.empty(len(place), dtype=np.int64)
    for area, mix in _MIX.items():
        here = np.nonzero(district == area)[0]
        codes = [BY_CODE[code] for code, _ in mix]
        kind[here] = rng.choice(codes, size=len(here), p=[share for _, share in mix])
    # terraced houses stand together: every fourth street or so of the villa districts
    terraced = ((street * 2654435761 + place * 97) % 2**32) / 2**32 < 0.27
    kind[(kind == BY_CODE["villa"]) & terraced] = BY_CODE["row_house"]
    free = np.arange(len(place)) < known
    allowed = max(known // 5, 1)
    for code, per, homes in _CIVIC:
        for n in range(max(1, round(known / per))):
            candidates = np.nonzero(free & (district == homes[n % len(homes)]))[0]
            if not len(candidates) or allowed == 0:
                continue
            chosen = candidates[int(rng.integers(len(candidates)))]
            kind[chosen] = BY_CODE[code]
            free[chosen] = False
            allowed -= 1
    return kind


def _points(
    counts: dict[int, int], kind: Ints, known: int, water_only: int, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Which building has points of which media."""
    heated = np.arange(known - water_only)
    is_home = np.array([k.home for k in KINDS])[kind]
    large = np.isin(kind, [n for n, k in enumerate(KINDS) if k.area_m2[1] > 1000 and k.code != "apartments"])

    def pick(among: Ints, count: int, weight: Floats | None = None) -> Ints:
        if weight is not None and count < len(among):
            return rng.choice(among, size=count, replace=False, p=weight / weight.sum())
        if count <= len(among):
            return rng.choice(among, size=count, replace=False)
        return np.concatenate([among, rng.choice(np.arange(known), size=count - len(among))])

    both = pick(heated[large[heated]], counts[HEAT_COOLING])
    only_heat = np.setdiff1d(heated, both)
    cold_candidates = np.setdiff1d(heated[large[heated] & ~np.isin(kind[heated], [BY_CODE["school"]])], both)
    cold = pick(cold_candidates, counts[COOLING])
    water = np.concatenate(
        [
            np.arange(known - water_only, known),
            pick(heated, counts[WATER] - water_only, np.where(is_home[heated], 1.0, 2.0)),
        ]
    )
    power = pick(heated, counts[ELECTRICITY], np.where(is_home[heated], 1.0, 1.6))
    pressed = pick(np.arange(known), counts[PRESSURE])
    parts = (
        (only_heat[: counts[HEAT]], HEAT),
        (both, HEAT_COOLING),
        (cold, COOLING),
        (water, WATER),
        (power, ELECTRICITY),
        (pressed, PRESSURE),
    )
    building = np.concatenate([part for part, _ in parts])
    medium = np.concatenate([np.full(len(part), code) for part, code in parts])
    missing = sum(counts.values()) - len(building)
    if missing > 0:  # a very small town has more points than buildings
        building = np.concatenate([building, rng.choice(np.arange(known), size=missing)])
        medium = np.concatenate([medium, np.full(missing, HEAT)])
    return building, medium


def _demand(
    places: tuple[Place, ...],
    place: Ints,
    xy: Floats,
    houses: tuple[Ints, Floats],  # kind and floor area
    medium: Ints,
    *,
    seed: int,
) -> Demand:
    kind, area = houses
    rng = np.random.default_rng([seed, 9])
    n = len(kind)

    def of(attribute: str) -> Floats:
        return np.array([getattr(k, attribute) for k in KINDS])[kind]

    def spread(sigma: float) -> Floats:
        return np.asarray(np.exp(rng.normal(0.0, sigma, n)))

    home = of("home").astype(bool)
    single = of("uneven") >= 1.0
    hour_year = 8766.0
    loss = area * of("loss_w_m2k") / 1000.0 * spread(0.22)
    hot = area * of("hot_water_kwh_m2") / hour_year * spread(np.where(single, 0.45, 0.15).mean())
    circulation = area * of("circulation_w_m2") / 1000.0 * spread(0.3)
    process = area * of("process_w_m2") / 1000.0 * spread(0.3)
    balance = of("balance_c") + rng.normal(0.0, 0.7, n)
    design = loss * (balance + 18.0) + 2.0 * hot + circulation + process
    plants = np.array([[p.origin_m[k] + p.plan.plant[k] for k in (0, 1)] for p in places])
    km = 1.25 * np.hypot(xy[:, 0] - plants[place, 0], xy[:, 1] - plants[place, 1]) / 1000.0
    electricity = area * of("electricity_kwh_m2") / hour_year * spread(0.35)
    solar = np.where(rng.uniform(size=n) < np.where(home, 0.34, 0.2), np.clip(area * 0.05, 4.0, 60.0), 0.0)
    never = np.full(n, loads.NEVER)
    chilled = medium == COOLING
    return Demand(
        key=noise.keys(seed, "points", np.arange(n)),
        medium=medium,
        loss_kw_k=loss,
        balance_c=balance,
        memory=of("memory").astype(np.int64),
        sun_k=rng.uniform(1.0, 4.0, n),
        schedule=of("schedule").astype(np.int64),
        draw_off=of("draw_off").astype(np.int64),
        hot_water_kw=hot,
        uneven=of("uneven"),
        circulation_kw=circulation,
        process_kw=process,
        pipe_loss_k=0.8 + 2.4 * km,
        idle_loss_k=np.where(design < 20.0, rng.uniform(4.0, 11.0, n), rng.uniform(0.5, 3.0, n)),
        design_kw=design,
        poor_k=rng.gamma(1.7, 2.1, n),
        cooling_kw_k=np.where(
            chilled | (medium == HEAT_COOLING), area * rng.uniform(2.2, 4.0, n) / 1000.0, 0.0
        ),
        cooling_base_kw=np.where(chilled, area * rng.uniform(0.4, 3.0, n) / 1000.0, 0.05),
        water_m3_h=area * of("water_m3_m2") / hour_year * spread(0.4),
        electricity_kw=electricity,
        solar_kw=np.where(medium == ELECTRICITY, solar, 0.0),
        bar=rng.uniform(3.9, 5.6, n),
        empty_from=never.copy(),
        empty_to=never.copy(),
        travels=home & single,
        shift_h=np.zeros(n, dtype=np.int64),
        shift_from=never.copy(),
    )
