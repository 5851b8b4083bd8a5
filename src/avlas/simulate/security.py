"""How meters encrypt and sign: link layer AES-CTR, security modes 5 and 7 (EN 13757-4, -7, OMS vol. 2)."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from avlas.simulate import frames

FILLER = 0x2F
_CC_IN_IV = 0xED  # repeaters change the hop and repeated-access bits: they are 0 in the initial vector


def fill(records: bytes) -> bytes:
    """Records between check bytes 2F 2F and idle fillers 2F up to whole AES blocks (modes 5 and 7)."""
    plain = bytes((FILLER, FILLER)) + records
    return plain + bytes((FILLER,)) * (-len(plain) % 16)


def ell_ctr(key: bytes, address: bytes, cc: int, session: bytes, content: bytes) -> bytes:
    """Payload CRC and content of an 8D/8F frame, encrypted (EN 13757-4, clause 13.2.11).

    The initial vector is M, A, CC, SN, frame number 0 and the block counter.
    """
    plain = frames.crc(content).to_bytes(2, "little") + content
    initial = address + bytes((cc & _CC_IN_IV,)) + session + bytes(3)
    return _run(Cipher(algorithms.AES(key), modes.CTR(initial)), plain)


def mode_5(key: bytes, address: bytes, access: int, plain: bytes) -> bytes:
    """AES-128-CBC with M, A and eight times the access number as initial vector (EN 13757-7, 7.7.5)."""
    _whole_blocks(plain)
    return _run(Cipher(algorithms.AES(key), modes.CBC(address + bytes((access,)) * 8)), plain)


def mode_5_configuration(plain: bytes, *, synchronous: bool = True) -> bytes:
    """The configuration field that announces mode 5 over all of ``plain``."""
    return (0x0500 | _blocks(plain) << 4 | (0x2000 if synchronous else 0)).to_bytes(2, "little")


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-128-CMAC (RFC 4493), 16 bytes."""
    signer = CMAC(algorithms.AES(key))
    signer.update(message)
    return signer.finalize()


def mode_7_keys(key: bytes, counter: int, identification: bytes) -> tuple[bytes, bytes]:
    """The two keys of one message from the meter, for encryption and for the MAC (OMS vol. 2, 9.5).

    ``identification`` is the four bytes of the meter's number as sent, low byte first.
    """
    tail = counter.to_bytes(4, "little") + identification + b"\x07" * 7
    return cmac(key, b"\x00" + tail), cmac(key, b"\x01" + tail)


def mode_7(key: bytes, counter: int, identification: bytes, plain: bytes) -> bytes:
    """AES-128-CBC with the message's own key and a zero initial vector (EN 13757-7, 7.7.7)."""
    _whole_blocks(plain)
    encryption_key, _ = mode_7_keys(key, counter, identification)
    return _run(Cipher(algorithms.AES(encryption_key), modes.CBC(bytes(16))), plain)


def mode_7_configuration(plain: bytes) -> bytes:
    """Configuration field and its extension (key derivation, key 0) for mode 7 over all of ``plain``."""
    return (0x0700 | _blocks(plain) << 4).to_bytes(2, "little") + b"\x10"


def mode_7_mac(key: bytes, counter: int, identification: bytes, message: bytes) -> bytes:
    """The eight bytes that sign ``message`` (from the transport layer's CI on) and the counter."""
    _, mac_key = mode_7_keys(key, counter, identification)
    signed = bytes((frames.AFL_MESSAGE_CONTROL,)) + counter.to_bytes(4, "little") + message
    return cmac(mac_key, signed)[:8]


def _run(cipher: Cipher[modes.CTR] | Cipher[modes.CBC], plain: bytes) -> bytes:
    encryptor = cipher.encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def _whole_blocks(plain: bytes) -> None:
    if len(plain) % 16:
        raise ValueError(f"CBC needs whole blocks of 16 bytes, not {len(plain)}; see fill()")


def _blocks(plain: bytes) -> int:
    _whole_blocks(plain)
    blocks = len(plain) // 16
    if blocks > 15:
        raise ValueError(f"{blocks} encrypted blocks do not fit the configuration field (15 at most)")
    return blocks
