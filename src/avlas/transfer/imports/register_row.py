"""A row of a table of customers, points and meters becomes values, or a list of what is wrong with it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from avlas.meters import wellformed
from avlas.meters.key_text import N_
from avlas.transfer.imports import cells
from avlas.transfer.imports.errors import CellError
from avlas.transfer.imports.fields import BY_CODE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from avlas.transfer.imports.sheet import Line

LONGEST: Final = {
    "customer.number": 40, "customer.name": 200, "customer.email": 254, "customer.phone": 40, "point.facility_id": 40,
    "point.address": 200, "point.postal_code": 12, "point.city": 80, "point.district": 80, "point.property_name": 120,
    "point.door_code": 40, "point.key_place": 120, "point.contact": 200, "point.warning": 300, "meter.serial": 20,
    "meter.model": 60, "meter.accuracy_class": 20, "meter.seals": 200, "meter.note": 2000, "placed.groups": 800,
}  # fmt: skip
"""Characters a text may have: the columns' own lengths (a test compares them)."""
_WHERE: Final = {code: (one.part, one.name) for code, one in BY_CODE.items()}
_GROUP_NAME: Final = 80
_MEDIUM_WORDS: Final[dict[str, str]] = {
    **{name: name for name in wellformed.MEDIA},
    "värme": "heat", "fjärrvärme": "heat", "fv": "heat", "vv": "warm water", "heating": "heat",
    "district heating": "heat",
    "kyla": "cooling", "fjärrkyla": "cooling", "district cooling": "cooling", "värme/kyla": "heat/cooling",
    "vatten": "water", "varmvatten": "warm water", "kallvatten": "cold water", "kv": "cold water",
    "hetvatten": "hot water",
    "el": "electricity", "elektricitet": "electricity", "power": "electricity", "gas": "gas", "tryck": "pressure",
    "övrigt": "other", "annat": "other",
}  # fmt: skip
_PIPE_WORDS: Final[dict[str, str]] = {
    **dict.fromkeys(("flow", "flow pipe", "supply", "fram", "framledning", "tillopp", "fl", "inlet"), "flow"),
    **dict.fromkeys(("return", "return pipe", "retur", "returledning", "rl", "outlet"), "return"),
}
_ROLE_WORDS: Final[dict[str, str]] = {
    **dict.fromkeys(("main", "main meter", "huvudmätare", "huvud", "h", "debiteringsmätare"), "main"),
    **dict.fromkeys(("sub", "sub-meter", "submeter", "undermätare", "under", "u"), "sub"),
    **dict.fromkeys(("control", "control meter", "kontrollmätare", "kontroll", "k"), "control"),
}
_MAKER_WORDS: Final[dict[str, str]] = {
    "kamstrup": "KAM", "diehl": "DME", "itron": "ITW", "landis+gyr": "LUG", "landis & gyr": "LUG", "sensus": "SEN",
    "engelmann": "EFE", "zenner": "ZRI", "elster": "ELS", "apator": "APA", "axioma": "AXI", "qundis": "QDS",
    "techem": "TCH",
    "sontex": "SON", "danfoss": "DFS", "siemens": "LSE", "actaris": "ACW", "hydrometer": "HYD", "brunata": "BMT",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """How the cells of a file are meant, and what holds where a row says nothing."""

    columns: Mapping[str, int]  # field code -> place of its column
    headings: list[str]
    since: datetime  # from when on meters sit and customers have their points
    now: datetime
    decimal: str = ""
    clock: str = cells.CIVIL
    system: str = ""  # of coordinates
    manufacturer: str = ""
    medium: str = ""
    units: Mapping[str, str] = field(default_factory=dict)  # field code -> the unit of its figures


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row can't be taken in: in which column (its heading; "": none in particular), which value, and why."""

    column: str
    value: str
    text: str
    values: dict[str, Any] = field(default_factory=dict)

    def packed(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {"column": self.column, "value": self.value[:200], "text": self.text, "values": self.values}


@dataclass(frozen=True, slots=True)
class Record:
    """What a row says, as the tables keep it; a field is there only when its cell is filled in.

    ``customer``, ``point``, ``meter``: columns of those rows. ``placed``: identifier, role, installed_at and
    moved_in_at (ISO 8601, UTC), groups.
    """

    customer: dict[str, Any]
    point: dict[str, Any]
    meter: dict[str, Any]
    placed: dict[str, Any]

    def packed(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {"customer": self.customer, "point": self.point, "meter": self.meter, "placed": self.placed}


def understand(line: Line, rules: Rules) -> tuple[Record, list[Fault]]:
    """Give what a row says, and what is wrong with it (then it is not taken in)."""
    faults: list[Fault] = []
    short = max(rules.columns.values(), default=-1) >= len(line.cells)
    if short or (not line.whole and len(line.cells) < len(rules.headings)):
        text = (
            N_("The file ends in the middle of this line. It is not whole: fetch it again.")
            if not line.whole
            else N_("The line has %(count)s columns, the headings are %(expected)s.")
        )
        counts = {} if not line.whole else {"count": len(line.cells), "expected": len(rules.headings)}
        return Record({}, {}, {}, {}), [Fault("", "", text, counts)]
    if any(line.cells[len(rules.headings) :]):
        faults.append(
            Fault("", "", N_("The line has %(count)s columns, the headings are %(expected)s."),
                  {"count": len(line.cells), "expected": len(rules.headings)})
        )  # fmt: skip
    record = Record({}, {}, {}, {})
    texts: dict[str, str] = {}
    for code, place in rules.columns.items():
        text = line.cells[place]
        if not text:
            continue
        try:
            texts[code] = text
            text = cells.plain(text)
            if not text:
                del texts[code]
                continue
            texts[code] = text
            if code in ("point.north", "point.east"):
                continue
            part, name = _WHERE[code]
            getattr(record, part)[name] = _value(code, text, rules)
        except CellError as problem:
            faults.append(Fault(rules.headings[place], line.cells[place], problem.text, problem.values))
    faults += _position(record, texts, rules)
    faults += _belonging(record, texts, rules)
    return record, faults


def _position(record: Record, texts: Mapping[str, str], rules: Rules) -> list[Fault]:
    given = [code for code in ("point.north", "point.east") if code in texts]
    if not given:
        return []
    columns = [rules.headings[rules.columns[code]] for code in given]
    values = ", ".join(texts[code] for code in given)
    if len(given) == 1:
        return [Fault(columns[0], values, N_("Both coordinates are needed, or none."))]
    try:
        north, east = (cells.number(texts[code], rules.decimal) for code in given)
        record.point["latitude"], record.point["longitude"] = cells.place(north, east, rules.system)
    except CellError as problem:
        return [Fault(", ".join(columns), values, problem.text, problem.values)]
    return []


def _belonging(record: Record, texts: Mapping[str, str], rules: Rules) -> list[Fault]:
    """What a row needs as a whole; fills in what holds for all rows."""
    faults = []
    for part, key, text in (
        ("customer", "number", N_("The customer number is missing.")),
        ("point", "facility_id", N_("The facility id is missing.")),
        ("meter", "serial", N_("The meter's serial number is missing.")),
    ):
        code = f"{part}.{key}"
        if getattr(record, part) and key not in getattr(record, part) and code not in texts:
            where = rules.headings[rules.columns[code]] if code in rules.columns else ""
            faults.append(Fault(where, "", text))
    if "groups" in record.placed and "serial" not in record.meter and "meter.serial" not in texts:
        faults.append(Fault("", "", N_("The meter's serial number is missing.")))
    if not (record.customer or record.point or record.meter or faults or texts):
        faults.append(Fault("", "", N_("Nothing in this line is used: the chosen columns are empty.")))
    if "serial" in record.meter:
        if "meter.manufacturer" not in texts:
            if rules.manufacturer:
                record.meter["manufacturer"] = rules.manufacturer
            else:
                faults.append(Fault("", "", N_("The maker is missing.")))
        if rules.medium:
            record.meter.setdefault("medium", rules.medium)
        identifier = record.meter.pop("identifier", "")
        if identifier:
            record.placed["identifier"] = identifier
    if record.meter and record.point:
        record.placed.setdefault("role", "main")
        record.placed.setdefault("installed_at", rules.since.isoformat())
    if record.customer and record.point:
        record.placed.setdefault("moved_in_at", rules.since.isoformat())
    return faults


def _value(code: str, text: str, rules: Rules) -> Any:
    """A cell as its row keeps it. Raises CellError."""
    special = _SPECIAL.get(code)
    value = special(text, rules) if special else text
    longest = LONGEST.get(code)
    if longest is not None and isinstance(value, str) and len(value) > longest:
        raise CellError(
            N_("This is too long: %(length)s characters, at most %(most)s."), length=len(value), most=longest
        )
    return value


def _word(words: Mapping[str, str], text: str, what: str) -> str:
    found = words.get(" ".join(text.lower().split()))
    if found is None:
        raise CellError(what, text=text[:60])
    return found


def maker(text: str, _rules: Rules) -> str:
    """The three letters of a maker. Raises CellError."""
    if wellformed.MAKER.fullmatch(text):
        return text.upper()
    lower = text.lower()
    for name, letters in _MAKER_WORDS.items():
        if lower == name or lower.startswith(f"{name} "):
            return letters
    raise CellError(N_("“%(text)s” is no maker: write its three letters, for example KAM."), text=text[:60])


def whole_number_text(text: str) -> str:
    """A number as text: 12345678.0, as spreadsheets leave numbers, is 12345678. Raises CellError for 1.23E+7."""
    if "." not in text and "," not in text:
        return text
    if found := re.fullmatch(r"(\d{1,20})[.,]0+", text, re.ASCII):
        return found[1]
    if re.fullmatch(r"\d[.,]\d+E\+?\d{1,2}", text, re.ASCII | re.IGNORECASE):
        raise CellError(
            N_("The spreadsheet has rounded this number: format the column as text, and save it again.")
        )
    return text


def serial(text: str, _rules: Rules) -> str:
    """A serial number. Raises CellError."""
    clean = whole_number_text(text.replace(" ", ""))
    if not wellformed.SERIAL.fullmatch(clean):
        raise CellError(N_("“%(text)s”: only letters, digits and . / - are allowed."), text=text[:60])
    return clean


def _identifier(text: str, _rules: Rules) -> str:
    clean = whole_number_text(text.replace(" ", ""))
    if re.fullmatch(r"\d{5,7}", clean, re.ASCII):  # spreadsheets take away zeros in front
        clean = clean.zfill(8)
    if not wellformed.RADIO_NUMBER.fullmatch(clean):
        raise CellError(N_("“%(text)s”: eight digits are needed."), text=text[:60])
    return clean


def _number_between(least: float, most: float) -> Callable[[str, Rules], float]:
    def read(text: str, rules: Rules) -> float:
        found = float(
            cells.number(re.sub(r"\s*(?:m³/h|m3/h|l/p|l)$", "", text, flags=re.IGNORECASE), rules.decimal)
        )
        if not least <= found <= most:
            raise CellError(
                N_("%(text)s is not between %(least)s and %(most)s."), text=text[:40], least=least, most=most
            )
        return found

    return read


def _year(text: str, _rules: Rules) -> int:
    clean = whole_number_text(text)
    least, most = wellformed.YEARS
    year = int(clean) if re.fullmatch(r"\d{4}", clean, re.ASCII) else 0
    if not year and re.search(r"[-/.]", clean):
        year = cells.day(clean).year
    if not least <= year <= most:
        raise CellError(N_("“%(text)s” is no year between 1950 and 2100."), text=text[:40])
    return year


def _revision(text: str, _rules: Rules) -> str:
    clean = whole_number_text(text)
    if re.fullmatch(r"(?:19|20)\d\d", clean, re.ASCII):
        return f"{clean}-12-31"
    return cells.day(clean).isoformat()


def _past(text: str, rules: Rules) -> str:
    found = cells.moment(text, rules.clock)
    if found > rules.now:
        raise CellError(N_("%(text)s is in the future."), text=text[:40])
    return found.isoformat()


def _email(text: str, _rules: Rules) -> str:
    try:
        validate_email(text)
    except ValidationError:
        raise CellError(N_("“%(text)s” is not an e-mail address."), text=text[:80]) from None
    return text


def _groups(text: str, _rules: Rules) -> list[str]:
    names = list(dict.fromkeys(" ".join(name.split()) for name in re.split(r"[|,;]", text) if name.strip()))
    for name in names:
        if len(name) > _GROUP_NAME:
            raise CellError(
                N_("This is too long: %(length)s characters, at most %(most)s."),
                length=len(name),
                most=_GROUP_NAME,
            )
    return names


_SPECIAL: Final[dict[str, Callable[[str, Rules], Any]]] = {
    "customer.number": lambda text, _rules: whole_number_text(text),
    "customer.email": _email,
    "point.facility_id": lambda text, _rules: whole_number_text(text),
    "point.postal_code": lambda text, _rules: whole_number_text(text),
    "meter.serial": serial,
    "meter.manufacturer": maker,
    "meter.identifier": _identifier,
    "meter.medium": lambda text, _rules: _word(_MEDIUM_WORDS, text, N_("“%(text)s” is no medium that is known here.")),
    "meter.qp_m3h": _number_between(*wellformed.QP_M3H),
    "meter.mounted_in": lambda text, _rules: _word(
        _PIPE_WORDS, text, N_("“%(text)s” is no pipe: write flow or return.")
    ),
    "meter.litres_per_pulse": _number_between(*wellformed.LITRES_PER_PULSE),
    "meter.manufactured_year": _year,
    "meter.revision_due": _revision,
    "placed.role": lambda text, _rules: _word(
        _ROLE_WORDS, text, N_("“%(text)s” is no role: write main, sub or control.")
    ),
    "placed.installed_at": _past,
    "placed.moved_in_at": _past,
    "placed.groups": _groups,
}  # fmt: skip
