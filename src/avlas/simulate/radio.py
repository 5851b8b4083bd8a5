"""Which collector hears which meter, and how strongly: distance, antenna height, walls, fading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avlas.simulate import noise
from avlas.simulate.buildings import BY_CODE
from avlas.simulate.ground import Ground, position

if TYPE_CHECKING:
    from datetime import datetime

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SENSITIVITY_DBM = -108.0
FADING_DB = 3.5
_FAINTEST_DBM = -126.0  # below this nothing ever comes through
_SENT_DBM = 14.0
_SHADOW_DB = 7.5  # houses in between: each path has its own
_COLLISIONS = 0.06  # share of telegrams lost to other telegrams however strong
_FAIR_DBM = -102.0


@dataclass(frozen=True, slots=True)
class Collector:
    """A fixed radio receiver with its antenna, or the master of an M-Bus."""

    index: int
    kind: str  # "radio" or "mbus"
    name: str  # as the utility would name it
    serial: str
    latitude: float
    longitude: float
    city: str
    height_m: float = 0.0
    gain_db: float = 0.0
    xy: tuple[float, float] = field(default=(0.0, 0.0), repr=False)  # town metres
    silent_from: datetime | None = None  # hears nothing from here ...
    silent_to: datetime | None = None  # ... to here (UTC)


def strength(xy: Floats, walls_db: Floats, collector: Collector) -> Floats:
    """Mean signal strength [dBm] of meters at ``xy`` (n, 2) behind so much wall, at the collector."""
    across = np.hypot(xy[:, 0] - collector.xy[0], xy[:, 1] - collector.xy[1])
    distance = np.hypot(np.maximum(across, 8.0), collector.height_m)
    exponent = 3.4 - 0.004 * collector.height_m  # higher antennas see over roofs
    loss = 31.5 + 10.0 * exponent * np.log10(distance)
    return np.asarray(_SENT_DBM + collector.gain_db - loss - walls_db)


def shadow(key: noise.Keys, collector: int) -> Floats:
    """What stands between each meter and the collector [dB], more or less than usual."""
    return _SHADOW_DB * noise.normal(key ^ np.uint64(1000 + collector))


def chance(rssi_dbm: Floats) -> Floats:
    """Probability that one telegram of this mean strength is received whole."""
    margin = np.clip((rssi_dbm - SENSITIVITY_DBM) / FADING_DB, -20.0, 20.0)
    through = (1.0 - _COLLISIONS) / (1.0 + np.exp(-1.702 * margin))
    return np.where(rssi_dbm < _FAINTEST_DBM, 0.0, through)


def place_collectors(ground: Ground, xy: Floats, place: Ints, walls_db: Floats) -> list[Collector]:
    """Radio receivers on the heating plants and on as many roofs and towers as it takes to hear nearly all.

    ``xy``, ``place`` and ``walls_db`` are the meters'. A small town gets two or three.
    """
    out: list[Collector] = []
    for number, home in enumerate(ground.places):
        here = place == number
        most = 3 if here.sum() < 1500 else 40
        sites = _sites(ground, number)
        covered = np.zeros(int(here.sum()), dtype=bool)
        signals = [strength(xy[here], walls_db[here], site) for site in sites]
        chosen: list[int] = []
        while len(chosen) < min(most, len(sites)):
            gains = [
                -1 if n in chosen else int((~covered & (signal > _FAIR_DBM)).sum())
                for n, signal in enumerate(signals)
            ]
            best = 0 if not chosen else int(np.argmax(gains))  # the plant always has one
            chosen.append(best)
            covered |= signals[best] > _FAIR_DBM
            if len(chosen) >= 2 and covered.mean() > 0.985:
                break
        for n in chosen:
            site = sites[n]
            index = len(out)
            latitude, longitude = position(np.array(site.xy)).tolist()
            out.append(
                Collector(
                    index,
                    "radio",
                    site.name,
                    f"9900{index + 1:04d}",
                    latitude,
                    longitude,
                    home.name,
                    site.height_m,
                    site.gain_db,
                    site.xy,
                )
            )
    return out


def _sites(ground: Ground, number: int) -> list[Collector]:
    """Where an antenna can stand in this place; the heating plant comes first."""
    home = ground.places[number]
    east, north = home.origin_m
    radius = home.plan.radius_m

    def site(name: str, x: float, y: float, height: float, gain: float) -> Collector:
        return Collector(-1, "radio", name, "", 0.0, 0.0, home.name, height, gain, (x, y))

    out = [
        site("Värmeverkets skorsten", east + home.plan.plant[0], north + home.plan.plant[1], 42.0, 4.0),
        site("Vattentornet", east + 0.52 * radius, north + 0.55 * radius, 34.0, 4.0),
    ]
    roofs = {"church": ("Kyrktornet", 30.0), "school": ("Skolan", 13.0), "care_home": ("Äldreboendet", 15.0),
             "apartments": ("Höghuset", 24.0), "sports_hall": ("Sporthallen", 12.0)}  # fmt: skip
    for code, (label, height) in roofs.items():
        buildings = np.nonzero((ground.place == number) & (ground.kind == BY_CODE[code]))[0]
        for building in buildings[:40].tolist():
            x, y = ground.xy[building].tolist()
            street = home.street_names[int(ground.street[building])]
            out.append(site(f"{label}, {street} {int(ground.number[building])}", x, y, height, 2.0))
    return out


def luck(key: noise.Keys, times: Ints) -> tuple[Floats, Floats]:
    """A number in (0, 1) that decides whether a telegram comes through, and the fading [dB] it meets."""
    return noise.uniform(key, times), FADING_DB * noise.normal(key, times)
