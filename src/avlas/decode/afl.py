"""The authentication and fragmentation layer (EN 13757-7 clause 6; OMS volume 2; CI 90).

90 AFLL FCL(2) [MCL] [KI(2)] [MCR(4)] [MAC(n)] [ML(2)]
"""

from __future__ import annotations

from dataclasses import dataclass, field

from avlas.decode.errors import HeaderError
from avlas.decode.link import HEADER_LENGTH
from avlas.decode.types import Span

CI = 0x90
# FCL: which fields are there, and the number of the fragment
_MORE, _HAS_MCL, _HAS_ML, _HAS_MCR, _HAS_MAC, _HAS_KI = 0x4000, 0x2000, 0x1000, 0x0800, 0x0400, 0x0200
_MAC_LENGTHS = {3: 2, 4: 4, 5: 8, 6: 12, 7: 16, 8: 12}
_CMAC = range(3, 8)
_MAX_MESSAGE = 16384
# The header of the usual whole message, 90 0F 00 2C MCL MCR(4) MAC(8): where its parts stand.
AUTHENTICATED_AT, MAC_AT = 4, 9
_MAX_OPEN = 1024


@dataclass(frozen=True, slots=True)
class Afl:
    """One AFL header. Fields that were not sent are None or empty."""

    fragment_control: int
    message_control: int | None = None
    key_information: bytes = b""
    counter: int | None = None
    mac: bytes = b""
    message_length: int | None = None

    @property
    def fragment(self) -> int:
        """Number of this fragment, from 1; 0 when the message is whole."""
        return self.fragment_control & 0xFF

    @property
    def more_follows(self) -> bool:
        """Another fragment of the same message follows."""
        return bool(self.fragment_control & _MORE)

    @property
    def whole(self) -> bool:
        """The message is in this frame alone."""
        return not self.more_follows and self.fragment <= 1

    @property
    def uses_cmac(self) -> bool:
        """The MAC is an AES-CMAC (authentication types 3 to 7)."""
        return self.message_control is not None and self.message_control & 0x0F in _CMAC

    def authenticated(self) -> bytes:
        """The part of this header that the MAC covers, before the message itself."""
        covered = b"" if self.message_control is None else bytes([self.message_control])
        covered += self.key_information
        if self.counter is not None:
            covered += self.counter.to_bytes(4, "little")
        if self.message_length is not None:
            covered += self.message_length.to_bytes(2, "little")
        return covered

    def encode(self) -> bytes:
        """The header's bytes from CI on, as one whole message."""
        control = self.fragment_control & ~_MORE & 0xFF00
        parts = b""
        if self.message_control is not None:
            control |= _HAS_MCL
            parts += bytes([self.message_control])
        parts += self.key_information
        if self.counter is not None:
            control |= _HAS_MCR
            parts += self.counter.to_bytes(4, "little")
        if self.mac:
            control |= _HAS_MAC
            parts += self.mac
        if self.message_length is not None:
            control |= _HAS_ML
            parts += self.message_length.to_bytes(2, "little")
        body = control.to_bytes(2, "little") + parts
        return bytes([CI, len(body)]) + body


def parse(data: bytes, at: int, end: int, authentication: int | None = None) -> tuple[Afl, int, list[Span]]:
    """The header whose CI stands at ``at``: (header, offset of what follows, its spans).

    ``authentication`` is the type from the first fragment's MCL, for later ones that carry the MAC alone.
    Raises HeaderError when AFLL and the announced fields contradict each other.
    """
    if at + 4 > end or at + 2 + data[at + 1] > end:
        raise HeaderError("the authentication layer (CI 90) is cut short")
    stop = at + 2 + data[at + 1]
    control = data[at + 2] | data[at + 3] << 8
    spans = [
        Span("afl", at + 1, at + 2, "AFLL", f"{data[at + 1]} bytes of header follow"),
        Span(
            "afl", at + 2, at + 4, "FCL", f"fragment {control & 0xFF}, more follows: {bool(control & _MORE)}"
        ),
    ]
    cursor = at + 4

    def take(length: int, name: str, meaning: str) -> bytes:
        nonlocal cursor
        if cursor + length > stop:
            raise HeaderError(f"AFLL {data[at + 1]} is too small for the field {name}")
        raw = bytes(data[cursor : cursor + length])
        spans.append(Span("afl", cursor, cursor + length, name, meaning))
        cursor += length
        return raw

    message_control = take(1, "MCL", "message control")[0] if control & _HAS_MCL else None
    kind = authentication if message_control is None else message_control & 0x0F
    key_information = take(2, "KI", "key information") if control & _HAS_KI else b""
    counter = int.from_bytes(take(4, "MCR", "message counter"), "little") if control & _HAS_MCR else None
    mac = b""
    if control & _HAS_MAC:
        rest = stop - cursor - (2 if control & _HAS_ML else 0)
        mac = take(_MAC_LENGTHS.get(kind or 0, max(rest, 0)), "MAC", "message authentication code")
    length = int.from_bytes(take(2, "ML", "message length"), "little") if control & _HAS_ML else None
    if cursor < stop:
        spans.append(Span("afl", cursor, stop, "reserved", "unknown fields of the authentication layer"))
    return Afl(control, message_control, key_information, counter, mac, length), stop, spans


@dataclass(slots=True)
class _Message:
    """A message of which some fragments have come."""

    head: bytes  # link layer and ELL of the first fragment
    first: Afl
    body: bytearray
    fragments: int = 1
    mac: bytes = b""


@dataclass(slots=True)
class Assembler:
    """Puts the fragments of long messages together again.

    Feed every normalised frame to ``add``; it gives the frame back at once when it is no fragment, None
    while fragments are missing, and the whole message (L-field 0 when longer than a frame can be, to be
    decoded with format="assembled") with the last one. A fragment out of turn drops what was begun.
    """

    _open: dict[bytes, _Message] = field(default_factory=dict)

    def add(self, frame: bytes) -> bytes | None:
        """One frame in, a whole message out; None while parts are missing."""
        at = afl_offset(frame)
        if at is None or at + 4 > len(frame) or Afl(frame[at + 2] | frame[at + 3] << 8).whole:
            return frame
        sender = frame[2:HEADER_LENGTH]
        begun = self._open.get(sender)
        kind = begun.first.message_control if begun else None
        try:
            header, stop, _ = parse(frame, at, len(frame), kind and kind & 0x0F)
        except HeaderError:
            return frame
        if header.fragment == 1:
            if len(self._open) >= _MAX_OPEN:
                self._open.pop(next(iter(self._open)))
            self._open[sender] = _Message(frame[:at], header, bytearray(frame[stop:]), mac=header.mac)
            return None
        if begun is None or header.fragment != begun.fragments + 1:
            self._open.pop(sender, None)
            return None
        begun.body += frame[stop:]
        begun.fragments += 1
        begun.mac = header.mac or begun.mac
        if len(begun.body) > _MAX_MESSAGE:
            del self._open[sender]
            return None
        if header.more_follows:
            return None
        del self._open[sender]
        first = begun.first
        joined = Afl(
            first.fragment_control,
            first.message_control,
            first.key_information,
            first.counter,
            begun.mac,
            first.message_length,
        )
        whole = begun.head + joined.encode() + bytes(begun.body)
        return bytes([len(whole) - 1 if len(whole) <= 256 else 0]) + whole[1:]


def afl_offset(frame: bytes) -> int | None:
    """Where the AFL of a normalised frame begins, if it has one in clear."""
    at = HEADER_LENGTH
    if len(frame) > at and frame[at] in (0x8C, 0x8E):
        at += 3 if frame[at] == 0x8C else 11
    return at if len(frame) > at and frame[at] == CI else None
