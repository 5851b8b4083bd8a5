"""The keys of many meters and their cipher contexts, found by address for a whole batch at once.

An AES context costs 5-10 us to make and some 0.9 KB to keep, so each is made when it is first needed and kept
(fact sheet: fast decoding, sections 3 and 6). Contexts hold key material: never pickle or print them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from avlas.decode.security import KEY_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    Update = Callable[[bytes, memoryview], int]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: spreads consecutive numbers over the table
_FOLD = np.uint64(29)
_FIRST_BITS = 8
_SPARSE = 4  # places in the table for each address


class Keyring:
    """Keys by meter address (uint64: the eight raw address bytes, low byte first; 0 is no address)."""

    def __init__(self) -> None:
        self._bits = _FIRST_BITS
        self._address = np.zeros(1 << self._bits, np.uint64)
        self._handle = np.full(1 << self._bits, -1, np.int32)
        self._known: list[int] = []  # handle -> address
        self._keys: list[bytes | None] = []  # handle -> key
        self._has_key = np.zeros(
            64, bool
        )  # one of 16 bytes; what else is stored is the single decoder's to refuse
        self._encrypt = np.empty(64, object)  # handle -> the context's update_into
        self._decrypt = np.empty(64, object)

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"<Keyring of {len(self)} meters>"

    def set(self, address: int, key: bytes | None) -> int:
        """Keep the key of a meter, None for none; a key that was there is replaced. Gives the handle."""
        if not address:
            raise ValueError("0 is no meter's address")
        place = self._place(address)
        handle = int(self._handle[place])
        if handle < 0:
            handle = len(self._known)
            self._known.append(address)
            self._keys.append(None)
            if handle >= len(self._has_key):
                self._lengthen()
            self._address[place], self._handle[place] = address, handle
            if len(self._known) * _SPARSE > len(self._address):
                self._widen()
        if self._keys[handle] != key:
            self._keys[handle] = key
            self._has_key[handle] = key is not None and len(key) == KEY_LENGTH
            self._encrypt[handle] = self._decrypt[handle] = None
        return handle

    def find(self, addresses: np.ndarray) -> np.ndarray:
        """The handle (int32) of each address (uint64), -1 where it was never set."""
        last = len(self._address) - 1
        at = _hash(addresses, self._bits)
        seen = self._address.take(at)
        handles = np.where(seen == addresses, self._handle.take(at), -1)
        left = np.flatnonzero((seen != addresses) & (seen != 0))
        while left.size:  # the place is another's: look at the next one
            at[left] = (at[left] + 1) & last
            seen = self._address.take(at[left])
            hit = seen == addresses[left]
            handles[left[hit]] = self._handle.take(at[left[hit]])
            left = left[~hit & (seen != 0)]
        handles[addresses == 0] = -1
        return handles

    def key(self, handle: int) -> bytes | None:
        """The key behind a handle; None where there is none, and for handle -1."""
        return self._keys[handle] if handle >= 0 else None

    def has_key(self, handles: np.ndarray) -> np.ndarray:
        """For each handle whether there is an AES-128 key (bool)."""
        return self._has_key.take(handles, mode="clip") & (handles >= 0)

    def encryptors(self, handles: np.ndarray) -> list[Update]:
        """AES-ECB encryption of each handle's key (all have one): functions ``(blocks, into) -> length``."""
        return self._contexts(self._encrypt, handles, lambda key: _context(key).encryptor())

    def decryptors(self, handles: np.ndarray) -> list[Update]:
        """AES-ECB decryption, like ``encryptors``."""
        return self._contexts(self._decrypt, handles, lambda key: _context(key).decryptor())

    def _contexts(self, kept: np.ndarray, handles: np.ndarray, make: Callable[[bytes], Any]) -> list[Update]:
        found: list[Update] = kept.take(handles).tolist()
        for place, one in enumerate(found):
            if one is None:
                handle = int(handles[place])
                if kept[handle] is None:
                    kept[handle] = make(self._keys[handle] or b"").update_into
                found[place] = kept[handle]
        return found

    def _place(self, address: int) -> int:
        """Where an address stands in the table, or would stand."""
        at = ((address ^ (address >> 29)) * int(_FACTOR) & 0xFFFF_FFFF_FFFF_FFFF) >> (64 - self._bits)
        while self._address[at] not in (0, address):
            at = (at + 1) % len(self._address)
        return at

    def _lengthen(self) -> None:
        size = len(self._has_key)
        self._has_key = np.concatenate([self._has_key, np.zeros(size, bool)])
        self._encrypt = np.concatenate([self._encrypt, np.empty(size, object)])
        self._decrypt = np.concatenate([self._decrypt, np.empty(size, object)])

    def _widen(self) -> None:
        """Make the table twice as large; everybody takes a free place at or after their own."""
        self._bits += 1
        size = 1 << self._bits
        self._address, self._handle = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
        addresses = np.array(self._known, np.uint64)
        at, left = _hash(addresses, self._bits), np.arange(len(addresses))
        while left.size:
            free = left[self._address[at[left]] == 0]
            self._address[at[free]] = addresses[free]  # where several want one place, the last gets it
            lucky = self._address[at[left]] == addresses[left]
            self._handle[at[left[lucky]]] = left[lucky]
            left = left[~lucky]
            at[left] = (at[left] + 1) & (size - 1)


def _context(key: bytes) -> Cipher[ECB]:
    """Block by block; modes CTR and CBC are made of it for many telegrams at once."""
    return Cipher(AES(key), ECB())  # noqa: S305 - the modes' own parts are done in columns


def _hash(addresses: np.ndarray, bits: int) -> np.ndarray:
    spread = (addresses ^ (addresses >> _FOLD)) * _FACTOR
    places: np.ndarray = (spread >> np.uint64(64 - bits)).astype(np.int64)
    return places
