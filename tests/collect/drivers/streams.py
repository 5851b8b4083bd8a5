"""Byte streams for driver tests: feeding in pieces, and telegrams with invented addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avlas.collect.drivers.heard import Heard, Notice

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Driver, Event

# SND_NR of KAM 12345678, version 1B, device type 04, CI 8D ... : 20 bytes after the L-field
FRAME = bytes.fromhex("14 44 2D2C 78563412 1B 04 8D 20 11 22 33 44 55 66 77 88 99".replace(" ", ""))


def frame(length: int) -> bytes:
    """A telegram whose L-field says ``length``; the bytes never contain A5, so nothing looks like a new message."""
    return bytes([length]) + (b"\x44\x2d\x2c\x78\x56\x34\x12\x1b\x04" + bytes(range(0x10, 0xA0)) * 2)[:length]


def feed(driver: Driver, data: bytes, cuts: list[int] | None = None) -> list[Event]:
    """All events of ``data``, given in pieces that end at ``cuts``."""
    events: list[Event] = []
    at = 0
    for cut in [*sorted(cuts or []), len(data)]:
        events += driver.feed(data[at:cut])
        at = cut
    return events


def telegrams(events: list[Event]) -> list[bytes]:
    return [event.frame for event in events if isinstance(event, Heard)]


def notices(events: list[Event]) -> list[str]:
    return [event.text_id for event in events if isinstance(event, Notice)]
