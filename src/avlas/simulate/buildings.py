"""What stands on the lots: kinds of buildings and how each uses heat, water and electricity."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

_MASSES = ("light", "middling", "heavy")
_SCHEDULES = ("steady", "set_back", "shop_hours", "shift")
_DRAW_OFFS = ("home", "daytime", "baths", "care")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of building; figures per square metre of heated floor. The table is buildings.toml."""

    code: str
    sv: str
    en: str
    area_m2: tuple[int, int]  # smallest and largest
    home: bool  # one household lives there
    loss_w_m2k: float  # heat loss per degree below the balance temperature
    balance_c: float
    memory: int  # how heavy it is: 0 light, 1 middling, 2 heavy (loads.Sky.felt_c)
    schedule: int  # of heating and ventilation, row of loads.SCHEDULES
    draw_off: int  # of hot water, row of loads.DRAW_OFF
    hot_water_kwh_m2: float  # a year
    uneven: float  # 1: a tap at a time; near 0: hundreds of taps
    circulation_w_m2: float  # hot water circulation, all year
    process_w_m2: float  # pool, drying: all year, most in opening hours
    water_m3_m2: float  # cold and hot, a year
    electricity_kwh_m2: float


def _kind(code: str, row: dict[str, Any]) -> Kind:
    low, high = row.pop("area_m2")
    return Kind(
        code=code,
        area_m2=(low, high),
        memory=_MASSES.index(row.pop("mass")),
        schedule=_SCHEDULES.index(row.pop("schedule")),
        draw_off=_DRAW_OFFS.index(row.pop("draw_off")),
        **row,
    )


KINDS: tuple[Kind, ...] = tuple(
    _kind(code, row)
    for code, row in tomllib.loads(
        files("avlas.simulate").joinpath("buildings.toml").read_text(encoding="utf-8")
    ).items()
)
BY_CODE = {kind.code: number for number, kind in enumerate(KINDS)}
