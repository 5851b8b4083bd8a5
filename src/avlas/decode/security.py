"""Decryption and its checks (EN 13757-7 clause 9, EN 13757-4 clause 13.2, OMS volume 2 clause 9).

Content is always decrypted first and judged afterwards: cipher text that begins with 2F 2F by chance
is no proof of anything.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
from cryptography.hazmat.primitives.cmac import CMAC

from avlas.decode.errors import WrongKey

KEY_LENGTH = 16
BLOCK = 16
CHECK = b"\x2f\x2f"
MODE_NAMES = {
    0: "none",
    2: "mode 2 (not secure)",
    3: "mode 3 (not secure)",
    5: "mode 5",
    7: "mode 7",
    8: "mode 8 (AES-CTR)",
    9: "mode 9 (AES-GCM)",
    10: "mode 10 (AES-CCM)",
    13: "mode 13 (TLS)",
}
ENCRYPTION, AUTHENTICATION = 0x00, 0x01  # what a key is derived for
KDF_PADDING = b"\x07" * 7
_FROM_ZEROS = CBC(bytes(BLOCK))


def check_length(key: bytes) -> None:
    """Raises WrongKey unless the key is an AES-128 key."""
    if len(key) != KEY_LENGTH:
        raise WrongKey(f"the key has {len(key)} bytes; AES-128 needs {KEY_LENGTH} (32 hexadecimal digits)")


def _decrypted(key: bytes, mode: CBC, content: bytes) -> bytes:
    decryptor = Cipher(AES(key), mode).decryptor()
    return decryptor.update(content) + decryptor.finalize()


def mode_5(key: bytes, sender: bytes, access_number: int, content: bytes) -> bytes:
    """AES-128-CBC; ``sender`` is the meter's eight address bytes in link order."""
    return _decrypted(key, CBC(sender + bytes([access_number]) * 8), content)


def mode_7(key: bytes, content: bytes) -> bytes:
    """AES-128-CBC with a derived key and an initial vector of zeros."""
    return _decrypted(key, _FROM_ZEROS, content)


def ell_ctr(key: bytes, sender: bytes, control: int, session: bytes, content: bytes) -> bytes:
    """AES-128-CTR of the extended link layer; frame number 0, block counter from 0."""
    counter = sender + bytes([control]) + session + b"\0\0\0"
    decryptor = Cipher(AES(key), CTR(counter)).decryptor()
    return decryptor.update(content) + decryptor.finalize()


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-128-CMAC (RFC 4493)."""
    maker = CMAC(AES(key))
    maker.update(message)
    return maker.finalize()


def _derived(key: bytes, purpose: int, counter: int, identification: bytes) -> bytes:
    return cmac(key, bytes([purpose]) + counter.to_bytes(4, "little") + identification + KDF_PADDING)


def encryption_key(key: bytes, counter: int, identification: bytes) -> bytes:
    """Kenc of key derivation function A for messages from the meter (OMS volume 2, clause 9.5)."""
    return _derived(key, ENCRYPTION, counter, identification)


def authentication_key(key: bytes, counter: int, identification: bytes) -> bytes:
    """Kmac of key derivation function A for messages from the meter."""
    return _derived(key, AUTHENTICATION, counter, identification)


def mac_fits(key: bytes, message: bytes, mac: bytes) -> bool:
    """Whether ``mac`` is the beginning of the CMAC of ``message``."""
    return hmac.compare_digest(cmac(key, message)[: len(mac)], mac)
