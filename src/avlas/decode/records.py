"""The walk from data record to data record (EN 13757-3 clause 6).

A record is DIF, DIFEs, VIF, VIFEs, data. Its length follows from the DIF alone, so a value that cannot be
read costs only itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from avlas.decode import vif
from avlas.decode.errors import RecordError
from avlas.decode.link import address, manufacturer_letters
from avlas.decode.types import Record, Value
from avlas.decode.values import bcd, integer, lvar_length, real32, scaled, scaled_real, text, time_point

Explain = Callable[[int, int, str, str], None]

_FUNCTIONS = ("instantaneous", "maximum", "minimum", "error")
_LENGTHS = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, -1, 6, 0)
_CODINGS = (
    "no data", "8 bit integer", "16 bit integer", "24 bit integer", "32 bit integer", "32 bit real",
    "48 bit integer", "64 bit integer", "selection for readout", "2 digit BCD", "4 digit BCD", "6 digit BCD",
    "8 digit BCD", "variable length", "12 digit BCD", "special",
)  # fmt: skip
_REAL, _VARIABLE = 0x5, 0xD
_RAW_KEYS = frozenset({"FD16", "FD19", "FD3B", "FD76"})  # password, key, data containers: bytes, not text
_MAX_EXTENSIONS = 10
MANUFACTURER_DATA, MORE_FOLLOWS, FILLER, GLOBAL_READOUT = 0x0F, 0x1F, 0x2F, 0x7F


@dataclass(frozen=True, slots=True)
class Dib:
    """One data information block (clause 6.3): how the data is coded and which register it belongs to."""

    coding: int  # data field of the DIF, 0-15
    function: str
    storage: int
    tariff: int
    subunit: int
    words: str


@lru_cache(maxsize=4096)
def describe_dib(raw: bytes) -> Dib:
    """Read DIF and DIFEs (``raw`` must end with the one whose extension bit is clear)."""
    storage, tariff, subunit = raw[0] >> 6 & 1, 0, 0
    for n, dife in enumerate(raw[1:]):
        storage |= (dife & 0x0F) << (1 + 4 * n)
        tariff |= (dife >> 4 & 0x3) << (2 * n)
        subunit |= (dife >> 6 & 0x1) << n
    coding, function = raw[0] & 0x0F, _FUNCTIONS[raw[0] >> 4 & 0x3]
    words = f"{_CODINGS[coding]}, {function} value, storage {storage}"
    if tariff:
        words += f", tariff {tariff}"
    if subunit:
        words += f", subunit {subunit}"
    return Dib(coding, function, storage, tariff, subunit, words)


def block_end(data: bytes, at: int, end: int, what: str) -> int:
    """Where a block of extended bytes (DIF or VIF with its extensions) ends.

    Raises RecordError when the data ends first or more than ten extensions follow.
    """
    first = at
    while at < end:
        at += 1
        if not data[at - 1] & vif.EXTENSION:
            return at
        if at - first > _MAX_EXTENSIONS:
            raise RecordError(f"more than {_MAX_EXTENSIONS} extensions of the {what} at byte {first}")
    raise RecordError(f"the data ends inside the {what} that begins at byte {first}")


def dib_end(data: bytes, at: int, end: int) -> int:
    """Where the data information block at ``at`` ends."""
    return block_end(data, at, end, "DIF")


@dataclass(frozen=True, slots=True)
class Vib:
    """Where the parts of one value information block lie: codes[text]codes."""

    codes: bytes  # VIF and VIFEs, without the text
    end: int
    text: bytes | None = None
    text_at: int = 0


def vib_options(data: bytes, at: int, end: int) -> list[Vib]:
    """The ways to read the value information block at ``at``; more than one only for plain text with VIFEs.

    The standard puts the text after the VIFEs; many meters put it straight after the VIF.
    """
    if at >= end:
        raise RecordError(f"the data ends before the VIF at byte {at}")
    first = data[at]
    if first & 0x7F != 0x7C:
        stop = block_end(data, at, end, "VIF")
        return [Vib(data[at:stop], stop)]
    if first == 0x7C:
        text_end = _text_end(data, at + 1, end)
        return [Vib(b"\x7c", text_end, data[at + 2 : text_end], at + 1)]
    options = []
    try:
        text_end = _text_end(data, at + 1, end)
        stop = block_end(data, text_end, end, "VIF")
        codes = data[at : at + 1] + data[text_end:stop]
        options.append(Vib(codes, stop, data[at + 2 : text_end], at + 1))
    except RecordError:
        pass
    try:
        stop = block_end(data, at, end, "VIF")
        text_end = _text_end(data, stop, end)
        options.append(Vib(data[at:stop], text_end, data[stop + 1 : text_end], stop))
    except RecordError:
        if not options:
            raise
    return options


def _text_end(data: bytes, at: int, end: int) -> int:
    if at >= end or at + 1 + data[at] > end:
        raise RecordError(f"the data ends inside the text of the VIF at byte {at}")
    return at + 1 + data[at]


def data_end(coding: int, data: bytes, at: int, end: int) -> int:
    """Where the data field at ``at`` ends. Raises RecordError when the frame ends first."""
    length = _LENGTHS[coding]
    if length < 0:
        if at >= end:
            raise RecordError(f"the data ends before the LVAR byte {at}")
        length = 1 + lvar_length(data[at])
    if at + length > end:
        raise RecordError(f"the data field at byte {at} needs {length} bytes, {end - at} are left")
    return at + length


def read_value(coding: int, data: bytes, meaning: vif.Meaning) -> tuple[Value, str, bool]:
    """A data field in words: (value, why it is None or suspect, summer time)."""
    if not data:  # no data, selection for readout, or only a layout's description
        return None, "", False
    if meaning.error:
        return None, f"record error: {meaning.error}", False
    if coding == _VARIABLE:
        return (*_variable(data, meaning), False)
    if coding == _REAL:
        real, why = real32(data)
        if real is None:
            return None, why, False
        return scaled_real(real, meaning.exponent, meaning.offset), "", False
    if meaning.kind != vif.NUMBER:
        special = _special(coding, data, meaning)
        if special is not None:
            return special
    number, why = _number(coding, data, unsigned=meaning.unsigned)
    return (None if number is None else _in_units(number, meaning)), why, False


def _number(coding: int, data: bytes, *, unsigned: bool) -> tuple[int | None, str]:
    if coding >= 0x9:
        return bcd(data)
    number = integer(data, unsigned=unsigned)
    return number, "" if number is not None else "invalid"


def _in_units(number: int, meaning: vif.Meaning) -> Value:
    if meaning.key == "FD71":  # table 12: power level of the receiver, -130 dBm and 2 dBm a step
        return number * 2 - 130
    value = scaled(number, meaning.exponent)
    return value if meaning.offset is None else value + meaning.offset


def _special(coding: int, data: bytes, meaning: vif.Meaning) -> tuple[Value, str, bool] | None:
    """Dates, identifications and letters; None when the field holds a plain number after all."""
    binary = coding < 0x9
    if meaning.kind == vif.TIME:
        return time_point(data) if binary else (None, "a date in decimal digits is not defined", False)
    if meaning.kind == vif.LETTERS and binary and len(data) == 2:
        return manufacturer_letters(int.from_bytes(data, "little")), "", False
    if meaning.kind == vif.ADDRESS and binary and len(data) == 8:
        who = address(data[4:6] + data[:4] + data[6:])
        words = f"{who.manufacturer} {who.identification} {who.version:02X} {who.device_type:02X}"
        return words, "", False
    digits = data[::-1].hex()
    if not binary and digits.isdecimal():
        return digits, "", False
    return None


def _variable(data: bytes, meaning: vif.Meaning) -> tuple[Value, str]:
    """Clause 6.3.3, variable length: text, BCD or binary, as the LVAR byte says."""
    lvar, body = data[0], data[1:]
    if meaning.profile:
        return None, ""
    if lvar <= 0xBF:
        own = 0x7F in meaning.vife or meaning.key.startswith("FF") or meaning.key in _RAW_KEYS
        if own and not all(0x20 <= byte < 0x7F for byte in body):  # the maker's own bytes, no text
            return body, ""
        return text(body), ""
    if lvar <= 0xD9:
        number, why = bcd(body) if body else (0, "")
        if number is None:
            return None, why
        return _in_units(number if lvar <= 0xC9 else -number, meaning), ""
    if len(body) > 8:
        return body[::-1], ""  # high byte first, as numbers are written
    if meaning.kind == vif.TIME:
        value, why, _ = time_point(body)
        return value, why
    signed = integer(body, unsigned=meaning.unsigned)
    return (None, "invalid") if signed is None else (_in_units(signed, meaning), "")


def read(dib: bytes, vib: Vib, vib_raw: bytes, content: bytes, where: tuple[int, int]) -> Record:
    """One record from its parts; ``where`` is the range of all its bytes."""
    what, meaning = describe_dib(dib), vif.describe(vib.codes, vib.text)
    value, why, summer = read_value(what.coding, content, meaning)
    return Record(
        quantity=meaning.quantity,
        unit=meaning.unit,
        value=value,
        function=what.function,
        storage=what.storage,
        tariff=what.tariff,
        subunit=what.subunit,
        range=where,
        dib=dib,
        vib=vib_raw,
        data=content,
        vif_key=meaning.key,
        modifiers=meaning.modifiers,
        error=why,
        summer_time=summer,
        vife=meaning.vife,
    )


class Walk:
    """One pass over application data: ``records``, ``more_follows`` and, where it broke off, ``broken``."""

    def __init__(
        self, data: bytes, start: int, end: int, explain: Explain, *, high_byte_first: bool = False
    ) -> None:
        self.data, self.end, self.explain = data, end, explain
        self.high_byte_first = high_byte_first
        self.records: list[Record] = []
        self.more_follows = False
        self.broken = ""
        self._clean: list[bool] | None = None
        self._run(start)

    def _run(self, at: int) -> None:
        while at < self.end:
            try:
                at = self._step(at)
            except RecordError as error:
                self.broken = error.message
                self.explain(at, self.end, "unreadable", error.message)
                tail = self.data[at : self.end]
                self.records.append(
                    Record("unreadable", "", None, range=(at, self.end), data=tail, error=error.message)
                )
                return

    def _step(self, at: int) -> int:
        data, end, explain = self.data, self.end, self.explain
        dif = data[at]
        if dif & 0x8F == 0x0F:
            return self._special(at, dif)
        after_dib = dib_end(data, at, end)
        coding = dif & 0x0F
        if coding == 0xF:
            raise RecordError(f"DIF {dif:02X} at byte {at}: a special function cannot be extended")
        options = vib_options(data, after_dib, end)
        vib = options[0] if len(options) == 1 else self._choose(options, coding)
        stop = data_end(coding, data, vib.end, end)
        dib = data[at:after_dib]
        content = data[vib.end : stop]
        if self.high_byte_first:
            content = content[::-1]
        record = read(dib, vib, data[after_dib : vib.end], content, (at, stop))
        self.records.append(record)
        explain(at, after_dib, "DIF" if after_dib == at + 1 else "DIF, DIFE", describe_dib(dib).words)
        explain(
            after_dib,
            vib.end,
            "VIF" if vib.end == after_dib + 1 else "VIF, VIFE",
            vif.describe(vib.codes, vib.text).words,
        )
        if stop > vib.end:
            explain(vib.end, stop, "data", in_words(record))
        return stop

    def _special(self, at: int, dif: int) -> int:
        """Clause 6.3.4, special functions: 0F, 1F, 2F and 7F; 3F to 6F are reserved."""
        if dif == FILLER:
            stop = at
            while stop < self.end and self.data[stop] == FILLER:
                stop += 1
            self.explain(at, stop, "filler", f"{stop - at} idle bytes 2F")
            return stop
        if dif == GLOBAL_READOUT:
            self.explain(at, at + 1, "DIF", "global readout request")
            return at + 1
        if dif not in (MANUFACTURER_DATA, MORE_FOLLOWS):
            raise RecordError(f"DIF {dif:02X} at byte {at} is reserved")
        self.more_follows = dif == MORE_FOLLOWS
        more = ", another telegram follows" if self.more_follows else ""
        tail = self.data[at + 1 : self.end]
        if tail or not self.more_follows:
            self.records.append(
                Record(
                    "manufacturer_specific",
                    "",
                    tail,
                    range=(at, self.end),
                    dib=bytes([dif]),
                    data=tail,
                    vif_key=f"{dif:02X}",
                )
            )
        self.explain(at, at + 1, "DIF", f"manufacturer's own data{more}")
        if tail:
            self.explain(at + 1, self.end, "manufacturer data", f"{len(tail)} bytes")
        return self.end

    def _choose(self, options: list[Vib], coding: int) -> Vib:
        """The way of reading a plain-text VIF after which the rest of the telegram can be walked."""
        if self._clean is None:
            self._clean = _clean_from(self.data, self.end)
        for option in options:
            try:
                if self._clean[data_end(coding, self.data, option.end, self.end)]:
                    return option
            except RecordError:
                continue
        return options[0]


def _clean_from(data: bytes, end: int) -> list[bool]:
    """For every offset: can a walk that begins there reach the end? Filled from the end backwards."""
    clean = [False] * end + [True]
    for at in range(end - 1, -1, -1):
        dif = data[at]
        if dif & 0x8F == 0x0F:
            clean[at] = clean[at + 1] if dif in (FILLER, GLOBAL_READOUT) else dif in (0x0F, 0x1F)
            continue
        try:
            options = vib_options(data, dib_end(data, at, end), end)
        except RecordError:
            continue
        for option in options:
            try:
                clean[at] = clean[at] or clean[data_end(dif & 0x0F, data, option.end, end)]
            except RecordError:
                continue
    return clean


def in_words(record: Record) -> str:
    """A record's value for people: "123.4 kWh", or why there is none."""
    if record.value is None:
        return record.error or "compact profile" if record.data else "no data"
    shown = record.value.hex().upper() if isinstance(record.value, bytes) else str(record.value)
    if not isinstance(record.value, bytes | str) and hasattr(record.value, "as_tuple"):
        shown = format(record.value, "f")
    return f"{shown} {record.unit}".rstrip() + (f" ({record.error})" if record.error else "")
