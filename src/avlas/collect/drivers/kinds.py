"""The kinds of receivers there are: how each is called, spoken to, and what it can listen for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from avlas.collect.drivers import amber, cul, im871a, iu891a, rc1180
from avlas.collect.drivers.hexlines import HexLines
from avlas.collect.drivers.raw import RawBytes, RawHex, with_crcs
from avlas.collect.drivers.rtl_433 import Rtl433Lines
from avlas.collect.drivers.rtl_wmbus import RtlWmbusLines
from avlas.collect.drivers.wmbusmeters import WmbusmetersLines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from avlas.collect.drivers.heard import Driver


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of receiver, by the ``name`` its specs begin with.

    ``link_modes``: those it can be told to listen for, the usual one first; empty for a source that is not
    told. ``asks``: it must be written to as well, so it can't be standard input. ``programs``: the command
    lines that make a source of this kind out of an RTL-SDR stick, by link mode (see collect.program).
    """

    name: str
    make: Callable[[str], Driver]
    baud_rate: int = 115_200
    link_modes: tuple[str, ...] = ()
    asks: bool = False
    programs: Mapping[str, str] = field(default_factory=dict)


def _unasked(make: Callable[[], Driver]) -> Callable[[str], Driver]:
    return lambda _: make()


def _asked(
    name: str, make: Callable[[str], Driver], baud_rate: int, link_modes: Mapping[str, object]
) -> Kind:
    return Kind(name, make, baud_rate, tuple(link_modes), asks=True)


RTL_WMBUS: Final = {
    "c1t1": "rtl_sdr -d {stick} -f 868.95M -s 1600000 - | rtl_wmbus -p s -a -f",
    "c1t1s1": "rtl_sdr -d {stick} -f 868.625M -s 1600000 - | rtl_wmbus -s -f",
}
RTL_433: Final = {"c1t1": "rtl_433 -d {colon_stick} -F csv -f 868.95M -R 104"}

KINDS: Final = {
    kind.name: kind
    for kind in (
        _asked("im871a", im871a.Im871a, im871a.BAUD_RATE, im871a.LINK_MODES),
        _asked("im170a", partial(im871a.Im871a, model="iM170A"), im871a.BAUD_RATE, im871a.LINK_MODES_169),
        _asked("iu891a", iu891a.Iu891a, iu891a.BAUD_RATE, iu891a.LINK_MODES),
        _asked("iu893a", iu891a.Iu891a, iu891a.BAUD_RATE, iu891a.LINK_MODES),
        _asked("amb8465", amber.Amber, amber.BAUD_RATE, amber.LINK_MODES),
        _asked("amb3665", partial(amber.Amber, model="AMB3665"), amber.BAUD_RATE, amber.LINK_MODES_169),
        _asked("rc1180", rc1180.Rc1180, rc1180.BAUD_RATE, rc1180.LINK_MODES),
        _asked("cul", cul.Cul, cul.BAUD_RATE, cul.LINK_MODES),
        Kind("rtl_wmbus", _unasked(RtlWmbusLines), programs=RTL_WMBUS),
        Kind("rtl_433", _unasked(Rtl433Lines), programs=RTL_433),
        Kind("wmbusmeters", _unasked(WmbusmetersLines)),
        Kind("hex", _unasked(HexLines)),
        Kind("hextty", _unasked(RawHex)),
        Kind("rawtty", _unasked(RawBytes)),
        Kind("rawtty_crc", _unasked(partial(RawBytes, with_crcs))),
    )
}
LINK_MODES: Final = tuple(
    dict.fromkeys(mode for kind in KINDS.values() for mode in (*kind.link_modes, *kind.programs))
)
"""All there are, the usual one first."""


def link_modes(kind: Kind, road: str) -> tuple[str, ...]:
    """What a receiver of this kind on this road can be told to listen for; empty when it is not told."""
    return tuple(kind.programs) if road == "program" else kind.link_modes


def read_link_mode(text: str) -> str | None:
    """The link mode that ``text`` writes: ``c1t1``, ``c1,t1``, ``t,c``, ``C+T``, ``n2a``; None when it is none."""
    parts = {part if len(part) > 1 else f"{part}1" for part in text.lower().replace("+", ",").split(",")}
    if len(parts) == 1 and (mode := next(iter(parts))) in LINK_MODES:
        return mode
    return next((mode for mode in LINK_MODES if mode == "".join(sorted(parts)).replace("s1t1", "t1s1")), None)
