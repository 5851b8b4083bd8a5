"""What a register's fields may hold: the same for forms, imports and programs. Pure."""

from __future__ import annotations

import re
from typing import Final

MAKER: Final = re.compile(r"[A-Za-z]{3}", re.ASCII)
SERIAL: Final = re.compile(r"[0-9A-Za-z./-]+", re.ASCII)
RADIO_NUMBER: Final = re.compile(r"\d{8}", re.ASCII)
NORDIC_DEGREES: Final = ((53.0, 72.0), (4.0, 33.0))
"""Latitudes and longitudes (WGS84) between which a metering point lies."""
MEDIA: Final = ("heat", "cooling", "heat/cooling", "water", "warm water", "cold water", "hot water", "electricity",
                "gas", "pressure", "other")  # fmt: skip
QP_M3H: Final = (0.01, 10_000.0)
LITRES_PER_PULSE: Final = (0.0001, 100_000.0)
YEARS: Final = (1950, 2100)


def radio_number(serial: str) -> str:
    """The number in a meter's radio telegrams when nobody says it: its serial number if that has eight digits."""
    return serial if RADIO_NUMBER.fullmatch(serial) else ""
