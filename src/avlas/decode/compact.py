"""Compact frames (EN 13757-3 annex G; CI 79, 7B, 73): values without their DIF/VIF bytes.

    format signature(2) CRC of the full frame(2) values...

The signature is the CRC-16 of all DIF/VIF bytes; the layout (those bytes, record by record) is learnt from
full frames and format frames, or shipped. The CRC of the full frame covers DIF/VIF bytes and values in their
order, so a wrong layout or a damaged value shows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from avlas.decode.link import crc16
from avlas.decode.types import Layout, Record, Telegram

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CONFIRMED = 2  # full frames that must agree before a layout no CRC vouched for is trusted
_PER_TYPE = 64  # layouts learnt per manufacturer, version and device type
_LEARNT = 4096  # layouts learnt in all: forgery invents types without end
_ANY = -1  # version and device type of shipped layouts: whatever the manufacturer sends with this signature
FORMAT_CIS = frozenset({0x69, 0x6A, 0x6B})
COMPACT_CIS = frozenset({0x73, 0x79, 0x7B})

# Register order of Kamstrup's datagrams, with {e} energy, {v} volume, {q} flow, {p} power resolutions.
# MULTICAL 403/603: E1 E8 E9 V1 flow t1 t2 info date, E1 and V1 at target date, target date
_HEAT_403 = "04{e} 04FF07 04FF08 04{v} 04{q} 0259 025D 04FF22 026C 44{e} 44{v} 426C"
# MULTICAL 803/603: E1 E8 E9 V1 In-A In-B flow t1 t2 max-power TA2 TA3 info date and the target-date values
_HEAT_803 = (
    "04{e} 04FF07 04FF08 04{v} 8440{i} 848040{i} 04{q} 0259 025D 14{p} 8410{e} 8420{e} 04FF22 026C "
    "44{e} 44{v} C440{i} C48040{i} 426C"
)
# MULTICAL 603: momentary values with power; without and with operating hours, largest flow and power
_HEAT_603 = "04{e} 04FF07 04FF08 04{v} 04{q} 0259 025D 04FF22"
_HEAT_603_POWER = "04{e} 04FF07 04FF08 04{v} 04{q} 04{p} 0259 025D 04FF22 0422 14{q} 14{p}"
# MULTICAL 602: configuration E1 E8 E9 V1 VA VB info date, target-date values, flow t1 t2
_HEAT_602 = (
    "02F9FF15 04{e} 04EEFF07 04EEFF08 04{v} 8440{i} 848040{i} 02FD17 026C 426C 44{e} 44{v} C440{i} C48040{i} "
    "04{q} 0259 025D"
)
# MULTICAL 402: E1 E8 E9 V1 info flow t1 t2
_HEAT_402 = "04{e} 04FF07 04FF08 04{v} 02FD17 04{q} 0259 025D"
# MULTICAL 302: E1, E1 at target date, V1, target date, power, info
_HEAT_302 = "03{e} 43{e} 03{v} 426C 02{p} 01FF21"
# MULTICAL 303: E1 V1 E8 E9 t1 t2 flow info date, E1 and V1 at target date, target date
_HEAT_303 = "04{e} 04{v} 04FF07 04FF08 0259 025D 02{q} 02FF22 026C 44{e} 44{v} 426C"
# Of several layouts with one signature the first counts: what meters send, then the likelier ones.
_SENT = (
    "0406 04FF07 04FF08 0414 043B 0259 025D 04FF22",  # MULTICAL 603
    (
        "040F 04FF07 04FF08 0414 844014 84804014 043B 0259 025D 142D 84100F 84200F 04FF22 026C "
        "440F 4414 C44014 C4804014 426C"
    ),  # MULTICAL 803
)
_TEMPLATES = (_HEAT_403, _HEAT_603, _HEAT_603_POWER, _HEAT_602, _HEAT_402, _HEAT_302, _HEAT_303, _HEAT_803)
_ENERGY = ("06", "05", "04", "07", "FB00", "0E", "0F", "0D", "FB08")
_VOLUME = ("14", "13", "15", "16")
_FLOW = ("3B", "3C", "3A")
_POWER = ("2D", "2C", "2E", "2B")
_FIXED = (
    "0404 04843C 042B 04AB3C",  # OMNIPOWER: A+ A- P+ P-
    "2269 1269 0269 05FF09 05FF0A 02FD17",  # PressureSensor: lowest, highest, momentary pressure, info
    # MULTICAL 21, flowIQ: info, V1, then by configuration V1 at target date, flow, temperatures
    "02FF20 0413 4413",
    "02FF20 0413 4413 615B 6167",
    "02FF20 0413 4413 615B 5167",
    "02FF20 0413 92013B A1015B 8101E7FF0F",
    "04FF23 0413 4413 426C 023B 92013B A2013B 06FF1B A1015B 91015B A10167",
)
# Engelmann water: value of the target date, status, totals of 15 months, clock, V1
_ENGELMANN = (
    "426C 4413 01FD17 840113 C40113 840213 C40213 840313 C40313 840413 C40413 840513 C40513 840613 C40613 "
    "840713 C40713 840813 046D 0413"
)
_MAKERS = {
    "KAM": (*_SENT, *_TEMPLATES, *_FIXED),
    "KAW": _FIXED,  # Kamstrup's newer water meters
    "EFE": (_ENGELMANN,),
}
# Signatures that meters were seen to send; the other resolutions of the templates are on probation.
_SEEN_IN_METERS = frozenset(
    {
        *(0xF1E7, 0x6DE2, 0x52C2),  # MULTICAL 302 in kWh, 0.01 GJ, MJ
        *(0xAE5A, 0xB34D, 0x1434, 0xE7A2, 0x7869, 0x441F),  # 303, 403, 603, 803
        *(0x8400, 0xD7D6),  # 602, 402
        *(0x8C13, 0x73DE, 0xDD34, 0xA8ED, 0xD2F7, 0xC412, 0xA9F3),  # the fixed ones
        0x052D,  # Engelmann
    }
)


def split_headers(text: str) -> tuple[bytes, ...]:
    """The DIF/VIF bytes record by record of a text like "0406 0259"."""
    return tuple(bytes.fromhex(part) for part in text.split())


def signature(headers: Sequence[bytes]) -> int:
    """Format signature of DIF/VIF bytes; sent low byte first."""
    return crc16(b"".join(headers))


def full_frame_crc(headers: Sequence[bytes], values: Sequence[bytes]) -> int:
    """CRC of the full frame that the headers and values would make; sent low byte first."""
    return crc16(b"".join(part for pair in zip(headers, values, strict=True) for part in pair))


@lru_cache(maxsize=1)
def _shipped() -> tuple[Layout, ...]:
    layouts: dict[tuple[str, int], Layout] = {}
    for maker, templates in _MAKERS.items():
        for template in templates:
            for text in _resolutions(template):
                headers = split_headers(text)
                mark = signature(headers)
                seen = _CONFIRMED if mark in _SEEN_IN_METERS else 0
                layouts.setdefault((maker, mark), Layout(maker, _ANY, _ANY, mark, headers, "shipped", seen))
    return tuple(layouts.values())


def _resolutions(template: str) -> Iterator[str]:
    """A template with every combination of the resolutions it has places for."""
    choices = {"e": _ENERGY, "v": _VOLUME, "i": _VOLUME, "q": _FLOW, "p": _POWER}
    used = [name for name in choices if f"{{{name}}}" in template]
    for chosen in product(*(choices[name] for name in used)):
        yield template.format(**dict(zip(used, chosen, strict=True)))


class Layouts:
    """The layouts known so far, by manufacturer, version, device type and signature.

    A layout learnt from a full frame that no CRC vouched for is on probation: ``find`` gives it, the compact
    frame's own CRC must confirm it, and fast paths must ask ``is_confirmed`` first.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int], Layout] = {}
        self._of_maker: dict[tuple[str, int], Layout] = {}
        self.plans: object | None = None  # what the batch decoder made of them, see batch/decoding.py

    @classmethod
    def shipped(cls) -> Layouts:
        """A new store that holds the shipped layouts."""
        store = cls()
        for layout in _shipped():
            store._known[layout.manufacturer, _ANY, _ANY, layout.signature] = layout
        return store

    def __iter__(self) -> Iterator[Layout]:
        return iter(tuple(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def find(self, manufacturer: str, version: int, device_type: int, signature: int) -> Layout | None:
        """The layout of this very type, a shipped one, or (unconfirmed) one of the maker's other types."""
        exact = self._known.get((manufacturer, version, device_type, signature))
        exact = exact or self._known.get((manufacturer, _ANY, _ANY, signature))
        if exact is not None:
            return exact
        relative = self._of_maker.get((manufacturer, signature))
        return relative and replace(
            relative, version=version, device_type=device_type, source="full frame", seen=0
        )

    @staticmethod
    def is_confirmed(layout: Layout) -> bool:
        """Seen often enough, or once with a CRC or MAC that vouched for it."""
        return layout.seen >= _CONFIRMED

    def learn(self, source: Layout | Telegram) -> Layout | None:
        """Take in a stored layout or what a telegram teaches.

        Gives the layout when it is new or newly confirmed, else None. A telegram teaches when it is a full
        frame or a format frame: at once when its payload CRC or MAC was checked, else when the same layout
        has come twice.
        """
        layout = source if isinstance(source, Layout) else _taught_by(source)
        if layout is None:
            return None
        key = (layout.manufacturer, layout.version, layout.device_type, layout.signature)
        shipped = self._known.get((layout.manufacturer, _ANY, _ANY, layout.signature))
        if shipped is not None and self.is_confirmed(shipped) and shipped.headers == layout.headers:
            return None
        known = self._known.get(key)
        if known is not None and self.is_confirmed(known):
            return None
        if known is None and not self._room_for(key[:3]):
            return None
        if known is not None and known.headers == layout.headers:
            layout = replace(known, seen=max(layout.seen, known.seen + 1), source=layout.source)
        self._known[key] = layout
        self._of_maker[layout.manufacturer, layout.signature] = layout
        return layout if known is None or self.is_confirmed(layout) else None

    def _room_for(self, kind: tuple[str, int, int]) -> bool:
        """Room for one more layout of a type; the oldest on probation makes way."""
        of_kind = [key for key in self._known if key[:3] == kind] if kind[1] != _ANY else []
        crowd = of_kind if len(of_kind) >= _PER_TYPE else ()
        if not crowd and len(self._known) >= len(_shipped()) + _LEARNT:
            crowd = [key for key in self._known if key[1] != _ANY]
        for key in crowd:
            if not self.is_confirmed(self._known[key]):
                gone = self._known.pop(key)
                if self._of_maker.get((gone.manufacturer, gone.signature)) is gone:
                    del self._of_maker[gone.manufacturer, gone.signature]
                return True
        return not crowd


@lru_cache(maxsize=1)
def shipped_layouts() -> Layouts:
    """One store of the shipped layouts for callers that learn nothing. Do not teach it."""
    return Layouts.shipped()


def _taught_by(telegram: Telegram) -> Layout | None:
    header = telegram.header
    who = header.link_address or header.address
    if who is None or telegram.signature is None or header.wired or header.ci in COMPACT_CIS:
        return None
    headers = headers_of(telegram.records)
    if not headers or signature(headers) != telegram.signature:
        return None
    vouched = header.security == "mode 7" or 0x8D in header.ci_chain or 0x8F in header.ci_chain
    source = "format frame" if header.ci in FORMAT_CIS else "full frame"
    return Layout(
        who.manufacturer,
        who.version,
        who.device_type,
        telegram.signature,
        headers,
        source,
        _CONFIRMED if vouched or header.ci in FORMAT_CIS else 1,
    )


def headers_of(records: Sequence[Record]) -> tuple[bytes, ...]:
    """The DIF/VIF bytes of a telegram's records, unfolded profile values left out."""
    return tuple(record.dib + record.vib for record in records if record.dib and record.at is None)
