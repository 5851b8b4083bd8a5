"""Frames for the tests of manufacturers' payloads: written here on purpose, so that no code under test makes them."""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC


def frame(manufacturer, address, content):
    """A wireless frame without link CRCs; ``address``: the six bytes behind the M-field, as sent."""
    letters = 0
    for letter in manufacturer:
        letters = letters << 5 | (ord(letter) - 64)
    body = b"\x44" + letters.to_bytes(2, "little") + address + content
    return bytes([len(body)]) + body


def standard_address(identification, version, device_type):
    return bytes.fromhex(identification)[::-1] + bytes([version, device_type])


def cbc(key, initial, plain):
    encryptor = Cipher(AES(key), CBC(initial)).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def hide(telegram, key):
    """Hide everything from byte 15 on with a bit-by-bit shift register of 32 stages, as Diehl's meters do."""
    seed = int.from_bytes(key[:4], "big") ^ int.from_bytes(key[4:8], "big")
    for start in (2, 6, 10):
        seed ^= int.from_bytes(telegram[start : start + 4], "big")
    stages = [seed >> n & 1 for n in range(32)]
    hidden = bytearray(telegram[:15])
    for byte in telegram[15:]:
        for _ in range(8):
            stages = [stages[1] ^ stages[2] ^ stages[11] ^ stages[31], *stages[:-1]]
        hidden.append(byte ^ sum(stages[n] << n for n in range(8)))
    return bytes(hidden)
