"""Frames made by hand for the decoder's tests: invented ids and keys, none of the decoder's own code."""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
from cryptography.hazmat.primitives.cmac import CMAC

KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
DES_KEY = bytes.fromhex("13579BDF02468ACE")
OTHER_KEY = bytes.fromhex("0F0E0D0C0B0A09080706050403020100")
# manufacturer XYZ (0x633A), identification 12345678, version 01, device type 04 (heat)
MAKER = bytes.fromhex("3A63")
SENDER = MAKER + bytes.fromhex("7856341201") + b"\x04"


def crc(data: bytes) -> int:
    """CRC of EN 13757-4, bit by bit as the standard draws it."""
    register = 0
    for byte in data:
        for bit in range(7, -1, -1):
            feedback = (register >> 15) ^ (byte >> bit & 1)
            register = register << 1 & 0xFFFF
            if feedback:
                register ^= 0x3D65
    return register ^ 0xFFFF


def wireless(content: bytes, *, sender: bytes = SENDER, control: int = 0x44) -> bytes:
    """A normalised frame around ``content``, which begins with its CI field."""
    body = bytes([control]) + sender + content
    return bytes([len(body)]) + body


def wired(content: bytes, *, control: int = 0x08, primary: int = 5) -> bytes:
    """A long frame around ``content``, which begins with its CI field."""
    body = bytes([control, primary]) + content
    return bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])


def full(records: str) -> bytes:
    """A wireless frame without transport header (CI 78) around records in hex."""
    return wireless(b"\x78" + bytes.fromhex(records))


def with_crcs_a(frame: bytes) -> bytes:
    """Format A: a CRC after the first 10 bytes and after every 16 that follow."""
    blocks = [frame[:10]] + [frame[at : at + 16] for at in range(10, len(frame), 16)]
    return b"".join(block + crc(block).to_bytes(2, "big") for block in blocks)


def with_crcs_b(frame: bytes) -> bytes:
    """Format B: L counts the CRCs; one after at most 126 bytes, one at the end of the rest."""
    crcs = 2 if len(frame) + 2 <= 128 else 4
    frame = bytes([len(frame) - 1 + crcs]) + frame[1:]
    parts = [frame] if crcs == 2 else [frame[:126], frame[126:]]
    return b"".join(part + crc(part).to_bytes(2, "big") for part in parts)


def _cbc(key: bytes, initial: bytes, plain: bytes) -> bytes:
    encryptor = Cipher(AES(key), CBC(initial)).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def padded(records: str) -> bytes:
    """2F 2F, records, filler up to whole blocks."""
    plain = b"\x2f\x2f" + bytes.fromhex(records)
    return plain + b"\x2f" * (-len(plain) % 16)


def mode_5(
    records: str, *, key: bytes = KEY, access: int = 0x2A, sender: bytes = SENDER, ci: int = 0x7A
) -> bytes:
    """A short-header frame in security mode 5 (EN 13757-7: AES-128-CBC, initial vector M A and access number)."""
    plain = padded(records)
    head = bytes([ci, access, 0x00, (len(plain) // 16) << 4, 0x05])
    return wireless(head + _cbc(key, sender + bytes([access] * 8), plain), sender=sender)


def des(
    records: str, initial: bytes = bytes(8), *, mode: int = 2, key: bytes = DES_KEY, clear: str = ""
) -> bytes:
    """A transport layer (CI 7A) in mode 2 or 3: the low byte of the configuration counts the encrypted bytes."""
    plain = b"\x2f\x2f" + bytes.fromhex(records)
    plain += b"\x2f" * (-len(plain) % 8)
    encryptor = Cipher(TripleDES(key * 3), CBC(initial)).encryptor()  # the same key thrice: DES
    cipher = encryptor.update(plain) + encryptor.finalize()
    return bytes([0x7A, 0x2A, 0x00, len(plain), mode]) + cipher + bytes.fromhex(clear)


def ell_ctr(
    content: bytes,
    *,
    key: bytes = KEY,
    session: int = 0x01234560,
    control: int = 0x20,
    in_vector: bytes = SENDER,
) -> bytes:
    """A frame whose extended link layer (CI 8D) encrypts ``content`` with its payload CRC in front."""
    sn = (session | 1 << 29).to_bytes(4, "little")
    inner = crc(content).to_bytes(2, "little") + content
    initial = in_vector + bytes([control & ~0x12]) + sn + b"\0\0\0"
    encryptor = Cipher(AES(key), CTR(initial)).encryptor()
    return wireless(bytes([0x8D, control, 0x77]) + sn + encryptor.update(inner))


def _cmac(key: bytes, message: bytes) -> bytes:
    maker = CMAC(AES(key))
    maker.update(message)
    return maker.finalize()


def mode_7_parts(records: str, *, key: bytes = KEY, counter: int = 0x0000A1B2) -> tuple[bytes, bytes, bytes]:
    """(AFL's MCL and MCR, its 8-byte MAC, the message from the CI field on) in security mode 7 (OMS volume 2)."""
    number, mcr = SENDER[2:6], counter.to_bytes(4, "little")
    encryption = _cmac(key, b"\x00" + mcr + number + b"\x07" * 7)
    authentication = _cmac(key, b"\x01" + mcr + number + b"\x07" * 7)
    plain = padded(records)
    head = bytes([0x7A, 0x01, 0x00, (len(plain) // 16) << 4, 0x07, 0x10])
    message = head + _cbc(encryption, bytes(16), plain)
    covered = b"\x25" + mcr
    return covered, _cmac(authentication, covered + message)[:8], message


def mode_7(records: str, *, key: bytes = KEY, counter: int = 0x0000A1B2) -> bytes:
    """A whole message: ELL 8C, AFL with MCL, MCR and MAC, transport layer in mode 7."""
    covered, mac, message = mode_7_parts(records, key=key, counter=counter)
    afl = bytes([0x90, 2 + len(covered) + len(mac)]) + b"\x00\x2c" + covered + mac
    return wireless(b"\x8c\x20\x11" + afl + message)


def fragments(records: str, sizes: tuple[int, ...], *, key: bytes = KEY) -> list[bytes]:
    """The same message cut into ``len(sizes) + 1`` frames; the first has MCL, MCR and ML, the last the MAC."""
    covered, _, message = mode_7_parts(records, key=key)
    mcr = covered[1:]
    length = len(message).to_bytes(2, "little")
    covered = b"\x65" + mcr + length  # MLMP, MCMP, 8 byte CMAC
    authentication = _cmac(key, b"\x01" + mcr + SENDER[2:6] + b"\x07" * 7)
    mac = _cmac(authentication, covered + message)[:8]
    cuts = [0]
    for size in sizes:
        cuts.append(cuts[-1] + size)
    pieces = [message[a:b] for a, b in zip(cuts, [*cuts[1:], len(message)], strict=True)]
    frames = []
    for n, piece in enumerate(pieces, 1):
        last = n == len(pieces)
        control = n | (0 if last else 0x4000) | (0x3800 if n == 1 else 0) | (0x0400 if last else 0)
        fields = (b"\x65" + mcr if n == 1 else b"") + (mac if last else b"") + (length if n == 1 else b"")
        afl = bytes([0x90, 2 + len(fields)]) + control.to_bytes(2, "little") + fields
        frames.append(wireless(b"\x8c\x20" + bytes([n]) + afl + piece))
    return frames
