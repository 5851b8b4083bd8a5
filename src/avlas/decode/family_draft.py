"""A family file drafted from one decoded telegram: what can be known filled in, the rest as questions.

The draft is a right file as it stands: it names the meter, lists every record with what Avläs makes of it,
proposes rules for those it makes nothing of, and ends with the telegram as a sample. The sample is made
anew without encryption and with an invented meter number, unless the telegram is to be kept as heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from avlas.decode.families import MEDIA, assign, find, meter_address, sensor_errors
from avlas.decode.records import in_words
from avlas.decode.single import telegram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avlas.decode.types import Address, Record, Telegram

INVENTED = "99000099"  # the same in either order of its bytes
_NUMBER_VIFS = frozenset({"78", "79", "FD10", "FD11"})  # numbers of the meter and its customer
_BCD = frozenset({0x9, 0xA, 0xB, 0xC, 0xE})
_FLAGS = "FD17"
_SHORT_HEADER, _LONG_HEADER = 0x7A, 0x72


class NoDraftError(Exception):
    """A telegram from which no family file can be drafted; the message says why."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A telegram with what it took to decode it."""

    frame: bytes
    key: bytes | None
    format: str
    decoded: Telegram


def draft(heard: Heard, *, as_heard: bool = False) -> str:
    """The TOML text of a family file for the meter that sent this telegram.

    ``as_heard``: the sample keeps the telegram, its meter number and its key. Raises NoDraftError for a
    telegram without an address or without records.
    """
    who = meter_address(heard.decoded.header, heard.decoded.records)
    if who is None:
        raise NoDraftError("the telegram names no maker and version, by which a family knows its meters")
    sent = [record for record in heard.decoded.records if _was_sent(record)]
    if not sent:
        raise NoDraftError("the telegram holds no records; the maker's own payload needs code, not a file")
    lines = [
        *_head(who, heard.decoded),
        *_records(heard.decoded, sent, as_heard=as_heard),
        *_info(sent),
        *_sample(heard, who, sent, as_heard=as_heard),
        "",
    ]
    text = "\n".join(lines)
    return text if as_heard else _without_numbers(text, heard.decoded, who)


def _without_numbers(text: str, decoded: Telegram, who: Address) -> str:
    """The text with the invented number for the meter's and its radio's, wherever bytes are shown."""
    for address in (who, decoded.header.address, decoded.header.link_address):
        if address and _tells(address.raw[2:6]):
            for number in (address.raw[2:6], address.raw[5:1:-1]):
                text = text.replace(number.hex().upper(), INVENTED)
    return text


def _tells(number: bytes) -> bool:
    """Whether a number is a number: 00000000 and the like could be any value."""
    return len(set(number)) > 2


def _was_sent(record: Record) -> bool:
    """Not unfolded from a profile or the maker's data, and no unreadable rest."""
    return bool(record.dib) and record.at is None and (bool(record.vib) or record.dib[0] & 0x8F == 0x0F)


def _head(who: Address, decoded: Telegram) -> Iterator[str]:
    known = find(who)
    model = known[1].model if known else f"{who.manufacturer} {who.version:02X}"
    yield '# Drafted by "avlas families draft" from one telegram. Go through it from the top; a line that begins with'
    yield "# the sign # is not read. Then: avlas families check THIS-FILE"
    if known:
        yield f"# Avläs knows this meter already ({known[0].name}.toml, {model}); this file comes before that one and"
        yield "# builds on it. Take the line with extends away to begin from nothing."
    yield f"title = {_quoted(f'{model} meters')}"
    if known:
        yield f"extends = {_quoted(known[0].name)}"
    yield 'roads = ["wired"]' if decoded.header.wired else 'roads = ["drive_by", "fixed_network"]'
    yield "# digits = [8]  # how many digits the counters' displays have, if you know"
    if decoded.dated:
        at = decoded.dated[0].at
        yield f"# The stored values were read as those of {at:%Y-%m-%d %H:%M}. If the meter means another moment:"
        yield '# target_date_stamp = "00:00"  # the beginning of that day; "24:00": its end'
    yield ""
    yield "[[meter]]"
    yield f"manufacturer = {_quoted(who.manufacturer)}"
    yield f"version = 0x{who.version:02X}"
    medium = MEDIA.get(who.device_type, ("reserved",))[0]
    yield f"device_types = [0x{who.device_type:02X}]  # {medium}; add the others this model is sold as"
    yield f"model = {_quoted(model)}  # the name on the meter's label"
    yield ""


def _records(decoded: Telegram, sent: list[Record], *, as_heard: bool) -> Iterator[str]:
    codes = dict(zip(map(id, decoded.records), assign(decoded.header, decoded.records), strict=True))
    yield "# The records of the telegram. Behind the arrow: the register it becomes by the standard. Compare the values"
    yield "# with the meter's display."
    for number, record in enumerate(sent, 1):
        code = codes[id(record)]
        hidden = record.vif_key in _NUMBER_VIFS and not as_heard
        value = "(left out)" if hidden else in_words(record)
        what = f"{record.quantity.replace('_', ' ')} {value}".rstrip()
        place = [f"{name} {value}" for name, value in _place(record) if value]
        place += [] if record.function == "instantaneous" else [record.function]
        where = f" ({', '.join(place)})" if place else ""
        raw = f"{record.dib.hex().upper()} {record.vib.hex().upper()}".rstrip()
        yield f"#{number:4}. {raw:<14} {_one_line(what)}{where}" + (f"  -> {code}" if code else "")
        if not code and _is_number(record):
            yield from _proposal(record)
    yield ""


def _place(record: Record) -> tuple[tuple[str, int], ...]:
    return ("storage", record.storage), ("tariff", record.tariff), ("subunit", record.subunit)


def _is_number(record: Record) -> bool:
    """A value now that nothing is made of, but a register could be."""
    counts = isinstance(record.value, int | float | Decimal) and record.vif_key != _FLAGS
    named = record.quantity != "info_code" and not record.vif_key.startswith("FD")
    return counts and named and record.storage == 0


def _proposal(record: Record) -> Iterator[str]:
    yield "#"
    yield "# [[register]]"
    yield f'# vib = "{record.vib.hex().upper()}"'
    for key, value in _place(record)[1:]:
        if value:
            yield f"# {key} = {value}"
    if record.function != "instantaneous":
        yield f"# function = {_quoted(record.function)}"
    yield '# code = "..."  # a register: avlas families registers'
    if not record.unit:
        yield '# unit = "..."  # what one count is: kWh, m³, °C, ...'
    yield "#"


def _info(sent: list[Record]) -> Iterator[str]:
    flags = next((record for record in sent if record.vif_key == _FLAGS and record.storage == 0), None)
    vib = flags.vib.hex().upper() if flags else "FF22"
    if flags:
        yield f"# Info bits: record {_FLAGS} holds {in_words(flags)}. What its bits mean stands in the meter's manual."
        yield "# Without a table like this Avläs shows the number alone."
    else:
        yield "# Info bits: if one of the records above is the meter's info code, give its VIF and what the bits mean."
    yield "#"
    yield "# [[info]]"
    yield f'# vib = "{vib}"'
    yield "#"
    yield "# [[info.bit]]"
    yield "# bit = 1  # 0 is the lowest"
    yield '# code = "low_battery"'
    yield '# sv = "Svagt batteri"'
    yield '# en = "Low battery"'
    yield "# severity = 2  # 1 notice, 2 warning, 3 alarm"
    yield ""


def _sample(heard: Heard, who: Address, sent: list[Record], *, as_heard: bool) -> Iterator[str]:
    if as_heard:
        frame, key, decoded, kind = heard.frame, heard.key, heard.decoded, heard.format
        yield "# The telegram as it was heard, with the meter's number and key: for yourself alone."
    else:
        frame, key = _anonymous(who, sent, wired=heard.decoded.header.wired), None
        kind = "wired" if heard.decoded.header.wired else "a"
        decoded = telegram(frame, format=kind)
        yield "# The telegram without encryption and with an invented number; the values are those that were heard."
    yield ""
    yield "[[sample]]"
    yield f"title = {_quoted('as heard')}"
    yield f'telegram = "{frame.hex().upper()}"'
    if key:
        yield f'key = "{key.hex().upper()}"'
    if kind != "a":
        yield f"format = {_quoted(kind)}"
    yield ""
    yield "[sample.expect]"
    address = decoded.header.address or decoded.header.link_address
    yield f"id = {_quoted(address.identification if address else '')}"
    yield f"medium = {_quoted(decoded.medium)}"
    yield from _expectation(decoded)


def _expectation(decoded: Telegram) -> Iterator[str]:
    if decoded.info_code is not None:
        yield f"info_code = {decoded.info_code}"
    if decoded.meter_time:
        yield f"meter_time = {_quoted(decoded.meter_time.isoformat())}"
    broken = sensor_errors(decoded.family, decoded.registers)
    if broken:
        yield f"sensor_errors = [{', '.join(map(_quoted, sorted(broken)))}]"
    yield ""
    yield "[sample.expect.registers]"
    for code, value in decoded.registers.items():
        yield f"{code} = {_figure(value)}"
    for dated in decoded.dated:
        yield ""
        yield "[[sample.expect.dated]]"
        yield f"at = {_quoted(dated.at.isoformat())}"
        yield ""
        yield "[sample.expect.dated.registers]"
        for code, value in dated.registers.items():
            yield f"{code} = {_figure(value)}"


def _anonymous(who: Address, sent: list[Record], *, wired: bool) -> bytes:
    """A frame without encryption around the same records, from the same kind of meter with another number."""
    number = bytes.fromhex(INVENTED)[::-1]
    body = b"".join(record.dib + record.vib + _anonymous_data(record, number) for record in sent)
    if _tells(who.raw[2:6]):
        body = body.replace(who.raw[2:6], number)
    maker, kind = who.raw[:2], who.raw[6:8]
    if wired:
        content = bytes([0x08, 0x00, _LONG_HEADER]) + number + maker + kind + bytes(4) + body
        frame = bytes([0x68, len(content), len(content), 0x68]) + content
        end = bytes([sum(content) & 0xFF, 0x16])
    else:
        content = b"\x44" + maker + number + kind + bytes([_SHORT_HEADER]) + bytes(4) + body
        frame, end = bytes([len(content)]) + content, b""
    return frame + end


def _anonymous_data(record: Record, number: bytes) -> bytes:
    """The record's data; numbers of the meter and its customer are replaced, in the same length."""
    if record.vif_key not in _NUMBER_VIFS:
        return record.data
    if len(record.data) == len(number) and record.dib[0] & 0x0F in _BCD:
        return number
    keep = 1 if record.dib[0] & 0x0F == 0xD else 0  # the length byte
    filler = b"0" if keep and record.data[:1] <= b"\xbf" else b"\x00"
    return record.data[:keep] + filler * (len(record.data) - keep)


def _figure(value: Decimal | float) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else repr(value)


def _one_line(words: str) -> str:
    """Printable, on one line: a meter may send any text."""
    clean = "".join(sign if sign.isprintable() else "?" for sign in words)
    return clean if len(clean) < 80 else f"{clean[:77]}..."


def _quoted(words: str) -> str:
    clean = "".join(sign if sign.isprintable() else "?" for sign in words)
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'
