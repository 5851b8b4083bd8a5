"""The extended link layer (EN 13757-4 clause 13; CI 8C, 8D, 8E, 8F).

    8C  CC ACC                    8D  CC ACC SN(4) CRC(2)
    8E  CC ACC M2(2) A2(6)        8F  CC ACC M2(2) A2(6) SN(4) CRC(2)

SN's top three bits say how everything after it is encrypted, the payload CRC included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from avlas.decode.errors import HeaderError
from avlas.decode.link import address

if TYPE_CHECKING:
    from avlas.decode.types import Address

_PLAIN, _SESSION, _ADDRESSED, _BOTH = 0x8C, 0x8D, 0x8E, 0x8F
CI = frozenset({_PLAIN, _SESSION, _ADDRESSED, _BOTH})
NOT_ENCRYPTED, AES_CTR = 0, 1
_LENGTHS = {_PLAIN: 2, _SESSION: 6, _ADDRESSED: 10, _BOTH: 14}
CRC_LENGTH = 2
# Set by repeaters on the way: hop (0x10) and repeated access (0x02). The cipher sees them as 0.
CHANGED_ON_THE_WAY = 0x12


@dataclass(frozen=True, slots=True)
class Ell:
    """One extended link layer header, without the payload CRC (it may be encrypted)."""

    ci: int
    control: int
    access_number: int
    second_address: Address | None = None
    session: bytes = b""  # SN as sent; empty for 8C and 8E

    @property
    def encryption(self) -> int:
        """0 none, 1 AES-CTR; 2 to 7 are reserved."""
        return self.session[3] >> 5 if self.session else NOT_ENCRYPTED

    @property
    def counter(self) -> int | None:
        """Session number without the encryption bits: minutes and session, must not go back."""
        return int.from_bytes(self.session, "little") & 0x1FFFFFFF if self.session else None

    @property
    def cipher_control(self) -> int:
        """CC as it goes into the initial vector: as the meter sent it, before any repeater."""
        return self.control & ~CHANGED_ON_THE_WAY & 0xFF


def parse(data: bytes, at: int, end: int) -> tuple[Ell, int]:
    """The header whose CI stands at ``at``: (header, offset of what follows). Raises HeaderError."""
    ci = data[at]
    stop = at + 1 + _LENGTHS[ci]
    if stop > end:
        raise HeaderError(f"the extended link layer (CI {ci:02X}) is cut short")
    second = address(bytes(data[at + 3 : at + 11])) if ci in (_ADDRESSED, _BOTH) else None
    session = bytes(data[stop - 4 : stop]) if ci in (_SESSION, _BOTH) else b""
    return Ell(ci, data[at + 1], data[at + 2], second, session), stop
