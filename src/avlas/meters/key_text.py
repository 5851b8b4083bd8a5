"""Keys and meter numbers as people and files write them: hex digits, labels, lists in CSV. Pure.

KeyFileError           a key, a meter number or a whole file that can't be used
├── (here)             text that is no key, no meter number, or no list of keys
└── kem.KemError       see there
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_BYTES = 64 * 1024 * 1024
"""The largest key file that is read, packed or unpacked."""


def N_(text: str) -> str:  # noqa: N802 - the customary mark for texts that are translated when shown
    """``text`` itself; marks it for translation."""
    return text


class KeyFileError(ValueError):
    """What is wrong and what to do. ``text`` is the translatable sentence, ``values`` what goes into it."""

    def __init__(self, text: str, **values: Any) -> None:
        super().__init__(text % values if values else text)
        self.text = text
        self.values = values


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One meter's key, with what else its list says about the meter (empty: the list does not say)."""

    manufacturer: str  # three letters, or empty: the list does not say
    identification: str  # as in the radio address: eight digits (A-F may occur)
    key: bytes = field(repr=False)  # 16 bytes
    meter_type: str = ""  # short name, "MC403"
    medium: str = ""  # consumption type in the maker's words, "Heat"
    type_number: str = ""
    config: str = ""  # configuration number
    vendor: str = ""  # the vendor id as written
    customer_number: str = ""  # the number the buyer wanted on the meter
    serial: str = ""  # the serial number as written


@dataclass(frozen=True, slots=True)
class Problem:
    """One line or meter of a file that could not be taken. ``where`` is as ``line 7`` or ``meter 3``."""

    kind: str  # "line" or "meter"
    number: int  # counted from 1
    error: KeyFileError


@dataclass(frozen=True, slots=True)
class KeyList:
    """What a key file holds: the good entries in the file's order, and what was wrong with the others."""

    entries: tuple[KeyEntry, ...]
    problems: tuple[Problem, ...]


_Columns = tuple[int, int, int | None]  # of number, key and maker

_LONG_NUMBER = re.compile(r"[0-9A-F]([A-Z]{3})\d{2}(\d{8})")  # DIN 43863-5: medium, maker, block, number
_WITH_MAKER = re.compile(r"([A-Z]{3})[ -]?(\d{8})")
_NUMBER = re.compile(r"[0-9A-F]{1,8}")


def parse_key(text: str) -> bytes:
    """The 16 bytes of an AES-128 key written as 32 hex digits.

    Blanks, colons, dashes and a leading 0x are overlooked. Raises KeyFileError.
    """
    digits = re.sub(r"[\s:\-]", "", text)
    digits = digits[2:] if digits[:2] in {"0x", "0X"} else digits
    if not re.fullmatch("[0-9A-Fa-f]*", digits) or not digits.isascii():
        raise KeyFileError(
            N_("This is not a key: a key is written with the digits 0-9 and the letters A-F only.")
        )
    if len(digits) != 32:
        raise KeyFileError(N_("A key has 32 hexadecimal digits; this one has %(count)d."), count=len(digits))
    return bytes.fromhex(digits)


def parse_meter_number(text: str) -> tuple[str, str]:
    """Manufacturer (empty when not said) and identification of a meter number as labels write it.

    Taken are up to eight digits (``1234567`` is 01234567), the label ``12345678/W1/23``, the maker before
    the number (``KAM12345678``) and the fourteen characters of DIN 43863-5 (``6KAM0012345678``).
    Raises KeyFileError.
    """
    number = text.strip().upper().partition("/")[0].strip()
    if form := _LONG_NUMBER.fullmatch(number) or _WITH_MAKER.fullmatch(number):
        return form[1], form[2]
    number = number.replace(" ", "")
    if not _NUMBER.fullmatch(number):
        raise KeyFileError(
            N_("“%(number)s” is not a meter number: write the up to eight digits of the serial number."),
            number=text.strip()[:40],
        )
    return "", number.zfill(8)


def parse_manufacturer(text: str) -> str:
    """Three capital letters of the maker, or empty for empty. Raises KeyFileError."""
    letters = text.strip().upper()
    if letters and not re.fullmatch("[A-Z]{3}", letters):
        raise KeyFileError(
            N_("“%(maker)s” is not a manufacturer: write the three letters, like KAM."), maker=letters[:40]
        )
    return letters


_NUMBER_WORDS = {
    *("serial", "serialno", "serialnr", "serialnumber", "meter", "meterno", "meternumber", "meterid", "id"),
    *("identification", "number", "serienummer", "serienr", "mätare", "mätarnummer", "mätarnr", "nummer"),
}
_KEY_WORDS = {
    *("key", "aes", "aeskey", "aes128", "dek", "encryptionkey", "decryptionkey"),
    *("nyckel", "krypteringsnyckel", "aesnyckel"),
}
_MAKER_WORDS = {"manufacturer", "maker", "vendor", "vendorid", "tillverkare", "fabrikat"}


def parse_csv(data: bytes) -> KeyList:
    """Reads a list with a meter number and a key on each line.

    The delimiter (semicolon, comma, tab, bar or blanks) is guessed. With a header line its words say which
    column is which; without one the columns are known by what stands in them. A column with the maker's
    three letters may stand anywhere. Bad lines become problems with their line numbers; raises KeyFileError
    only when nothing in the file looks like a list of keys.
    """
    if len(data) > LIMIT_BYTES:
        raise KeyFileError(N_("The file is larger than %(limit)d MB."), limit=LIMIT_BYTES >> 20)
    lines = [
        (number, line)
        for number, line in enumerate(_text(data).splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise KeyFileError(N_("The file is empty."))
    delimiter = _delimiter([line for _, line in lines[:200]])
    rows = [(number, _fields(line, delimiter)) for number, line in lines]
    columns, first = _columns([fields for _, fields in rows])
    return _entries(rows[first:], columns)


def add_entry(entries: dict[tuple[str, str], KeyEntry], entry: KeyEntry) -> None:
    """Puts ``entry`` among a file's entries. Raises KeyFileError when the meter has another key there."""
    earlier = entries.setdefault((entry.manufacturer, entry.identification), entry)
    if earlier.key != entry.key:
        raise KeyFileError(
            N_("The meter %(meter)s stands in the file with two keys; the first was taken."),
            meter=entry.identification,
        )


def _entries(rows: Sequence[tuple[int, list[str]]], columns: _Columns) -> KeyList:
    entries: dict[tuple[str, str], KeyEntry] = {}
    problems = []
    for line, fields in rows:
        try:
            add_entry(entries, _entry(fields, columns))
        except KeyFileError as error:
            problems.append(Problem("line", line, error))
    return KeyList(tuple(entries.values()), tuple(problems))


def _entry(fields: list[str], columns: _Columns) -> KeyEntry:
    number_column, key_column, maker_column = columns
    if len(fields) <= max(number_column, key_column):
        raise KeyFileError(
            N_("The line has %(count)d columns; a meter number and a key are needed."), count=len(fields)
        )
    maker, identification = parse_meter_number(fields[number_column])
    if maker_column is not None and maker_column < len(fields):
        maker = parse_manufacturer(fields[maker_column]) or maker
    return KeyEntry(maker, identification, parse_key(fields[key_column]), serial=fields[number_column])


def _text(data: bytes) -> str:
    """The file's text: UTF-8, UTF-16 with its mark, or what Windows writes in western Europe."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _delimiter(lines: list[str]) -> str:
    """The character that most lines are split by, the likeliest first; a blank when there is none."""
    seen = Counter({mark: sum(mark in line for line in lines) for mark in ";\t|,"})
    mark, count = seen.most_common(1)[0]
    return mark if count * 2 > len(lines) else " "


def _fields(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    try:
        fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:  # a field beyond the module's limit: no key list, but the other lines may be fine
        fields = line.split(delimiter)
    return [field.strip().removeprefix("=").strip('"').strip() for field in fields]


def _columns(rows: list[list[str]]) -> tuple[_Columns, int]:
    """Columns of number, key and maker (or None), and how many header rows there are (0 or 1)."""
    words = [re.sub(r"[\s_.\-]", "", name).lower() for name in rows[0]]
    number = next((i for i, word in enumerate(words) if word in _NUMBER_WORDS), None)
    key = next((i for i, word in enumerate(words) if word in _KEY_WORDS), None)
    maker = next((i for i, word in enumerate(words) if word in _MAKER_WORDS), None)
    if number is not None and key is not None:
        return (number, key, maker), 1
    keys = _fitting(rows, parse_key)
    if not keys:
        raise KeyFileError(
            N_(
                "No column with keys was found. Each line needs a meter number and its key of 32 hexadecimal "
                "digits, with a semicolon, comma or tab between them."
            )
        )
    key = max(keys, key=lambda column: (keys[column], -column))
    numbers = _fitting(rows, parse_meter_number)
    numbers.pop(key, None)
    if not numbers:
        raise KeyFileError(N_("No column with meter numbers was found; each line needs one beside its key."))
    number = max(numbers, key=lambda column: (numbers[column], -column))
    makers = Counter(i for row in rows for i, text in enumerate(row) if re.fullmatch("[A-Za-z]{3}", text))
    makers.pop(number, None)
    maker = next((column for column, count in makers.items() if count >= keys[key]), None)
    header = not any(_fits(parse_key, text) for text in rows[0]) and not any(
        c.isdigit() for c in "".join(rows[0])
    )
    return (number, key, maker), int(header)


def _fitting(rows: list[list[str]], parse: Any) -> Counter[int]:
    """How many rows have something that ``parse`` takes, column by column."""
    return Counter(column for row in rows for column, text in enumerate(row) if _fits(parse, text))


def _fits(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except KeyFileError:
        return False
    return True
