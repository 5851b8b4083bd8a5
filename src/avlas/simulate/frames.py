"""The outer layers of an M-Bus frame, written: link layer, extended link layer, AFL, transport headers.

Numbers go in, bytes come out; nothing is read back here. Clauses are those of EN 13757-4 (wireless link
and extended link layer), -7 (transport layer, AFL) and -2 (wired).
"""

from __future__ import annotations

SND_NR = 0x44  # a meter's spontaneous telegram
SND_IR = 0x46  # installation request
RSP_UD = 0x08  # a wired meter's answer

ACK = b"\xe5"

_CRC_POLYNOMIAL = 0x3D65


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        register = byte << 8
        for _ in range(8):
            register = (register << 1) ^ (_CRC_POLYNOMIAL if register & 0x8000 else 0)
        table.append(register & 0xFFFF)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc(data: bytes) -> int:
    """The CRC of the wireless link (EN 13757-4): polynomial 3D65, start 0, result inverted."""
    register = 0
    for byte in data:
        register = ((register << 8) & 0xFFFF) ^ _CRC_TABLE[(register >> 8) ^ byte]
    return register ^ 0xFFFF


def manufacturer(letters: str) -> bytes:
    """The two bytes of a manufacturer's three letters (EN 62056-21), low byte first: "KAM" -> 2D 2C."""
    if len(letters) != 3 or not all("A" <= letter <= "Z" for letter in letters):
        raise ValueError(f"a manufacturer code is three letters A to Z, not {letters!r}")
    first, second, third = (ord(letter) - 64 for letter in letters)
    return (first * 1024 + second * 32 + third).to_bytes(2, "little")


def address(letters: str, identification: str, version: int, device_type: int) -> bytes:
    """The eight bytes M, id, version, device type as the link layer sends them.

    ``identification`` is eight digits as printed on the meter (hexadecimal digits are allowed: the
    field is BCD, but some makers number past 9).
    """
    if len(identification) != 8:
        raise ValueError(f"an identification number has eight digits, not {identification!r}")
    number = bytes.fromhex(identification)[::-1]
    return manufacturer(letters) + number + bytes((version, device_type))


# --- wireless link layer (EN 13757-4, clause 12) ---------------------------------------------------------


def link(address_bytes: bytes, content: bytes, *, c_field: int = SND_NR) -> bytes:
    """A frame in the order of format A, L-field first, without CRCs: L C M A content."""
    body = bytes((c_field,)) + address_bytes + content
    if len(body) > 255:
        raise ValueError(f"the frame has {len(body)} bytes after the L-field, 255 fit")
    return bytes((len(body),)) + body


def format_a(frame: bytes) -> bytes:
    """The frame of :func:`link` with format A's CRCs: after 10 bytes, then after every 16."""
    blocks = [frame[:10]] + [frame[start : start + 16] for start in range(10, len(frame), 16)]
    return b"".join(block + crc(block).to_bytes(2, "big") for block in blocks)


def format_b(frame: bytes) -> bytes:
    """The frame of :func:`link` with format B's CRCs; its L-field counts them too.

    The first CRC covers blocks one and two together (at most 126 bytes), a second one the rest.
    """
    length = len(frame) - 1 + (2 if len(frame) <= 126 else 4)
    if length > 255:
        raise ValueError(f"format B has room for 255 bytes with CRCs, this frame needs {length}")
    frame = bytes((length,)) + frame[1:]
    head, rest = frame[:126], frame[126:]
    out = head + crc(head).to_bytes(2, "big")
    return out + rest + crc(rest).to_bytes(2, "big") if rest else out


_THREE_OUT_OF_SIX = (
    0b010110, 0b001101, 0b001110, 0b001011, 0b011100, 0b011001, 0b011010, 0b010011,
    0b101100, 0b100101, 0b100110, 0b100011, 0b110100, 0b110001, 0b110010, 0b101001,
)  # fmt: skip


def three_out_of_six(data: bytes) -> bytes:
    """The bytes as mode T sends them (EN 13757-4, clause 6.4): six bits a nibble, zero bits at the end."""
    bits = 0
    for byte in data:
        bits = (bits << 12) | (_THREE_OUT_OF_SIX[byte >> 4] << 6) | _THREE_OUT_OF_SIX[byte & 15]
    count = 12 * len(data)
    padding = -count % 8
    return (bits << padding).to_bytes((count + padding) // 8, "big")


# --- extended link layer (EN 13757-4, clause 13) ---------------------------------------------------------


def ell_short(access: int, *, cc: int = 0x20) -> bytes:
    """CI 8C: communication control and access number."""
    return bytes((0x8C, cc, access))


def ell_long_header(access: int, session: bytes, *, cc: int = 0x20) -> bytes:
    """CI 8D up to the session number; payload CRC and content follow, encrypted (see ``security``)."""
    return bytes((0x8D, cc, access)) + session


def ell_short_to(access: int, destination: bytes, *, cc: int = 0x20) -> bytes:
    """CI 8E: as 8C, with the address the frame is meant for."""
    return bytes((0x8E, cc, access)) + destination


def ell_long_header_to(access: int, destination: bytes, session: bytes, *, cc: int = 0x20) -> bytes:
    """CI 8F up to the session number: as 8D, with the address the frame is meant for."""
    return bytes((0x8F, cc, access)) + destination + session


def session_number(minutes: int, session: int, *, encrypted: bool = True) -> bytes:
    """The four bytes SN: encryption (3 bits, 1 = AES-CTR), time in minutes (25), session (4)."""
    if not 0 <= minutes < 1 << 25 or not 0 <= session < 16:
        raise ValueError(f"session number out of range: minutes {minutes}, session {session}")
    return (int(encrypted) << 29 | minutes << 4 | session).to_bytes(4, "little")


# --- authentication and fragmentation layer (EN 13757-7, clause 6) ---------------------------------------

AFL_MESSAGE_CONTROL = 0x25  # message counter present, AES-CMAC of eight bytes


def afl(counter: int, mac: bytes) -> bytes:
    """CI 90 of an unfragmented message with counter and MAC, as security mode 7 wants it."""
    control = 0x2C00  # MCL, MCR and MAC present, fragment 0
    fields = (
        control.to_bytes(2, "little") + bytes((AFL_MESSAGE_CONTROL,)) + counter.to_bytes(4, "little") + mac
    )
    return bytes((0x90, len(fields))) + fields


def afl_fragments(counter: int, mac: bytes, message: bytes, size: int) -> list[bytes]:
    """The message cut in fragments of at most ``size`` bytes, each behind its own AFL (CI 90).

    The first fragment holds message control and length, the last one counter and MAC.
    """
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    out = []
    for number, piece in enumerate(pieces, start=1):
        first, last = number == 1, number == len(pieces)
        control = number | (0 if last else 0x4000)
        fields = b""
        if first:
            control |= 0x2000 | 0x1000
            fields += bytes((AFL_MESSAGE_CONTROL | 0x40,))
        if last:
            control |= 0x0800 | 0x0400
            fields += counter.to_bytes(4, "little") + mac
        if first:
            fields += len(message).to_bytes(2, "little")
        fields = control.to_bytes(2, "little") + fields
        out.append(bytes((0x90, len(fields))) + fields + piece)
    return out


# --- transport layer (EN 13757-7, clause 7) --------------------------------------------------------------


def tpl_none(records: bytes) -> bytes:
    """CI 78: no transport header."""
    return b"\x78" + records


def tpl_short(access: int, status: int, configuration: bytes, content: bytes) -> bytes:
    """CI 7A: access number, status, configuration field (2 bytes, 3 in mode 7), content."""
    return bytes((0x7A, access, status)) + configuration + content


def tpl_long(
    meter_address: bytes, access: int, status: int, configuration: bytes, content: bytes, *, ci: int = 0x72
) -> bytes:
    """CI 72: the meter's own address (id, M, version, type) before the short header's fields."""
    reordered = meter_address[2:6] + meter_address[:2] + meter_address[6:8]
    return bytes((ci,)) + reordered + bytes((access, status)) + configuration + content


def tpl_compact(signature: int, full_frame_crc: int, values: bytes) -> bytes:
    """CI 79: format signature, CRC of the full frame's records, and the values alone."""
    return b"\x79" + signature.to_bytes(2, "little") + full_frame_crc.to_bytes(2, "little") + values


def tpl_format(signature: int, headers: bytes) -> bytes:
    """CI 69, format frame without header: length, signature and the DIF/VIF bytes it stands for."""
    return b"\x69" + bytes((len(headers) + 3,)) + signature.to_bytes(2, "little") + headers


# --- wired (EN 13757-2, clause 5) ------------------------------------------------------------------------


def wired_short(c_field: int, primary_address: int) -> bytes:
    """``10 C A CS 16``."""
    return bytes((0x10, c_field, primary_address, (c_field + primary_address) & 0xFF, 0x16))


def wired_long(primary_address: int, content: bytes, *, c_field: int = RSP_UD) -> bytes:
    """``68 L L 68 C A content CS 16``; ``content`` begins with the CI field."""
    body = bytes((c_field, primary_address)) + content
    if len(body) > 255:
        raise ValueError(f"the frame has {len(body)} bytes between 68 and check sum, 255 fit")
    return b"\x68" + bytes((len(body),)) * 2 + b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))
