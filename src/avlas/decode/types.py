"""What the decoder gives back: plain frozen values, layer by layer (EN 13757-3, -4, -7; OMS vol. 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

Value = int | float | Decimal | str | datetime | date | bytes | None


@dataclass(frozen=True, slots=True)
class Address:
    """Who a telegram is about (EN 13757-7, clause 7.5): the eight bytes M, id, version, device type."""

    manufacturer: str  # three letters, "KAM"
    identification: str  # eight digits as printed on the meter; hexadecimal A-F may occur
    version: int
    device_type: int
    raw: bytes  # the eight bytes in wireless link order: M(2) id(4) version(1) device type(1)


@dataclass(frozen=True, slots=True)
class Span:
    """One explained byte range of the frame (or of the decrypted content), for people.

    ``start``/``end`` are offsets into ``Telegram.plain`` (the frame as received, link CRCs removed, with the
    encrypted part replaced by what it decrypts to). ``layer`` is one of link, ell, afl, tpl, apl.
    """

    layer: str
    start: int
    end: int
    name: str  # English, standard's term: "L-field", "access number", "DIF"
    meaning: str  # what the bytes say here: "98 bytes follow", "storage 1, 32 bit integer"


@dataclass(frozen=True, slots=True)
class Header:
    """What stands in clear: read before any decryption."""

    link_address: Address | None  # None on wired frames without a secondary address
    address: Address | None  # the meter's own: from the transport header when there is one
    ci: int  # the CI field that decides (after ELL/AFL), or the first one while encrypted
    ci_chain: tuple[int, ...]  # every CI field met, outermost first
    access_number: int | None
    status: int | None  # the transport header's status byte
    security: str  # "none", "mode 5", "mode 7", "ell-ctr", "LFSR (not secure)", ... ; at most 20 letters
    counter: int | None  # ELL session number (with CC) or AFL message counter; None where there is none
    wired: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One data record (EN 13757-3, clause 6): what, how much, when, and which bytes said so."""

    quantity: str  # snake_case English: "energy", "volume", "flow_temperature", "manufacturer_specific"
    unit: str  # as people write it: "kWh", "m³", "°C", "" ; exact scale of ``value``
    value: Value  # Decimal/int exact for numbers, float for real32, datetime/date naive (meter's own clock)
    function: str = "instantaneous"  # "instantaneous", "maximum", "minimum", "error"
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    range: tuple[int, int] = (0, 0)  # offsets into Telegram.plain: DIF to last data byte, end exclusive
    dib: bytes = b""  # DIF and DIFEs as sent
    vib: bytes = b""  # VIF and VIFEs as sent (with plain-text VIF's text)
    data: bytes = b""  # the data field as sent
    vif_key: str = (
        ""  # the VIF (masked to 7 bits, with its table) + manufacturer VIFEs, e.g. "FF22", "FD17", "06"
    )
    modifiers: tuple[str, ...] = ()  # orthogonal VIFEs in words: "backward flow", "at phase L1", "error: ..."
    error: str = ""  # why ``value`` is None or suspect: "BCD digit A", "no value", "record error: overflow"
    summer_time: bool = False  # type F/I dates carry it
    vife: tuple[int, ...] = ()  # all VIFEs without their extension bits, as sent (manufacturer's ones too)
    at: datetime | None = (
        None  # values unfolded from a compact profile: the meter's own time stamp of the value
    )


@dataclass(frozen=True, slots=True)
class InfoCode:
    """One active bit of an info-code register or status byte, as the meter's family explains it."""

    code: str  # stable, language-free: "t1_above_range"
    sv: str
    en: str
    severity: int  # 1 notice, 2 warning, 3 alarm
    source: str  # "info_code" (active), "history" (was active lately) or "status"


@dataclass(frozen=True, slots=True)
class Dated:
    """Register values with the meter's own time stamp: target dates, load profiles."""

    at: datetime  # naive, the meter's own clock; 24:00 of the day before is given as 00:00
    registers: dict[str, Decimal | float]  # canonical units, see registers.py
    storage: int
    sent: dict[str, tuple[str, int]] = field(default_factory=dict)  # register -> (unit, decimals) as sent


@dataclass(frozen=True, slots=True)
class Telegram:
    """A telegram decoded and explained."""

    header: Header
    plain: bytes
    records: tuple[Record, ...]
    spans: tuple[Span, ...]
    registers: dict[str, Decimal | float]  # now values, canonical units (registers.py)
    sent: dict[
        str, tuple[str, int]
    ]  # register -> (unit, decimals) as the meter sent it: gives the display back
    dated: tuple[Dated, ...]
    info_code: int | None  # the raw info-code word (unsigned), None if the telegram has none
    info_codes: tuple[InfoCode, ...]
    meter_time: datetime | None  # the meter's own clock, naive, when it sends it
    manufacturer: str
    medium: str  # "heat", "cooling", "heat/cooling", "water", "warm water", "electricity", ...
    model: str  # "MULTICAL 403"; "" when no family knows the meter
    family: str  # file stem of the family, "" when generic
    signature: int | None = (
        None  # format signature of this layout (CRC-16 of the DIF/VIF bytes), for teaching
    )
    more_follows: bool = False  # last DIF was 1F: another telegram completes this reading


@dataclass(frozen=True, slots=True)
class Layout:
    """The order of DIF/VIF bytes of one meter type, by which compact frames (CI 79) are read.

    Key: (manufacturer, version, device_type, signature). ``headers`` are the DIF+VIF bytes record by
    record (EN 13757-3 annex on compact frames); the CRC-16 over their join is the signature.
    """

    manufacturer: str
    version: int
    device_type: int
    signature: int
    headers: tuple[bytes, ...]
    source: str = "shipped"  # shipped, format frame, full frame
    seen: int = 0  # how often it was confirmed (a checked CRC or MAC counts twice); on probation below 2
