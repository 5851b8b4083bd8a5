"""The transport layer (EN 13757-7 clause 7): which header a CI field brings and what follows it.

    long header   identification(4) manufacturer(2) version device-type access-number status configuration(2)
    short header  access-number status configuration(2)

Security modes 7 and above put one more byte after it, the configuration field extension.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from avlas.decode.errors import HeaderError
from avlas.decode.link import address

if TYPE_CHECKING:
    from avlas.decode.types import Address


class Content(Enum):
    """What the transport layer carries."""

    FULL = "data records"
    COMPACT = "compact frame"
    FORMAT = "format frame"
    FIXED = "fixed data structure"
    ERROR = "application error"
    ALARM = "alarm"
    NOTHING = "transport layer only"
    DLMS = "DLMS/COSEM"
    OBIS = "OBIS"
    MANUFACTURER = "manufacturer's own data"
    UNKNOWN = "unknown"


_NONE, _SHORT, _LONG = 0, 4, 12
_CI: dict[int, tuple[int, Content]] = {
    0x69: (_NONE, Content.FORMAT),
    0x6A: (_SHORT, Content.FORMAT),
    0x6B: (_LONG, Content.FORMAT),
    0x6E: (_SHORT, Content.ERROR),
    0x6F: (_LONG, Content.ERROR),
    0x70: (_NONE, Content.ERROR),
    0x71: (_NONE, Content.ALARM),
    0x72: (_LONG, Content.FULL),
    0x73: (_LONG, Content.COMPACT),
    0x74: (_SHORT, Content.ALARM),
    0x75: (_LONG, Content.ALARM),
    0x78: (_NONE, Content.FULL),
    0x79: (_NONE, Content.COMPACT),
    0x7A: (_SHORT, Content.FULL),
    0x7B: (_SHORT, Content.COMPACT),
    0x7C: (_LONG, Content.DLMS),
    0x7D: (_SHORT, Content.DLMS),
    0x7E: (_LONG, Content.OBIS),
    0x7F: (_SHORT, Content.OBIS),
    0x8A: (_SHORT, Content.NOTHING),
    0x8B: (_LONG, Content.NOTHING),
}
_WIRED_CI: dict[int, tuple[int, Content]] = {
    0x73: (_NONE, Content.FIXED),
    0x76: (_LONG, Content.FULL),
    0x77: (_NONE, Content.FIXED),
}
HIGH_BYTE_FIRST = frozenset({0x76, 0x77})
MODES_WITH_EXTENSION = frozenset({7, 8, 9, 10, 13})

APPLICATION_ERRORS = {
    0: "unspecified error",
    1: "unimplemented CI field",
    2: "buffer too long, truncated",
    3: "too many records",
    4: "premature end of record",
    5: "more than 10 DIFEs",
    6: "more than 10 VIFEs",
    7: "reserved",
    8: "application too busy for handling readout request",
    9: "too many readouts",
}
_STATUS = ("", "application busy", "any application error", "abnormal condition")


@dataclass(frozen=True, slots=True)
class Tpl:
    """One transport layer header; what was not sent is None."""

    ci: int
    content: Content
    address: Address | None = None
    access_number: int | None = None
    status: int | None = None
    configuration: int = 0
    extension: int | None = None

    @property
    def mode(self) -> int:
        """Security mode, 0 for none."""
        return self.configuration >> 8 & 0x1F

    @property
    def blocks(self) -> int:
        """Number of encrypted 16-byte blocks (modes 2 to 7)."""
        return self.configuration >> 4 & 0x0F


def content_of(ci: int, *, wired: bool) -> tuple[int, Content]:
    """(length of the header, what follows it) for a CI field."""
    if wired and ci in _WIRED_CI:
        return _WIRED_CI[ci]
    if 0xA0 <= ci <= 0xB7:
        return _NONE, Content.MANUFACTURER
    return _CI.get(ci, (_NONE, Content.UNKNOWN))


def parse(data: bytes, at: int, end: int, *, wired: bool) -> tuple[Tpl, int]:
    """The header whose CI stands at ``at``: (header, offset of what follows). Raises HeaderError."""
    ci = data[at]
    length, content = content_of(ci, wired=wired)
    stop = at + 1 + length
    if stop > end:
        raise HeaderError(f"CI {ci:02X} needs a header of {length} bytes, {end - at - 1} are left")
    if not length:
        return Tpl(ci, content), stop
    who = None
    if length == _LONG:
        raw = bytes(data[at + 1 : at + 9])
        if ci in HIGH_BYTE_FIRST:
            raw = raw[3::-1] + raw[5:3:-1] + raw[6:]
        who = address(raw[4:6] + raw[:4] + raw[6:])
    configuration = data[stop - 2] | data[stop - 1] << 8
    extension = None
    mode = configuration >> 8 & 0x1F
    # old wired meters leave anything in what was once a signature field: there only mode 7 is believed
    if mode in MODES_WITH_EXTENSION and (not wired or mode == 7):
        if stop >= end:
            raise HeaderError("the configuration field extension is missing")
        extension = data[stop]
        stop += 1
    access, status = data[at + 1 + length - 4], data[at + 1 + length - 3]
    return Tpl(ci, content, who, access, status, configuration, extension), stop


def status_words(status: int) -> str:
    """The status byte in words (EN 13757-7 table 21); bits 5 to 7 are the manufacturer's."""
    words = [_STATUS[status & 0x03]] if status & 0x03 else []
    words += [
        text
        for bit, text in ((4, "low battery"), (8, "permanent error"), (16, "temporary error"))
        if status & bit
    ]
    if status & 0xE0:
        words.append(f"manufacturer's bits {status & 0xE0:02X}")
    return ", ".join(words) or "no error"
