"""Recordings of invented meters under a steady load, the same for the same seed.

For tests, examples and the command line; a whole town with weather and people is another matter. Numbers
and keys follow from the seed and belong to no real meter.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from avlas.simulate.layouts import meter_type
from avlas.simulate.meter import SimulatedMeter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from avlas.simulate.receivers import Receiver

INSTALLED = datetime(2022, 3, 1, tzinfo=UTC)
_COLDEST = datetime(2022, 1, 15, tzinfo=UTC)
_HOURS_A_YEAR = 8766
_KWH_PER_M3_K = 1.163  # heat in a cubic metre of water a kelvin


@dataclass(frozen=True, slots=True)
class Sent:
    """One telegram of a recording: when, by whom, how strongly heard."""

    at: datetime
    meter: SimulatedMeter
    frame: bytes
    rssi_dbm: float


def _draw(*parts: object) -> bytes:
    return hashlib.sha256(" ".join(map(str, ("avlas sample", *parts))).encode()).digest()


def meters(type_name: str, count: int, seed: int) -> list[SimulatedMeter]:
    """``count`` invented meters of one type, with numbers and keys that follow from the seed."""
    kind = meter_type(type_name)
    out = []
    for index in range(count):
        drawn = _draw(type_name, seed, index)
        identification = f"{int.from_bytes(drawn[:8], 'big') % 10**8:08d}"
        key = None if kind.security == "none" else drawn[16:]
        out.append(
            SimulatedMeter(kind, identification, key, access_number=drawn[8], primary_address=1 + index % 250)
        )
    return out


def registers(at: datetime, seed: int) -> dict[str, float]:
    """Register values of a house that uses heat, water and electricity steadily, at ``at`` (aware).

    Counters only grow; power follows the year (most in January) and the day.
    """
    drawn = _draw("load", seed)
    size = 0.5 + drawn[0] / 170  # from a small flat to a large house
    hours = max(0.0, (at - INSTALLED).total_seconds() / 3600)
    start = 2 * math.pi * ((INSTALLED - _COLDEST) / timedelta(hours=_HOURS_A_YEAR))
    season = start + 2 * math.pi * hours / _HOURS_A_YEAR
    mean_kw = 2.5 * size
    power = mean_kw * (1 + 0.8 * math.cos(season))
    energy = mean_kw * (hours + 0.8 * _HOURS_A_YEAR / (2 * math.pi) * (math.sin(season) - math.sin(start)))
    supply, back = 78.5, 36.2
    volume = energy / (_KWH_PER_M3_K * (supply - back))
    wave = math.sin(2 * math.pi * hours / 24)
    water = 0.011 * size * hours
    electricity = 0.45 * size * hours
    return {
        "energy_heat_kwh": round(energy, 3),
        "energy_cooling_kwh": round(0.3 * size * hours, 3),
        "energy_flow_m3c": round(volume * supply, 3),
        "energy_return_m3c": round(volume * back, 3),
        "volume_m3": round(volume, 3),
        "input_a": round(water, 3),
        "input_b": round(0.6 * water, 3),
        "tariff_2": round(0.2 * energy, 3),
        "tariff_3": round(0.1 * energy, 3),
        "power_kw": round(power, 3),
        "volume_flow_m3h": round(power / (_KWH_PER_M3_K * (supply - back)), 3),
        "flow_temperature_c": round(supply + 1.5 * wave, 2),
        "return_temperature_c": round(back + 0.8 * wave, 2),
        "temperature_difference_k": round(supply - back + 0.7 * wave, 2),
        "operating_hours": int(hours),
        "error_hours": 0,
        "ambient_temperature_c": round(19 + wave),
        "electricity_import_kwh": round(electricity, 3),
        "pressure_1_bar": round(4.2 + 0.3 * wave, 2),
    }


_WATER = {"cold water", "warm water", "water"}


def values(meter: SimulatedMeter, at: datetime, seed: int) -> dict[str, float]:
    """The register values of one sample meter at ``at``: as :func:`registers`, by the meter's medium."""
    found = registers(at, int.from_bytes(_draw(meter.identification, seed)[:4], "big"))
    if meter.type.medium in _WATER:
        found |= {
            "volume_m3": found["input_a"],
            "volume_flow_m3h": 0.0,
            "maximum.volume_flow_m3h": 0.412,
            "flow_temperature_c": 9 if meter.type.medium != "warm water" else 54,
        }
    if meter.type.medium == "electricity":
        found["power_kw"] = 0.45
    return found


def month_start(meter: SimulatedMeter, at: datetime) -> tuple[date, datetime]:
    """The last first of a month on the meter's own clock, and that moment in UTC."""
    first = meter.own_time(at).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first.date(), first.replace(tzinfo=UTC) - meter.utc_offset - meter.clock_error


def next_telegram(meter: SimulatedMeter, at: datetime, seed: int) -> bytes:
    """The sample meter's next telegram at ``at``, target-date values of the month's first included."""
    target_at, moment = month_start(meter, at)
    return meter.telegram(
        values(meter, at, seed), at, target_at=target_at, target=values(meter, moment, seed)
    )


def recording(
    fleet: Iterable[SimulatedMeter],
    count: int,
    *,
    seed: int,
    start: datetime,
    interval_s: float | None = None,
) -> Iterator[Sent]:
    """``count`` telegrams of each meter in the order of time, ``interval_s`` or the type's own apart."""
    plan = []
    for meter in fleet:
        drawn = _draw("air", meter.identification, seed)
        step = interval_s or meter.type.interval_s
        first = start + timedelta(milliseconds=int(drawn[0] / 256 * step * 1000))
        rssi = -50 - drawn[1] / 5
        plan += [(first + timedelta(seconds=step * number), meter, rssi) for number in range(count)]
    for at, meter, rssi in sorted(plan, key=lambda each: each[0]):
        yield Sent(at, meter, next_telegram(meter, at, seed), round(rssi * 2) / 2)


def recorded_file(sent: Iterable[Sent], receiver: Receiver) -> bytes:
    """The recording as the receiver would have printed it."""
    return b"".join(
        receiver.transmit(each.frame, each.rssi_dbm, at=each.at, mode=each.meter.type.radio_mode)
        for each in sent
    )
