"""An M-Bus telegram in a cell, as gateways write them into their reports: hex digits become a meter and figures. Pure.

Elvaco's gateways (report templates 2001 and 3001 of the CMe and CMi series, as Elvaco's public support pages
describe them) write a row for each telegram: serial number of the gateway; identification of the meter; date and
time; number of the telegram; M-Bus data from the C-field on, without check sum and stop byte. A whole frame (68 ...
16) is read as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from avlas.decode import DecodeError, telegram
from avlas.decode.families import as_sent
from avlas.meters.entered import ENTERABLE
from avlas.meters.key_text import N_
from avlas.transfer.imports.errors import CellError

_START: Final = 0x68
_STOP: Final = 0x16
_LONGEST: Final = 0xFF  # bytes between the frame's head and its check sum
_ROW: Final = re.compile(
    rb"\d{8,10};[0-9A-Fa-f]{8};\d{4}-\d\d-\d\d \d\d:\d\d:\d\d;\d{1,3};[0-9A-Fa-f ]{10,}\s*", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Heard:
    """Whose telegram it is, and the counters in it, as ``entered.Figure.packed`` has them."""

    manufacturer: str
    identification: str
    figures: list[list[Any]]


def is_report(data: bytes) -> bool:
    """Whether a file's first rows are those of a gateway's report of telegrams."""
    first = [line for line in data[:4000].splitlines()[:3] if line.strip()]
    return bool(first) and all(_ROW.fullmatch(line) for line in first[: 2 if len(first) > 2 else 1])


def understand(text: str) -> Heard:
    """Decode a telegram. Raises CellError."""
    try:
        body = bytes.fromhex(text)
    except ValueError:
        raise CellError(N_("“%(text)s” is no telegram in hex digits."), text=text[:40]) from None
    if not body or len(body) > _LONGEST + 6:
        raise CellError(N_("“%(text)s” is no telegram in hex digits."), text=text[:40])
    whole = body[0] == _START and len(body) > 6 and body[3] == _START
    try:
        found = telegram(body if whole else _framed(body), format="wired")
    except DecodeError as problem:
        raise CellError(N_("The telegram can't be read: %(why)s."), why=str(problem)[:200]) from None
    who = found.header.address or found.header.link_address
    if who is None:
        raise CellError(N_("The telegram doesn't say which meter sent it."))
    figures = []
    for register in ENTERABLE:
        if register in found.registers and register in found.sent:
            unit, decimals = found.sent[register]
            figures.append(
                [register, str(as_sent(found.registers[register], unit, decimals)), unit, decimals]
            )
    if not figures:
        raise CellError(N_("There is no counter in the telegram."))
    return Heard(who.manufacturer, who.identification, figures)


def _framed(body: bytes) -> bytes:
    """A telegram with the frame that the gateway took off; its own check sum was checked there."""
    size = min(len(body), _LONGEST)
    return bytes([_START, size, size, _START]) + body + bytes([sum(body) & 0xFF, _STOP])
