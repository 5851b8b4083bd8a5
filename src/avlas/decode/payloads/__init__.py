"""What stands in manufacturers' own data: one small pure module a format, chosen by the table ``FORMATS``.

A format gets the header, the record that holds the raw bytes and the telegram's other records, and gives the
records that are in the bytes, under the standard's names and units so that the general rules make registers
of them; or nothing when the bytes are not in the form it knows. Each module states the byte layout and where
the facts come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from avlas.decode.payloads import apator, bfw, bmeters, diehl, qundis, techem, zenner
from avlas.decode.types import Header, Record

if TYPE_CHECKING:
    from avlas.decode.types import Address

Reader = Callable[[Header, Record, Sequence[Record]], list[Record]]
_OWN, _TAIL, _VIF = "own", "tail", "vif"  # a CI of the maker's own; behind DIF 0F; a VIF of the maker's own
_WATER = frozenset({0x06, 0x07, 0x15, 0x16})


@dataclass(frozen=True, slots=True)
class Format:
    """Which telegrams a reader is for; an empty set of versions, device types or CI fields means any."""

    makers: frozenset[str]
    read: Reader
    where: str
    cis: frozenset[int]
    versions: frozenset[int]
    device_types: frozenset[int]
    vib: bytes

    def fits(self, who: Address, ci: int, record: Record) -> bool:
        """Whether this record of this sender's telegram is in the format."""
        if who.manufacturer not in self.makers or (self.cis and ci not in self.cis):
            return False
        if self.versions and who.version not in self.versions:
            return False
        if self.device_types and who.device_type not in self.device_types:
            return False
        if self.where == _VIF:
            return record.vib == self.vib
        return not record.vib and bool(record.dib) == (self.where == _TAIL) and bool(record.data)


def _format(
    makers: str,
    read: Reader,
    where: str,
    cis: Iterable[int] = (),
    versions: Iterable[int] = (),
    device_types: Iterable[int] = (),
    vib: bytes = b"",
) -> Format:
    senders = frozenset(makers.split())
    return Format(senders, read, where, frozenset(cis), frozenset(versions), frozenset(device_types), vib)


FORMATS: tuple[Format, ...] = (
    _format("TCH", techem.read, _OWN, cis=range(0xA0, 0xA3)),
    _format("QDS", qundis.walk_by, _VIF, vib=qundis.VIB),
    _format(" ".join(diehl.MAKERS), diehl.read, _OWN, cis=diehl.PRIOS_CIS),
    _format("APA APT", apator.at_wmbus_16, _TAIL, versions={0x05}, device_types=_WATER),
    _format("APA", apator.na_1, _OWN, cis={0xA0, 0xA1}, versions={0x14}, device_types=_WATER),
    _format("APA APT", apator.allocator, _OWN, cis={0xA0, 0xB6}, versions={0x04}, device_types={0x08}),
    _format("APT", apator.pulses_of_a_litre, _OWN, cis={0xA0}, versions={0x03}, device_types={0x03}),
    _format("APT", apator.pulses_of_a_litre, _OWN, cis={0xA0}, versions={0x0F}, device_types={0x0F}),
    _format("APT", apator.pulses_of_a_cubic_metre, _OWN, cis={0xA0}, versions={0x04}, device_types={0x11}),
    _format("BFW", bfw.read, _OWN, versions={0x02}, device_types={0x08}),
    _format("BMT", bmeters.hydrodigit, _TAIL, device_types=_WATER),
    _format("BMP", bmeters.hydroclima, _TAIL, device_types={0x08}),
    _format("ZRI", zenner.read, _TAIL, versions={0x0B}, device_types=_WATER),
)


def unfold(header: Header, records: Sequence[Record]) -> list[Record]:
    """The records that stand in manufacturers' own data among ``records``; never raises."""
    who = header.link_address or header.address
    found: list[Record] = []
    if who is None:
        return found
    for record in records:
        kind = next((kind for kind in FORMATS if kind.fits(who, header.ci, record)), None)
        if kind is not None:
            found += kind.read(header, record, records)
    return found


def is_whole(who: Address | None, ci: int) -> bool:
    """Whether all behind a standard CI field is the maker's own data, without any DIF before it."""
    return bool(who) and ci == bfw.CI and bfw.is_ours(who)
