"""Reading a frame's data from front to back, every byte range noted with what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avlas.decode.errors import RecordError
from avlas.decode.kmp.fields import ASCII, DATE_AND_TIME, Field, exponent_words, field, unit_words
from avlas.decode.kmp.table import register_name
from avlas.decode.types import Span

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_NUMBER = frozenset({ASCII, DATE_AND_TIME})  # units whose bytes mean nothing together


class Walk:
    """Takes fields off ``data`` from ``at`` to ``end`` (offsets in the plain frame).

    Every field is noted in ``spans``. Raises RecordError where the data end too early.
    """

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end
        self.spans: list[Span] = []

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self.end - self.at

    def take(self, length: int, name: str, meaning: str | Callable[[bytes], str] = "") -> bytes:
        """The next ``length`` bytes."""
        if length > self.left:
            raise RecordError(f"the data field at byte {self.at} needs {length} bytes, {self.left} are left")
        taken = self.data[self.at : self.at + length]
        if length:
            words = meaning if isinstance(meaning, str) else meaning(taken)
            self.spans.append(Span("apl", self.at, self.at + length, name, words))
        self.at += length
        return taken

    def number(self, length: int, name: str, meaning: Callable[[int], str] = str) -> int:
        """The next ``length`` bytes as a number, high byte first."""
        return int.from_bytes(
            self.take(length, name, lambda taken: meaning(int.from_bytes(taken, "big"))), "big"
        )

    def registers(self, count: int) -> tuple[int, ...]:
        """``count`` register numbers."""
        return tuple(self.number(2, "register", _register) for _ in range(count))

    def field(self) -> Field:
        """A register with its head: number, unit, length, sign and exponent, integer."""
        start = self.at
        register = self.number(2, "register", _register)
        unit = self.number(1, "unit", unit_words)
        length = self.number(1, "length")
        sign_exponent = self.number(1, "sign, exponent", exponent_words)
        data = self.take(length, "integer", "" if unit in _NO_NUMBER else _integer)
        return field(register, unit, sign_exponent, data, (start, self.at))

    def again(self, head: Field) -> Field:
        """A further row's value of a register whose head stood in the first row."""
        start = self.at
        data = self.take(len(head.data), "integer")
        return field(head.register, head.unit_code, head.sign_exponent, data, (start, self.at))

    def done(self) -> None:
        """Raises RecordError when bytes are left over."""
        if self.left:
            raise RecordError(f"{self.left} bytes are left over after the last field, from byte {self.at} on")


def _register(number: int) -> str:
    return f"{number} {register_name(number)}"


def _integer(data: bytes) -> str:
    return str(int.from_bytes(data, "big"))
