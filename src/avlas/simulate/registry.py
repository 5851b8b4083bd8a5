"""What the utility has in its books: customers, metering points with occupancies, meters with keys.

All names, numbers and addresses are invented (see names).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avlas.simulate import names
from avlas.simulate.buildings import KINDS, Kind
from avlas.simulate.catalogue import MODELS
from avlas.simulate.ground import Ground, position
from avlas.simulate.loads import MEDIA, NEVER
from avlas.simulate.streets import DISTRICTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avlas.simulate.fleet import Fleet

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays. All names, numbers and addresses are invented."""

    index: int
    number: str  # customer number at the utility
    name: str
    person: bool  # False: a company, a cooperative, the municipality
    phone: str
    email: str


@dataclass(frozen=True, slots=True)
class Occupancy:
    """A customer has a metering point from ``begins`` until ``ends`` (UTC; None: still)."""

    customer: Customer
    begins: datetime
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class Point:
    """A metering point as the utility has it registered."""

    index: int
    facility: str  # facility id
    medium: str  # "heat", "cooling", "heat/cooling", "water", "electricity", "pressure"
    street: str
    house_number: str
    postal_code: str
    city: str
    district: str  # "Centrum", "Norra", ...
    latitude: float
    longitude: float
    kind: Kind  # of building, with Swedish and English name
    area_m2: int
    occupancies: tuple[Occupancy, ...]  # in time's order

    @property
    def address(self) -> str:
        """Street and number."""
        return f"{self.street} {self.house_number}"


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter: what is true of it, and what the utility has registered."""

    index: int
    type_name: str  # simulate.layouts.TYPES: manufacturer, version, device type, datagram, security, interval
    model: str  # "MULTICAL 403"
    medium: str
    identification: str  # eight digits; for radio also the serial number
    key: bytes | None  # AES-128 key it encrypts with; None: it sends in clear
    registered_key: bytes | None  # the key the utility has
    point: int | None  # metering point it is registered at; None: in stock, unknown or somebody else's
    true_point: int | None  # where it really sits; from len(town.points) on: places the utility does not know
    registered: bool  # the utility has it in its list, at a point or in stock
    ours: bool  # False: a neighbouring utility's meter that is heard too
    mounted_at: datetime | None  # UTC; None: in stock
    dismounted_at: datetime | None
    year: int  # of manufacture
    qp_m3h: float  # permanent flow, 0 for electricity and pressure
    wired: bool  # on the M-Bus
    primary_address: int  # on the M-Bus, else 0
    radio_mode: str  # "C1" or "T1"; "" for a wired one
    interval_s: int
    phase_s: float  # it sends at whole multiples of the interval since 1970, and so many seconds
    clock_error: timedelta  # its clock's error: positive is ahead
    has_input_a: bool
    sent: Mapping[str, tuple[str, int]]  # register code -> unit and decimals as shown and sent


def customers_of(land: Ground) -> tuple[list[Customer], Ints]:
    """All customers, and which one has each building; homes have spare ones for those who move in."""
    out: list[Customer] = []
    shared: dict[str, int] = {}
    owners = np.empty(len(land.kind), dtype=np.int64)

    def new(name: str, *, person: bool) -> int:
        out.append(_customer(len(out), name, person=person))
        return len(out) - 1

    def common(name: str) -> int:
        if name not in shared:
            shared[name] = new(name, person=False)
        return shared[name]

    people = companies = cooperatives = 0
    kinds = [KINDS[k] for k in land.kind.tolist()]
    for building, (kind, place) in enumerate(zip(kinds, land.place.tolist(), strict=True)):
        city = land.places[place].name
        if kind.home:
            owners[building] = new(names.person(people), person=True)
            people += 1
        elif kind.code == "apartments":
            if building % 5 in {0, 3}:
                owners[building] = common(f"{city}hem AB")
            else:
                owners[building] = new(names.cooperative(cooperatives), person=False)
                cooperatives += 1
        elif kind.code in {"shop", "office", "industry", "workshop", "hotel"}:
            owners[building] = new(names.company(companies), person=False)
            companies += 1
        elif kind.code == "church":
            owners[building] = common(f"{city} församling")
        elif kind.code == "waterworks":
            owners[building] = common(f"{city} Vatten AB")
        else:
            owners[building] = common(f"{city} kommun")
    return out, owners


def _customer(index: int, name: str, *, person: bool) -> Customer:
    return Customer(index, f"{200_000 + index}", name, person, names.phone(index), names.mail(name, index))


_MOVES = 0.14  # share of homes whose people change in the 13 months
_GAPS_DAYS = (0, 0, 0, 1, 4, 14, 31)


@dataclass(frozen=True, slots=True)
class Moves:
    """When the people of each building move out and others in; hours since 1970 UTC, NEVER: they do not."""

    since: Ints  # when those who are there at first came
    out_at: Ints
    in_at: Ints


def move(land: Ground, *, still: set[int], begin_hour: int, now_hour: int, seed: int) -> Moves:
    """Let people move, except from and to the points in ``still``; their homes stand empty in between."""
    rng = np.random.default_rng([seed, 88])
    count = len(land.kind)
    moving = rng.uniform(size=count) < _MOVES
    out_at = (now_hour - rng.integers(10, 385, count) * 24) // 24 * 24 + 23  # midnight, standard time
    in_at = out_at + np.array(_GAPS_DAYS)[rng.integers(0, len(_GAPS_DAYS), count)] * 24
    since = begin_hour // 24 * 24 + 23 - rng.integers(30, 5000, count) * 24
    moving &= np.array([kind.home for kind in KINDS])[land.kind]
    moving[land.building[sorted(still)]] = False
    points = np.nonzero(moving[land.building])[0]
    land.demand.empty_from[points] = out_at[land.building[points]]
    land.demand.empty_to[points] = in_at[land.building[points]]
    never = np.full(count, NEVER)
    return Moves(since, np.where(moving, out_at, never), np.where(moving, in_at, never))


def points_of(
    land: Ground, customers: list[Customer], owners: Ints, moves: Moves, left: Mapping[int, int]
) -> list[Point]:
    """All registered points. Those in ``left`` (point -> hour) have had no customer since then.

    Adds to ``customers`` the people who move in.
    """
    newcomers: dict[int, Customer] = {}
    letters = _letters(land)
    position_of = position(land.xy).tolist()
    out: list[Point] = []
    for point, building in enumerate(land.building[: land.registered].tolist()):
        place = land.places[int(land.place[building])]
        out_at, in_at = left.get(point, int(moves.out_at[building])), int(moves.in_at[building])
        first = customers[int(owners[building])]
        occupancies = [Occupancy(first, _moment(int(moves.since[building])), _moment_or_none(out_at))]
        if in_at != NEVER and point not in left:
            if building not in newcomers:
                newcomers[building] = _customer(
                    len(customers), names.person(len(customers) + 900), person=True
                )
                customers.append(newcomers[building])
            occupancies.append(Occupancy(newcomers[building], _moment(in_at), None))
        district = int(land.district[building])
        latitude, longitude = position_of[building]
        out.append(
            Point(
                index=point,
                facility=f"{700_001 + 3 * point}",
                medium=MEDIA[int(land.medium[point])],
                street=place.street_names[int(land.street[building])],
                house_number=f"{int(land.number[building])}{letters.get(building, '')}",
                postal_code=f"{place.postal_code[:4]}{int(place.postal_code[4:]) + 2 * district}",
                city=place.name,
                district=DISTRICTS[district],
                latitude=latitude,
                longitude=longitude,
                kind=KINDS[int(land.kind[building])],
                area_m2=int(land.area_m2[building]),
                occupancies=tuple(occupancies),
            )
        )
    return out


def _moment(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)


def _moment_or_none(hour: int) -> datetime | None:
    return None if hour == NEVER else _moment(hour)


def _letters(land: Ground) -> dict[int, str]:
    """Letters for buildings that would share a number."""
    seen: dict[tuple[int, int, int], int] = {}
    out: dict[int, str] = {}
    keys = zip(land.place.tolist(), land.street.tolist(), land.number.tolist(), strict=True)
    for building, key in enumerate(keys):
        count = seen.get(key, 0)
        seen[key] = count + 1
        if count:
            out[building] = f" {chr(64 + min(count + 1, 26))}"
    return out


def meters_of(fleet: Fleet, seed: int) -> list[Meter]:
    """All meters with their keys; number by number as in the fleet."""
    rng = np.random.default_rng([seed, 99])
    keys, others = rng.bytes(16 * len(fleet)), rng.bytes(16 * len(fleet))
    columns: dict[str, list[Any]] = {part.name: getattr(fleet, part.name).tolist() for part in fields(fleet)}
    sent = {
        (n, with_input): MappingProxyType({k: v for k, v in m.sent.items() if with_input or k != "input_a"})
        for n, m in enumerate(MODELS)
        for with_input in (False, True)
    }
    out = []
    for index in range(len(fleet)):
        one = {name: values[index] for name, values in columns.items()}
        model = MODELS[one["model"]]
        secret = slice(16 * index, 16 * index + 16)
        key = None if one["clear"] or model.type.wired else keys[secret]
        mounted_at = _moment_or_none(one["mounted"])
        out.append(
            Meter(
                index=index,
                type_name=model.type_name,
                model=model.type.model,
                medium=MEDIA[model.medium],
                identification=f"{one['serial']:08d}",
                key=key,
                registered_key=None if not one["ours"] else others[secret] if one["wrong_key"] else key,
                point=None if one["point"] < 0 else one["point"],
                true_point=None if one["true_point"] < 0 else one["true_point"],
                registered=one["point"] >= 0 or mounted_at is None,
                ours=one["ours"],
                mounted_at=mounted_at,
                dismounted_at=_moment_or_none(one["dismounted"]),
                year=0 if mounted_at is None else (mounted_at - timedelta(days=120)).year,
                qp_m3h=0.0 if MEDIA[model.medium] in {"electricity", "pressure"} else one["qp_m3h"],
                wired=model.type.wired,
                primary_address=one["primary_address"],
                radio_mode="" if model.type.wired else model.radio,
                interval_s=model.type.interval_s,
                phase_s=one["phase_s"],
                clock_error=timedelta(seconds=one["clock_error_s"]),
                has_input_a=one["input_a"],
                sent=sent[one["model"], one["input_a"]],
            )
        )
    return out
