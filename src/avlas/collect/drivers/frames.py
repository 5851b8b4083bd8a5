"""From hex digits to a frame as ``Heard`` wants it: what all the drivers that read text share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avlas.decode.errors import FrameError
from avlas.decode.link import length_with_crcs_a, strip_crcs

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST_WIRED = 9  # 68 L L 68 C A CI CS 16


class BadFrame(Exception):  # noqa: N818 - it names what was read, as the notices do
    """The bytes are no frame; ``text_id`` and ``detail`` say why (see ``texts.TEXTS``)."""

    def __init__(self, text_id: str, detail: Mapping[str, str | int | float] | None = None) -> None:
        super().__init__(text_id)
        self.text_id = text_id
        self.detail = dict(detail or {})


def from_hex(digits: str) -> bytes:
    """Bytes from hex digits without separators; BadFrame when a character or the last half is missing."""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        wrong = next((c for c in digits if c not in "0123456789abcdefABCDEF"), None)
        if wrong is not None:
            raise BadFrame("line_not_hex", {"character": wrong}) from None
        raise BadFrame("line_odd_digits", {"digits": len(digits)}) from None


def normalise(raw: bytes) -> tuple[bytes, bool]:
    """A frame with the L-field first and without link CRCs, and whether it is a wired one; or BadFrame.

    The L-field against the length decides whether the CRCs of format A (EN 13757-4, 12.3) are there; a
    format B frame counts its CRCs in the L-field and is not told apart here. Wired: EN 13757-2, 5.2 (long
    frame).
    """
    if not raw:
        raise BadFrame("line_empty")
    if is_wired(raw):
        return raw, True
    length = raw[0]
    if len(raw) == length + 1:
        return raw, False
    if len(raw) == length_with_crcs_a(length):
        try:
            return strip_crcs(raw, "a-crc"), False
        except FrameError as error:
            raise BadFrame("line_crc") from error
    raise BadFrame("line_length", {"says": length, "follow": len(raw) - 1})


def is_wired(raw: bytes) -> bool:
    """Whether the bytes look like a wired long frame, 68 L L 68 ... 16 (the check sum is for the decoder)."""
    return (
        len(raw) >= SHORTEST_WIRED
        and raw[0] == raw[3] == 0x68
        and raw[1] == raw[2] == len(raw) - 6
        and raw[-1] == 0x16
    )


def with_length(raw: bytes) -> bytes:
    """The frame with its L-field set to what really follows: some receivers leave a wrong one behind.

    BadFrame when nothing follows or more than an L-field can say.
    """
    if not 2 <= len(raw) <= 256:
        raise BadFrame("line_length", {"says": raw[0] if raw else 0, "follow": max(0, len(raw) - 1)})
    return bytes([len(raw) - 1]) + raw[1:]
