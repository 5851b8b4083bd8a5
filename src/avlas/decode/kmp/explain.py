"""A KMP frame explained to people, byte range by byte range, then what it means; and as JSON."""

from __future__ import annotations

from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from avlas.decode.error_words import error_text
from avlas.decode.errors import RecordError
from avlas.decode.explain import Explanation, Row, Section, number_text, register_row
from avlas.decode.kmp import table
from avlas.decode.kmp.answers import LogAnswer, SerialAnswer, TypeAnswer
from avlas.decode.kmp.fields import BITS
from avlas.decode.kmp.meaning import Meaning, dated, meaning
from avlas.decode.kmp.words import ADVICE, TEXTS, say
from avlas.decode.registers import BY_CODE
from avlas.decode.words import ADVICE as GENERAL_ADVICE
from avlas.decode.words import TEXTS as GENERAL_TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avlas.decode.errors import DecodeError
    from avlas.decode.kmp.fields import Field
    from avlas.decode.kmp.message import Message
    from avlas.decode.types import Dated, Span

_BIT_FIELDS = frozenset({table.INFO_BITS, table.INFO_CODE})
_LAYERS = ("link", "apl")


def explain(message: Message, language: str = "en") -> Explanation:
    """A frame, explained in ``language`` ("sv" or "en")."""
    sections = [
        Section(layer, TEXTS[layer][language], tuple(_layer(message, layer, language))) for layer in _LAYERS
    ]
    sections += _means(message, language)
    return Explanation(_title(message, language), tuple(section for section in sections if section.rows))


def explain_error(error: DecodeError, raw: bytes, language: str = "en") -> Explanation:
    """Why a frame could not be read: what is wrong, where, and what to do."""
    title, advice = (ADVICE.get(error.kind) or GENERAL_ADVICE["decode_error"])[language]
    rows = (
        Row("alarm", GENERAL_TEXTS["what"][language], error_text(error.message, language)),
        Row("value", GENERAL_TEXTS["do"][language], advice),
        Row("field", TEXTS["link"][language], GENERAL_TEXTS["bytes"][language].format(len(raw), _hex(raw))),
    )
    return Explanation(title, (Section("problem", GENERAL_TEXTS["problem"][language], rows),))


def as_json(message: Message) -> dict[str, Any]:
    """A frame as ``avlas decode --json`` tells it: the contract of telegrams, and what is KMP's own."""
    content = message.content
    said = meaning(message.fields)
    serial = content.number if isinstance(content, SerialAnswer) else said.serial
    return {
        "manufacturer": "KAM",
        "id": None if serial is None else f"{serial:08d}",
        "version": None,
        "device_type": None,
        "medium": "",
        "model": content.model if isinstance(content, TypeAnswer) else "",
        "family": "",
        "link": "optical",
        "security": "none",
        "counter": None,
        "from_meter": message.from_meter,
        "address": message.frame.address if message.frame else None,
        "command": message.command,
        "content": _content(content),
        "meter_time": said.meter_time,
        "records": list(_records(message)),
        "registers": said.registers,
        "dated": [{"at": d.at, "storage": d.storage, "registers": d.registers} for d in _dated(content)[0]],
        "info_code": said.info_code,
        "info_codes": [],
        "status": [],
    }


def _content(content: object) -> dict[str, Any]:
    """What a request or answer holds besides values, which stand in the records."""
    if content is None or not is_dataclass(content):
        return {}
    names = [each.name for each in fields_of(content) if each.name not in ("address", "fields", "rows")]
    return {name: getattr(content, name) for name in names}


def _records(message: Message) -> Iterator[dict[str, Any]]:
    for field in message.fields:
        yield _record(field)
    if isinstance(message.content, LogAnswer):
        for row in message.content.rows:
            for field in row.fields:
                yield _record(field) | {"row": row.id}


def _record(field: Field) -> dict[str, Any]:
    name = table.quantity(field.register)
    function = next((each for each in ("maximum", "minimum") if name.startswith(f"{each}_")), "instantaneous")
    made: dict[str, Any] = {
        "quantity": name,
        "number": field.register,
        "unit": field.unit,
        "value": field.value,
        "function": function,
        "storage": 0,
        "register": table.CODES.get(field.register),
        "range": field.range,
    }
    return made | ({"error": field.error} if field.error else {})


def _title(message: Message, language: str) -> str:
    who = "acknowledgement" if message.frame is None else "answer" if message.from_meter else "request"
    words = ["KMP", TEXTS[who][language], message.command]
    return " · ".join(word for word in words if word)


def _layer(message: Message, layer: str, language: str) -> Iterator[Row]:
    """The rows of one layer: values in front of their parts, rows of a log under their numbers."""
    heads = {field.range[0]: field for field in _all_fields(message)}
    log_rows = message.content.rows if isinstance(message.content, LogAnswer) and message.content.new else ()
    begins = {row.fields[0].range[0]: row.id for row in log_rows if row.fields}
    inside = 0
    for span in message.spans:
        if span.layer != layer:
            continue
        if span.start in begins:  # the number of a new log's row has no bytes of its own
            yield Row("field", say("row", language), str(begins[span.start]))
        field = heads.get(span.start)
        if field is not None:
            yield _value(field, message.plain, language)
            inside = field.range[1]
        if field is None or span.end < inside:
            yield _part(span, message.plain, language, "part" if span.start < inside else "field")


def _all_fields(message: Message) -> Iterator[Field]:
    yield from message.fields
    if isinstance(message.content, LogAnswer):
        for row in message.content.rows:
            yield from row.fields


def _part(span: Span, plain: bytes, language: str, kind: str) -> Row:
    meaning_ = span.meaning
    if span.name == "register":
        number = int.from_bytes(plain[span.start : span.end], "big")
        meaning_ = f"{number} {_name(number, language)}"
    else:
        meaning_ = say(meaning_, language)
    return Row(
        kind, say(span.name, language), meaning_, span.start, span.end, _hex(plain[span.start : span.end])
    )


def _name(register: int, language: str) -> str:
    code = table.CODES.get(register)
    symbol = BY_CODE[code].symbol if code else ""
    return f"{symbol} {table.register_name(register, language)}".strip()


def _value(field: Field, plain: bytes, language: str) -> Row:
    start, end = field.range
    return Row(
        "record",
        _name(field.register, language),
        value_words(field, language),
        start,
        end,
        _hex(plain[start:end]),
    )


def value_words(field: Field, language: str) -> str:
    """A value as people read it."""
    value = field.value
    if value is None:
        return say(field.error, language)
    if field.register in _BIT_FIELDS or field.unit_code == BITS:
        return f"0x{field.raw:0{2 * len(field.data)}X}"
    if isinstance(value, bytes):
        return f"{_hex(value)} ({say(field.error, language)})"
    if isinstance(value, Decimal | int):
        return f"{number_text(Decimal(value), language)} {field.unit}".rstrip()
    if isinstance(value, datetime):
        summer = f" (+{field.summer_minutes} min)" if field.summer_minutes else ""
        return f"{value:%Y-%m-%d %H:%M:%S}{summer}"
    return value.isoformat() if isinstance(value, date | time) else value


def _means(message: Message, language: str) -> Iterator[Section]:
    said = meaning(message.fields)
    yield Section("registers", GENERAL_TEXTS["registers"][language], tuple(_meaning_rows(said, language)))
    moments, problem = _dated(message.content)
    for each in moments:
        title = f"{GENERAL_TEXTS['dated'][language]} {each.at:%Y-%m-%d %H:%M}"
        rows = [
            register_row(code, value, each.sent.get(code), language) for code, value in each.registers.items()
        ]
        yield Section("dated", title, tuple(rows))
    if problem:
        row = Row("notice", TEXTS["undated"][language], error_text(problem, language))
        yield Section("dated", GENERAL_TEXTS["info"][language], (row,))


def _meaning_rows(said: Meaning, language: str) -> Iterator[Row]:
    for code, value in said.registers.items():
        yield register_row(code, value, said.sent.get(code), language)
    if said.info_code is not None:
        text = (
            f"{said.info_code} = 0x{said.info_code:X}"
            if said.info_code
            else GENERAL_TEXTS["all_well"][language]
        )
        yield Row("value", GENERAL_TEXTS["info_code"][language], text)
    if said.serial is not None:
        yield Row("value", TEXTS["serial"][language], str(said.serial))
    if said.meter_time:
        yield Row("value", GENERAL_TEXTS["meter_time"][language], f"{said.meter_time:%Y-%m-%d %H:%M:%S}")


def _dated(content: object) -> tuple[tuple[Dated, ...], str]:
    """The moments of a log answer, or why there are none."""
    if not isinstance(content, LogAnswer):
        return (), ""
    try:
        return dated(content), ""
    except RecordError as error:
        return (), error.message


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()
