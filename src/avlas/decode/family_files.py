"""Meter families as data: what the files in ``families/*.toml`` say, read once and checked.

A family file tells who a meter is (manufacturer, version, device type -> model), which of its records
is which register, what its info-code bits mean in Swedish and English, how it stamps target dates, how
many digits its registers have, and by which roads it can be read. It holds no code and no formula.

A file without a ``[[meter]]`` table is a common part that others build on with ``extends``: lists are
joined (the own entries first), single values are replaced. ``problems`` says in plain words what is
wrong with a file; the program's own files are checked by the tests, a user's when it is loaded.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from avlas.decode.registers import BY_CODE

if TYPE_CHECKING:
    from collections.abc import Mapping

QUANTITIES = frozenset(
    {
        "energy",
        "volume",
        "power",
        "volume_flow",
        "flow_temperature",
        "return_temperature",
        "temperature_difference",
        "external_temperature",
        "pressure",
        "heat_cost_units",
        "on_time",
        "operating_time",
        "humidity",
    }
)
FORMATS = ("auto", "a", "a-crc", "b-crc", "wired")  # of a sample: as of single.telegram
FUNCTIONS = frozenset({"instantaneous", "maximum", "minimum", "error"})
ROADS = {
    "drive_by": ("Drive-by (trådlös M-Bus)", "Drive-by (wireless M-Bus)"),
    "fixed_network": ("Fast nät (trådlös M-Bus)", "Fixed network (wireless M-Bus)"),
    "linkiq": ("Fast nät (linkIQ)", "Fixed network (linkIQ)"),
    "wired": ("Trådbunden M-Bus", "Wired M-Bus"),
    "point_to_point": ("Punkt till punkt", "Point to point"),
    "lorawan": ("LoRaWAN", "LoRaWAN"),
    "radio_434": ("Radio 434 MHz", "434 MHz radio"),
    "building": ("Fastighetsnät (KNX, BACnet, Modbus, LON)", "Building network (KNX, BACnet, Modbus, LON)"),
    "data": ("Dataledning", "Data wires"),
    "optical": ("Optiskt öga", "Optical head"),
}
FEATURES = frozenset(
    {
        "pulse_inputs",
        "pulse_outputs",
        "analogue_inputs",
        "analogue_outputs",
        "remote_disconnect",
        "controller",
    }
)


@dataclass(frozen=True, slots=True)
class Who:
    """One kind of meter a family knows: by what its address says."""

    manufacturer: str
    version: int
    device_types: tuple[int, ...]
    model: str


@dataclass(frozen=True, slots=True)
class RegisterRule:
    """Which record is which register. ``vib`` is the exact VIF/VIFE bytes; else ``quantity`` decides."""

    code: str
    vib: str = ""
    quantity: str = ""
    tariff: int = 0
    subunit: int = 0
    function: str = "instantaneous"
    backward: bool = False  # with VIFE 3C: counted only while negative
    unit: str = ""  # the raw value's unit when the standard gives none (manufacturer VIFs)
    device_types: tuple[int, ...] = ()  # only for these; empty: all of the family


@dataclass(frozen=True, slots=True)
class NameRule:
    """What a record is that the standard leaves to the manufacturer, or that this meter means otherwise."""

    quantity: str  # snake_case English, as in types.Record
    unit: str
    vib: str = ""  # the exact VIF/VIFE bytes; else ``of`` decides
    of: str = ""  # the quantity the standard gives it
    subunit: int | None = None  # only of this one
    scale: Decimal = Decimal(1)  # the raw value times this is in ``unit``


@dataclass(frozen=True, slots=True)
class TailRule:
    """A register at a fixed place in the manufacturer data behind DIF 0F/1F (unsigned, little-endian)."""

    code: str
    at: int
    length: int
    unit: str


@dataclass(frozen=True, slots=True)
class BitText:
    """What one bit, or one value of a group of bits, means."""

    mask: int
    value: int  # of the masked bits, unshifted
    code: str
    sv: str
    en: str
    severity: int
    source: str  # "info_code" (active now) or "history" (was active within the meter's own look-back)


@dataclass(frozen=True, slots=True)
class InfoRule:
    """A record that carries info codes: by its exact VIB, and what its bits mean."""

    vib: str
    bits: tuple[BitText, ...]


@dataclass(frozen=True, slots=True)
class Module:
    """A communication module of a family: what it lets the meter be read by and what it adds."""

    number: str
    sv: str
    en: str
    roads: tuple[str, ...]
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """A telegram with invented address, key and values, and what must come out of it."""

    title: str
    telegram: str
    key: str
    format: str
    expect: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """Everything one family file says, with what it builds on joined in."""

    name: str  # file stem
    title: str
    meters: tuple[Who, ...]
    registers: tuple[RegisterRule, ...]
    names: tuple[NameRule, ...]
    tail: tuple[TailRule, ...]
    info: tuple[InfoRule, ...]
    status: tuple[BitText, ...]  # bits 5-7 of the transport header's status byte
    target_date_stamp: str  # "00:00" of the day, "24:00" of the day before it, "" as the date suggests
    digits: tuple[int, ...]  # possible numbers of digits of the counters' displays; empty when not known
    sensor_errors: dict[str, tuple[Decimal, ...]]  # register -> values that mean "sensor broken"
    roads: tuple[str, ...]  # without any module
    modules: tuple[Module, ...]
    samples: tuple[Sample, ...] = field(repr=False)


_STRINGS = frozenset(
    [
        "manufacturer",
        "model",
        "code",
        "vib",
        "quantity",
        "function",
        "unit",
        "of",
        "scale",
        "number",
        "sv",
        "en",
        "title",
        "telegram",
        "key",
        "format",
        "source",
        "extends",
        "target_date_stamp",
    ]
)
_WHOLE_NUMBERS = frozenset(["version", "tariff", "subunit", "at", "length", "severity", "first_bit", "bits"])
_LISTS = frozenset(["device_types", "roads", "features", "digits"])
_TOP = {
    "title",
    "extends",
    "meter",
    "register",
    "name",
    "manufacturer_data",
    "info",
    "status",
    "target_date_stamp",
    "digits",
    "sensor_errors",
    "roads",
    "module",
    "sample",
}
_KEYS = {
    "meter": {"manufacturer", "version", "device_types", "model"},
    "register": {
        "code",
        "vib",
        "quantity",
        "tariff",
        "subunit",
        "function",
        "backward",
        "unit",
        "device_types",
    },
    "name": {"quantity", "unit", "vib", "of", "subunit", "scale"},
    "manufacturer_data": {"code", "at", "length", "unit"},
    "info": {"vib", "bit", "group"},
    "bit": {"bit", "code", "sv", "en", "severity"},
    "group": {"first_bit", "bits", "code", "sv", "en", "severity", "source", "value"},
    "value": {"value", "code", "sv", "en"},
    "module": {"number", "sv", "en", "roads", "features"},
    "sample": {"title", "telegram", "key", "format", "expect"},
}
_JOINED = ("register", "name", "manufacturer_data", "info", "status", "module")
_CODE = re.compile(r"[a-z][a-z0-9_]*")
_HEX = re.compile(r"(?:[0-9A-F]{2})+")


class FamilyError(ValueError):
    """A family file that cannot be used; the message lists every problem, one a line."""


def problems(name: str, files: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with the family file ``name`` among the parsed ``files``, in plain words.

    Every problem names the table and entry it stands in. An empty list means that the file is right.
    """
    raw = files[name]
    found = [f"unknown key {key!r}; known are {', '.join(sorted(_TOP))}" for key in raw if key not in _TOP]
    if not str(raw.get("title", "")).strip():
        found.append("title is missing")
    found += _entry_problems(raw)
    if found:
        return found
    found += _extends_problems(name, files)
    for index, who in enumerate(raw.get("meter", []), 1):
        found += [f"meter {index}: {text}" for text in _meter_problems(who)]
    for index, rule in enumerate(raw.get("register", []), 1):
        found += [f"register {index}: {text}" for text in _register_problems(rule)]
    for index, rule in enumerate(raw.get("name", []), 1):
        found += [f"name {index}: {text}" for text in _name_problems(rule)]
    for index, rule in enumerate(raw.get("manufacturer_data", []), 1):
        found += [f"manufacturer_data {index}: {text}" for text in _tail_problems(rule)]
    for index, info in enumerate(raw.get("info", []), 1):
        found += [f"info {index}: {text}" for text in _info_problems(info)]
    found += [f"status: {text}" for text in _bits_problems(raw.get("status", []), 5, 8)]
    for index, module in enumerate(raw.get("module", []), 1):
        found += [f"module {index}: {text}" for text in _module_problems(module)]
    for index, sample in enumerate(raw.get("sample", []), 1):
        found += [f"sample {index}: {text}" for text in _sample_problems(sample)]
    return found + _single_problems(raw)


def build(name: str, files: dict[str, dict[str, Any]]) -> Family:
    """The family ``name`` with everything it extends. Raises FamilyError with all problems found."""
    wrong = [f"{part}.toml: {text}" for part in _chain(name, files) for text in problems(part, files)]
    if wrong:
        raise FamilyError("\n".join(wrong))
    raw: dict[str, Any] = {}
    for part in reversed(_chain(name, files)):
        own = files[part]
        raw = {**raw, **own, **{key: [*own.get(key, []), *raw.get(key, [])] for key in _JOINED}}
    return Family(
        name=name,
        title=raw["title"],
        meters=tuple(
            Who(m["manufacturer"], m["version"], tuple(m["device_types"]), m["model"])
            for m in files[name].get("meter", [])
        ),
        registers=tuple(
            RegisterRule(**{**rule, "device_types": tuple(rule.get("device_types", ()))})
            for rule in raw["register"]
        ),
        names=tuple(NameRule(**{**rule, "scale": Decimal(rule.get("scale", "1"))}) for rule in raw["name"]),
        tail=tuple(TailRule(**rule) for rule in raw["manufacturer_data"]),
        info=tuple(InfoRule(info["vib"], _bit_texts(info)) for info in raw["info"]),
        status=_bit_texts({"bit": raw["status"]}),
        target_date_stamp=raw.get("target_date_stamp", ""),
        digits=tuple(raw.get("digits", ())),
        sensor_errors={
            code: tuple(Decimal(value) for value in values)
            for code, values in raw.get("sensor_errors", {}).items()
        },
        roads=tuple(raw.get("roads", ())),
        modules=tuple(
            Module(m["number"], m["sv"], m["en"], tuple(m["roads"]), tuple(m.get("features", ())))
            for m in raw["module"]
        ),
        samples=tuple(
            Sample(s["title"], s["telegram"], s.get("key", ""), s.get("format", "a"), s["expect"])
            for s in files[name].get("sample", [])
        ),
    )


@cache
def shipped() -> tuple[Family, ...]:
    """All families that come with the program, those with meters only, sorted by file name."""
    files = shipped_files()
    return tuple(build(name, files) for name in sorted(files) if files[name].get("meter"))


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong with a user's own family file, and where."""

    name: str  # file stem
    line: int
    message: str


def own_families(texts: Mapping[str, str]) -> tuple[tuple[Family, ...], tuple[FileProblem, ...]]:
    """The families in a user's own files (file stem -> content), and what is wrong with the others.

    A bad file never stops the rest. A file may extend another of the user's or one of the program's; two of
    the user's files must not claim the same meter.
    """
    files, found = {}, []
    for name, text in sorted(texts.items()):
        try:
            files[name] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found.append(FileProblem(name, _line_in(str(error)), f"this is no TOML: {error}"))
    every = {**shipped_files(), **files}
    families: dict[str, Family] = {}
    claimed: dict[tuple[str, int, int], str] = {}
    for name in files:
        wrong = [
            FileProblem(part, line_of(text, texts[part]) if part in texts else 1, text)
            for part in _chain(name, every)
            for text in problems(part, every)
        ]
        if not wrong:
            families[name] = build(name, every)
            wrong = _claims(families[name], claimed, texts[name])
        if wrong:
            families.pop(name, None)
            found += [one for one in wrong if one not in found]
    return tuple(family for family in families.values() if family.meters), tuple(found)


def _claims(family: Family, claimed: dict[tuple[str, int, int], str], text: str) -> list[FileProblem]:
    found = []
    for index, who in enumerate(family.meters, 1):
        for device_type in who.device_types:
            other = claimed.setdefault((who.manufacturer, who.version, device_type), family.name)
            if other != family.name:
                message = f"meter {index}: {other}.toml knows this meter already"
                found.append(FileProblem(family.name, line_of(message, text), message))
    return found


def line_of(message: str, text: str) -> int:
    """The line of a file's ``text`` that a problem's ``message`` is about (1 where no line stands out)."""
    lines = text.splitlines()
    start, end, rest = 0, len(lines), message
    path = ""
    while step := re.match(r"(meter|register|name|manufacturer_data|info|module|sample|group) (\d+): ", rest):
        path = f"{path}.{step[1]}" if path else step[1]
        heads = [n for n in range(start, end) if lines[n].replace(" ", "").startswith(f"[[{path}]]")]
        if len(heads) < int(step[2]):
            break
        start = heads[int(step[2]) - 1]
        after = (n for n in range(start + 1, end) if _leaves(lines[n], path))
        end = next(after, end)
        rest = rest[step.end() :]
    wanted = [rf"{key}\s*=.*" for key in re.findall(r"[a-z_]+", rest)]
    if wrong := re.match(r"([a-z_]+) .* not (.+)", rest):
        wanted.insert(0, rf"{wrong[1]}\s*=\s*{re.escape(wrong[2])}\b.*")
    if bit := re.match(r"(?:status: )?bit (\d+)", rest):
        wanted.insert(0, rf"bit\s*=\s*{bit[1]}\b.*")
    for pattern in wanted:
        for n in range(start, end):
            if re.fullmatch(pattern, lines[n].strip()):
                return n + 1
    return start + 1


def _leaves(line: str, path: str) -> bool:
    """Whether the table ``path`` ends before this line: another head that is not one of its own parts."""
    head = re.match(r"\s*\[\[?\s*([\w.]+)", line)
    return head is not None and not head[1].startswith(f"{path}.")


def _line_in(message: str) -> int:
    at = re.search(r"line (\d+)", message)
    return int(at[1]) if at else 1


def shipped_files() -> dict[str, dict[str, Any]]:
    """The parsed family files that come with the program: file stem -> its tables."""
    folder = resources.files("avlas.decode").joinpath("families")
    return {
        entry.name.removesuffix(".toml"): tomllib.loads(entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }


def _chain(name: str, files: dict[str, dict[str, Any]]) -> list[str]:
    """The file itself and what it extends, nearest first; stops at an unknown name or a circle."""
    chain: list[str] = []
    while name in files and name not in chain:
        chain.append(name)
        name = str(files[name].get("extends", ""))
    return chain


def _bit_texts(info: dict[str, Any]) -> tuple[BitText, ...]:
    """Bits and groups of one info table as comparisons: (word & mask) == value."""
    texts = [
        BitText(
            1 << bit["bit"], 1 << bit["bit"], bit["code"], bit["sv"], bit["en"], bit["severity"], "info_code"
        )
        for bit in info.get("bit", [])
    ]
    for group in info.get("group", []):
        mask = _group_mask(group)
        texts += [
            BitText(
                mask,
                value["value"] << group["first_bit"],
                f"{group['code']}_{value['code']}",
                group["sv"].replace("{value}", value["sv"]),
                group["en"].replace("{value}", value["en"]),
                group["severity"],
                group.get("source", "info_code"),
            )
            for value in group["value"]
        ]
    return tuple(texts)


def _group_mask(group: dict[str, Any]) -> int:
    width, first = int(group["bits"]), int(group["first_bit"])
    return ((1 << width) - 1) << first


def _extends_problems(name: str, files: dict[str, dict[str, Any]]) -> list[str]:
    last = _chain(name, files)[-1]
    parent = files[last].get("extends")
    if parent is None:
        return []
    wrong = "goes in a circle at" if parent in files else "names the unknown file"
    return [f"extends {wrong} {parent!r}"]


def _entry_problems(raw: dict[str, Any]) -> list[str]:
    """What has another form than it must have: tables, keys that nobody reads, values of another type."""
    found = _form_problems(raw)
    for table in ("meter", "register", "name", "manufacturer_data", "info", "module", "sample", "status"):
        keys = _KEYS["bit" if table == "status" else table]
        found += _table_problems(table, raw.get(table, []), keys)
    errors = raw.get("sensor_errors", {})
    if not isinstance(errors, dict) or not all(isinstance(values, list) for values in errors.values()):
        found.append("sensor_errors must be a table of lists of numbers in quotes")
    return found


def _table_problems(table: str, entries: object, keys: set[str]) -> list[str]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return [f"{table} must be a list of tables, written [[{table}]]"]
    found = []
    for index, entry in enumerate(entries, 1):
        own = [f"unknown key {key!r}" for key in entry if key not in keys] + _form_problems(entry)
        if table == "info":
            own += _table_problems("bit", entry.get("bit", []), _KEYS["bit"])
            own += _table_problems("group", entry.get("group", []), _KEYS["group"])
        if table == "group":
            own += _table_problems("value", entry.get("value", []), _KEYS["value"])
        if table == "sample" and not _is_expectation(entry.get("expect", {})):
            own.append("expect must be a table, written [sample.expect]")
        found += [f"{table} {index}: {text}" for text in own]
    return found


def _is_expectation(expect: object) -> bool:
    return isinstance(expect, dict) and isinstance(expect.get("registers", {}), dict)


def _form_problems(entry: dict[str, Any]) -> list[str]:
    """Values that are of another type than their key wants."""
    found = []
    for key, value in entry.items():
        if key in _STRINGS and not isinstance(value, str):
            found.append(f"{key} must be text in quotes, not {value!r}")
        elif key in _WHOLE_NUMBERS and (not isinstance(value, int) or isinstance(value, bool)):
            found.append(f"{key} must be a whole number, not {value!r}")
        elif key in _LISTS and not isinstance(value, list):
            found.append(f"{key} must be a list in square brackets, not {value!r}")
        elif key in _LISTS and not all(isinstance(each, int | str) for each in value):
            found.append(f"{key} must be a list of numbers or of texts, not {value!r}")
        elif key == "backward" and not isinstance(value, bool):
            found.append(f"backward must be true or false, not {value!r}")
    return found


def _text_problems(entry: dict[str, Any]) -> list[str]:
    return [
        f"{language} text is missing" for language in ("sv", "en") if not str(entry.get(language, "")).strip()
    ]


def _meter_problems(who: dict[str, Any]) -> list[str]:
    found = []
    if not re.fullmatch(r"[A-Z]{3}", str(who.get("manufacturer", ""))):
        found.append(f"manufacturer must be three capital letters, not {who.get('manufacturer')!r}")
    if not _is_byte(who.get("version")):
        found.append(f"version must be a number 0-255, not {who.get('version')!r}")
    types = who.get("device_types")
    if not isinstance(types, list) or not types or not all(_is_byte(number) for number in types):
        found.append("device_types must be a list of numbers 0-255")
    if not str(who.get("model", "")).strip():
        found.append("model is missing")
    return found


def _register_problems(rule: dict[str, Any]) -> list[str]:
    found = _code_problems(rule)
    vib, quantity = rule.get("vib", ""), rule.get("quantity", "")
    if bool(vib) == bool(quantity):
        found.append("give either vib or quantity")
    if vib and not _HEX.fullmatch(vib):
        found.append(f"vib must be capital hexadecimal bytes, not {vib!r}")
    if quantity and quantity not in QUANTITIES:
        found.append(f"unknown quantity {quantity!r}; known are {', '.join(sorted(QUANTITIES))}")
    if rule.get("function", "instantaneous") not in FUNCTIONS:
        found.append(f"unknown function {rule['function']!r}; known are {', '.join(sorted(FUNCTIONS))}")
    if not all(_is_byte(number) for number in rule.get("device_types", [])):
        found.append("device_types must be numbers 0-255")
    found += [
        f"{key} must be a whole number, not {rule[key]!r}"
        for key in ("tariff", "subunit")
        if not isinstance(rule.get(key, 0), int) or rule.get(key, 0) < 0
    ]
    return found


def _name_problems(rule: dict[str, Any]) -> list[str]:
    found = [f"{key} is missing" for key in ("quantity", "unit") if key not in rule]
    vib, of = rule.get("vib", ""), rule.get("of", "")
    if bool(vib) == bool(of):
        found.append("give either vib or of")
    if vib and not _HEX.fullmatch(vib):
        found.append(f"vib must be capital hexadecimal bytes, not {vib!r}")
    if of and of not in QUANTITIES:
        found.append(f"unknown quantity {of!r}; known are {', '.join(sorted(QUANTITIES))}")
    try:
        Decimal(rule.get("scale", "1"))
    except (InvalidOperation, TypeError):
        found.append(f"scale must be a number in quotes, not {rule['scale']!r}")
    return found


def _tail_problems(rule: dict[str, Any]) -> list[str]:
    found = _code_problems(rule)
    if not _is_byte(rule.get("at")):
        found.append(f"at must be a byte offset 0-255, not {rule.get('at')!r}")
    if rule.get("length") not in range(1, 9):
        found.append(f"length must be 1 to 8 bytes, not {rule.get('length')!r}")
    if "unit" not in rule:
        found.append("unit is missing")
    return found


def _code_problems(rule: dict[str, Any]) -> list[str]:
    code = rule.get("code")
    return [] if code in BY_CODE else [f"unknown register code {code!r}; avlas families registers lists them"]


def _info_problems(info: dict[str, Any]) -> list[str]:
    found = []
    if not _HEX.fullmatch(str(info.get("vib", ""))):
        found.append(f"vib must be capital hexadecimal bytes, not {info.get('vib')!r}")
    found += _bits_problems(info.get("bit", []), 0, 32)
    used = sum(1 << bit["bit"] for bit in info.get("bit", []) if bit.get("bit") in range(32))
    for index, group in enumerate(info.get("group", []), 1):
        found += [f"group {index}: {text}" for text in _group_problems(group)]
        if found:
            continue
        mask = _group_mask(group)
        if mask & used:
            found.append(f"group {index}: its bits are already used")
        used |= mask
    if not info.get("bit") and not info.get("group"):
        found.append("neither bit nor group")
    return found


def _bits_problems(bits: list[dict[str, Any]], first: int, end: int) -> list[str]:
    found, seen, codes = [], set(), set()
    for entry in bits:
        number, code = entry.get("bit"), entry.get("code", "")
        where = f"bit {number}" if type(number) is int else "bit"
        found += [f"{where}: unknown key {key!r}" for key in entry if key not in _KEYS["bit"]]
        if number not in range(first, end) or isinstance(number, bool):
            found.append(f"bit must be a number {first}-{end - 1}, not {number!r}")
        elif number in seen:
            found.append(f"{where} is there twice")
        if code in codes:
            found.append(f"{where}: code {code!r} is there twice")
        seen.add(number)
        codes.add(code)
        found += [f"{where}: {text}" for text in _meaning_problems(entry)]
    return found


def _meaning_problems(entry: dict[str, Any]) -> list[str]:
    found = _text_problems(entry)
    if not _CODE.fullmatch(str(entry.get("code", ""))):
        found.append(f"code must be small letters, digits and _, not {entry.get('code')!r}")
    if entry.get("severity") not in (1, 2, 3):
        found.append(f"severity must be 1 (notice), 2 (warning) or 3 (alarm), not {entry.get('severity')!r}")
    return found


def _group_problems(group: dict[str, Any]) -> list[str]:
    found = [f"unknown key {key!r}" for key in group if key not in _KEYS["group"]]
    found += _meaning_problems(group)
    first, width = group.get("first_bit"), group.get("bits")
    if not isinstance(first, int) or not isinstance(width, int) or not 0 <= first < first + width <= 32:
        return [*found, f"first_bit {first!r} and bits {width!r} do not lie within 32 bits"]
    if group.get("source", "info_code") not in ("info_code", "history"):
        found.append(f"source must be info_code or history, not {group['source']!r}")
    if not group.get("value"):
        found.append("no values")
    for value in group.get("value", []):
        found += [f"value {value.get('value')}: {text}" for text in _text_problems(value)]
        if value.get("value") not in range(1, 1 << width):
            found.append(f"value must be 1-{(1 << width) - 1}, not {value.get('value')!r}")
        if not _CODE.fullmatch("x" + str(value.get("code", ""))):
            found.append(f"value {value.get('value')}: code must be small letters, digits and _")
    return found


def _module_problems(module: dict[str, Any]) -> list[str]:
    found = _text_problems(module)
    if not str(module.get("number", "")).strip():
        found.append("number is missing")
    found += [f"unknown road {road!r}" for road in module.get("roads", [None]) if road not in ROADS]
    found += [f"unknown feature {name!r}" for name in module.get("features", []) if name not in FEATURES]
    return found


def _sample_problems(sample: dict[str, Any]) -> list[str]:
    found = [f"{key} is missing" for key in ("title", "telegram", "expect") if not sample.get(key)]
    if not _HEX.fullmatch(str(sample.get("telegram", ""))):
        found.append("telegram must be capital hexadecimal bytes")
    if sample.get("key") and not re.fullmatch(r"[0-9A-F]{32}", sample["key"]):
        found.append("key must be 32 capital hexadecimal digits")
    if sample.get("format", "a") not in FORMATS:
        found.append(f"unknown format {sample['format']!r}; known are {', '.join(FORMATS)}")
    registers = sample.get("expect", {}).get("registers", {})
    return found + [f"expect: unknown register code {code!r}" for code in registers if code not in BY_CODE]


def _single_problems(raw: dict[str, Any]) -> list[str]:
    found = []
    if raw.get("target_date_stamp", "") not in ("", "00:00", "24:00"):
        found.append(f"target_date_stamp must be 00:00 or 24:00, not {raw['target_date_stamp']!r}")
    if not all(number in range(4, 13) for number in raw.get("digits", [])):
        found.append("digits must be a list of numbers 4-12")
    for code, values in raw.get("sensor_errors", {}).items():
        if code not in BY_CODE:
            found.append(f"sensor_errors: unknown register code {code!r}")
        try:
            [Decimal(value) for value in values]
        except (InvalidOperation, TypeError, ValueError):
            found.append(f"sensor_errors: {code} must be a list of numbers in quotes")
    found += [f"roads: unknown road {road!r}" for road in raw.get("roads", []) if road not in ROADS]
    return found


def _is_byte(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= 0xFF
