"""Frames that stand on a serial line one after the other with nothing around them: L-field first."""

from __future__ import annotations

from typing import Final, Literal

SHORTEST: Final = 10
"""L of the shortest telegram of a meter: C, M 2, A 6, CI."""
FROM_METERS: Final = frozenset((0x44, 0x46, 0x47, 0x48, 0x08, 0x18, 0x28, 0x38))
"""C-fields a meter begins its telegrams with (EN 13757-4, 12.5.2): SND_NR, SND_IR, ACC_NR, ACC_DMD, RSP_UD."""


def begins_frame(data: bytes | bytearray) -> bool | None:
    """Whether ``data`` can begin with a meter's frame: L, C and the maker's letters; None: too few bytes yet.

    With nothing around a frame this is all there is to find its start by after damage.
    """
    if data and data[0] < SHORTEST:
        return False
    if len(data) > 1 and data[1] not in FROM_METERS:
        return False
    if len(data) < 4:
        return None
    letters = (data[2] | data[3] << 8) & 0x7FFF
    return all(1 <= letters >> shift & 0x1F <= 26 for shift in (10, 5, 0))


def plain_frame(data: bytes | bytearray) -> bytes | Literal[False] | None:
    """The frame that ``data`` begins with; None when it is not all there, False when it is none."""
    begins = begins_frame(data)
    if not begins:
        return begins
    size = data[0] + 1
    return bytes(data[:size]) if len(data) >= size else None
