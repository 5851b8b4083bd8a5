"""Metered services consumption reports (UN/EDIFACT MSCONS, D.96A to D.04B): quantities of metering points. Pure.

Read are the Nordic profile (Message handbook for Ediel, MSCONS 2.4 on D.96A: LOC+90, LIN, MEA+AAZ, QTY, DTM+324)
and the German one (BDEW, MSCONS 2.x on D.04B: NAD+DP, LOC+172, RFF+MG, LIN, PIA with an OBIS code, QTY, DTM+163/164
or DTM+9, STS). Both have the same segment groups: a place, under it products, under these quantities, each with its
times and status; what is said of a place or product holds for all below.

A quantity with a moment is a meter's reading at it; one with a period was used in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from avlas.meters.key_text import N_
from avlas.reports.calc.borders import STANDARD_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from avlas.transfer.edifact import Interchange, Message, Segment

MEASURED, ESTIMATED, MISSING, OTHER = "measured", "estimated", "missing", "other"
_QUALIFIERS: Final[dict[str, str]] = {  # 6063
    "136": MEASURED, "220": MEASURED,
    "67": ESTIMATED, "187": ESTIMATED,  # substitute, forecast
    "201": ESTIMATED, "Z18": ESTIMATED,  # proposed, preliminary
    "20": MISSING, "Z30": MISSING,  # not to be used, missing
    "31": OTHER, "79": OTHER, "Z31": OTHER, "Z47": OTHER,  # a year's estimate, a sum, for delivery notes, for capacity
}  # fmt: skip
_USED: Final = "136"  # always of a period, as the Nordic guide has it
_STATUSES: Final[dict[str, str]] = {
    "46": MISSING,
    "56": ESTIMATED,
}  # 4405 under STS+8, the quality of a value
UNITS: Final[dict[str, str]] = {
    "KWH": "kWh", "MWH": "MWh", "WHR": "Wh", "GWH": "GWh", "GV": "GJ", "3B": "MJ", "JOU": "J", "MTQ": "m³", "LTR": "l",
}  # fmt: skip
"""6411 (UNECE Recommendation 20) -> the unit as it is spelled here."""
_MOMENTS: Final = ("7", "9", "597")  # 2005: effective, read, registered
_BEGIN, _END, _PERIOD = "163", "164", "324"
_DIGITS: Final = {"102": 8, "203": 12, "204": 14, "303": 12, "304": 14}
_PERIODS: Final = {"718": 8, "719": 12, "Z13": 12}
_OF_A_PLACE, _OF_A_PRODUCT, _OF_A_QUANTITY = "place", "product", "quantity"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong: in which segment (number and tag), what stands there, and why (marked for translation)."""

    segment: int
    tag: str
    value: str
    text: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity of a metering point.

    ``segment``: number of its QTY in the file. ``point`` (LOC), ``meter`` (RFF+MG), ``obis`` (PIA) as they were sent,
    "" when they weren't. ``figure``: None when it is missing. ``unit``: as it is spelled here, "" when it isn't
    said, as it was sent when it isn't known. ``begin`` and ``end``: its period (aware, UTC); a reading has an end
    only, its moment. ``quality``: MEASURED, ESTIMATED, MISSING or OTHER, no value of a meter. ``marks``: the
    qualifier and statuses as they were sent ("QTY+67 STS+8+56").
    """

    segment: int
    point: str
    meter: str
    obis: str
    figure: Decimal | None
    unit: str
    begin: datetime | None
    end: datetime | None
    quality: str
    marks: str


def quantities(interchange: Interchange) -> Iterator[tuple[Quantity, list[Trouble]]]:
    """Give every quantity with what is wrong with it, message by message, in the file's order.

    A message of another kind, or one whose control total doesn't agree, is one trouble with an empty quantity.
    """
    for message in interchange.messages:
        if message.kind != "MSCONS":
            text = N_("This is a message of the kind %(kind)s; only MSCONS is read.")
            values = {"kind": message.kind[:10] or "–"}
            yield (
                _nothing(message.head.number),
                [Trouble(message.head.number, "UNH", message.kind, text, values)],
            )
        else:
            yield from _of_message(message, interchange.decimal)


def _nothing(segment: int) -> Quantity:
    return Quantity(segment, "", "", "", None, "", None, None, OTHER, "")


def _of_message(message: Message, decimal: str) -> Iterator[tuple[Quantity, list[Trouble]]]:
    reader = _Reader(decimal)
    found = [made for segment in message.segments if (made := reader.take(segment)) is not None]
    found += [made] if (made := reader.finish()) is not None else []
    total = sum((one.figure for one, _wrong in found if one.figure is not None), Decimal())
    said = reader.total
    if said is not None and said[1] != total:
        yield _nothing(said[0].number), [Trouble(said[0].number, "CNT", str(said[1]), N_(
            "The message's control total is %(said)s, its quantities are %(total)s together: it is not whole."),
            {"said": str(said[1]), "total": str(total)})]  # fmt: skip
        return
    yield from found


@dataclass(slots=True)
class _Level:
    """What is said of a place, a product or a quantity."""

    texts: dict[str, str] = field(default_factory=dict)
    times: dict[str, tuple[Segment, datetime, datetime | None]] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)


class _Reader:
    """Walks through a message. ``total``: the control total (CNT+1), if there is one."""

    def __init__(self, decimal: str) -> None:
        self._decimal = decimal
        self._zone: tzinfo = STANDARD_TIME
        self._levels = {name: _Level() for name in (_OF_A_PLACE, _OF_A_PRODUCT, _OF_A_QUANTITY)}
        self._at = ""
        self._quantity: Segment | None = None
        self._marks: list[str] = []
        self._quality = MEASURED
        self.total: tuple[Segment, Decimal] | None = None

    def take(self, segment: Segment) -> tuple[Quantity, list[Trouble]] | None:
        """One more segment; gives the quantity that it ends."""
        tag = segment.tag
        made = None
        if tag in ("NAD", "LOC", "LIN", "QTY", "CNT", "UNS"):
            made = self.finish()
        if tag == "NAD":
            self._begin(_OF_A_PLACE)
        elif tag == "LOC":
            self._begin(_OF_A_PLACE)
            self._texts["point"] = segment.get(1)
        elif tag == "LIN":
            self._begin(_OF_A_PRODUCT)
        elif tag == "RFF" and segment.get(0) == "MG":
            self._texts["meter"] = segment.get(0, 1)
        elif tag == "PIA":
            self._texts["obis"] = _obis(segment)
        elif tag == "MEA" and segment.get(0) == "AAZ":
            self._texts["unit"] = segment.get(2)
        elif tag == "QTY":
            self._begin(_OF_A_QUANTITY)
            self._quantity, self._marks = segment, [f"QTY+{segment.get(0)}"]
            self._quality = _QUALIFIERS.get(segment.get(0), "")
        elif tag == "STS":
            self._status(segment)
        elif tag == "DTM":
            self._time(segment)
        elif tag == "CNT" and segment.get(0) == "1":
            figure = self._number(segment.get(0, 1))
            self.total = None if figure is None else (segment, figure)
        return made

    def finish(self) -> tuple[Quantity, list[Trouble]] | None:
        """The quantity that was begun, with what is wrong with it."""
        segment, self._quantity = self._quantity, None
        if segment is None:
            return None
        troubles = [one for level in self._levels.values() for one in level.troubles]
        quality = self._quality
        if not quality:
            text = N_("What the quantity %(code)s means is not known here.")
            code = segment.get(0)
            troubles.append(Trouble(segment.number, "QTY", code, text, {"code": code[:10] or "–"}))
        said = segment.get(0, 1).strip()
        figure = self._number(said)
        if said in ("", "NULL"):
            quality = MISSING if quality != OTHER else OTHER
        elif figure is None:
            troubles.append(
                Trouble(segment.number, "QTY", said, N_("“%(text)s” is not a number."), {"text": said[:60]})
            )
        begin, end, when = self._when(segment)
        if segment.get(0) == _USED and begin is None and not (troubles or when):
            text = N_("This was used in a period, and which one is not said.")
            when = [Trouble(segment.number, "QTY", said, text)]
        unit = segment.get(0, 2) or self._said("unit")
        made = Quantity(
            segment.number, self._said("point"), self._said("meter"), self._said("obis"), figure,
            UNITS.get(unit.upper(), unit), begin, end, quality or OTHER, " ".join(self._marks),
        )  # fmt: skip
        self._levels[_OF_A_QUANTITY] = _Level()
        return made, troubles + when

    @property
    def _texts(self) -> dict[str, str]:
        return self._levels[self._at].texts if self._at else {}

    def _begin(self, level: str) -> None:
        """A place, product or quantity begins: what was said of the one before, and of all below, is over."""
        self._at = level
        names = list(self._levels)
        for name in names[names.index(level) :]:
            self._levels[name] = _Level()

    def _said(self, name: str) -> str:
        """The nearest text of a name, from the quantity up."""
        return next(
            (text for level in reversed(self._levels.values()) if (text := level.texts.get(name))), ""
        )

    def _status(self, segment: Segment) -> None:
        if self._quantity is None:
            return
        category, code = segment.get(0), segment.get(1)
        self._marks.append(f"STS+{category}+{code}".rstrip("+"))
        if category == "8" and code in _STATUSES:
            self._quality = _STATUSES[code] if self._quality in (MEASURED, ESTIMATED) else self._quality

    def _time(self, segment: Segment) -> None:
        qualifier, text, shape = segment.get(0), segment.get(0, 1).strip(), segment.get(0, 2)
        if not self._at:
            self._offset(qualifier, text, shape)
        elif qualifier in (*_MOMENTS, _BEGIN, _END, _PERIOD):
            level = self._levels[self._at]
            found = times(text, shape, self._zone)
            if found is None:
                why = N_("“%(text)s” is no time in the form %(shape)s.")
                values = {"text": text[:40], "shape": shape[:5] or "–"}
                level.troubles.append(Trouble(segment.number, "DTM", text, why, values))
            else:
                level.times[qualifier] = (segment, *found)

    def _offset(self, qualifier: str, text: str, shape: str) -> None:
        """The message's own time zone: hours from UTC (DTM+ZZZ:1:805) or an offset (DTM+735:?+0100:406)."""
        found = (
            re.fullmatch(r"([+-]?)(\d{1,2})()", text, re.ASCII)
            if (qualifier, shape) == ("ZZZ", "805")
            else re.fullmatch(r"([+-]?)(\d\d)(\d\d)", text, re.ASCII)
            if (qualifier, shape) == ("735", "406")
            else None
        )
        if found and int(found[2]) <= 14:
            away = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
            self._zone = timezone(-away if found[1] == "-" else away)

    def _when(self, segment: Segment) -> tuple[datetime | None, datetime | None, list[Trouble]]:
        """The period or moment of a quantity: what the nearest level that says one says."""
        for level in reversed(self._levels.values()):
            said = level.times
            moment = next((said[one] for one in _MOMENTS if one in said), None)
            if _PERIOD in said:
                begin, end = said[_PERIOD][1:]
            elif _BEGIN in said and _END in said:
                begin, end = said[_BEGIN][1], said[_END][1]
            elif moment is not None:
                return None, moment[1], []
            else:
                continue
            if end is None or begin >= end:
                where = said[_PERIOD if _PERIOD in said else _END][0]
                return (
                    None,
                    None,
                    [
                        Trouble(
                            where.number,
                            "DTM",
                            where.get(0, 1),
                            N_("The period doesn't end after it begins."),
                        )
                    ],
                )
            return begin, end, []
        if any(level.troubles for level in self._levels.values()):
            return None, None, []
        return None, None, [Trouble(segment.number, "QTY", segment.get(0, 1), N_("When is not said."))]

    def _number(self, text: str) -> Decimal | None:
        plain = text.strip().replace(",", ".") if self._decimal == "," else text.strip()
        if re.fullmatch(r"-?\d{1,18}(?:\.\d{0,9})?|-?\.\d{1,9}", plain, re.ASCII) is None:
            return None
        return Decimal(plain)


def _obis(segment: Segment) -> str:
    """The OBIS code among a product's ids: "1-1:1.8.0"."""
    for element in range(1, len(segment.elements)):
        code = segment.get(element)
        if re.match(r"(?:\d+-\d+:)?\d+\.\d+", code, re.ASCII):
            return code
    return ""


def times(text: str, shape: str, zone: tzinfo) -> tuple[datetime, datetime | None] | None:
    """A DTM's moment, or a period's begin and end (UTC); None when it isn't one of its form (2379).

    ``zone`` is that of forms that don't name one. A day alone (102) begins at 00:00 standard time (UTC+1), as in bills.
    """
    if shape in _PERIODS:
        digits = _PERIODS[shape]
        halves = re.fullmatch(rf"(\d{{{digits}}})-?(\d{{{digits}}})", text, re.ASCII)
        if halves is None:
            return None
        begin, end = (_moment(half, STANDARD_TIME if digits == 8 else zone) for half in halves.groups())
        return None if begin is None or end is None else (begin, end)
    if shape not in _DIGITS:
        return None
    digits = _DIGITS[shape]
    own = re.fullmatch(rf"(\d{{{digits}}})(.*)", text, re.ASCII)
    if own is None or (own[2] and shape not in ("303", "304")):
        return None
    if shape == "102":
        zone = STANDARD_TIME
    elif shape in ("303", "304"):
        named = _zone(own[2])
        if named is None:
            return None
        zone = named
    found = _moment(own[1], zone)
    return None if found is None else (found, None)


def _zone(text: str) -> tzinfo | None:
    """A zone as 303 and 304 have it: "+00", "+0100", "UTC"."""
    if text in ("UTC", "GMT", "Z"):
        return UTC
    found = re.fullmatch(r"([+-])(\d\d)(\d\d)?", text, re.ASCII)
    if found is None or int(found[2]) > 14:
        return None
    away = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-away if found[1] == "-" else away)


def _moment(digits: str, zone: tzinfo) -> datetime | None:
    """A moment of 8, 12 or 14 digits; 24:00 is the end of its day."""
    day, clock = digits[:8], digits[8:].ljust(6, "0")
    try:
        begin = datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=zone)
        hour, minute, second = int(clock[:2]), int(clock[2:4]), int(clock[4:])
        if minute > 59 or second > 59 or hour > 24 or (hour == 24 and (minute or second)):
            return None
        return (begin + timedelta(hours=hour, minutes=minute, seconds=second)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
