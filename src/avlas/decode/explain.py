"""A telegram explained to people: layer by layer, byte range by byte range, then what it means.

``explain`` and ``explain_error`` are pure: a decoded telegram (or the error) becomes sections of rows, in
Swedish or English, which a page shows as tables and ``render`` as text for a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from textwrap import wrap
from typing import TYPE_CHECKING

from avlas.decode.error_words import error_text
from avlas.decode.families import as_sent, assign, medium, meter_address, sensor_errors
from avlas.decode.registers import BY_CODE
from avlas.decode.words import ADVICE, CODINGS, FUNCTIONS, LAYERS, TEXTS, modifier, quantity, span_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from avlas.decode.errors import DecodeError
    from avlas.decode.types import Address, Dated, Header, InfoCode, Record, Span, Telegram, Value


@dataclass(frozen=True, slots=True)
class Row:
    """One line: which bytes, what they are called, what they say here."""

    kind: str  # "field", "record", "part", "value", "notice", "warning", "alarm"
    name: str
    meaning: str
    start: int | None = None  # byte range in the telegram, end exclusive; None: no bytes of its own
    end: int | None = None
    bytes: str = ""  # the bytes in hexadecimal


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that belong together: a layer, the registers, the info codes, ..."""

    id: str  # link, ell, afl, tpl, apl, registers, dated, info, problem, header
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say about one telegram."""

    title: str
    sections: tuple[Section, ...]


def explain(telegram: Telegram, language: str = "en") -> Explanation:
    """A decoded telegram, explained in ``language`` ("sv" or "en")."""
    codes = assign(telegram.header, telegram.records)
    sections = [*_layers(telegram, codes, language)]
    sections += [_registers(telegram, language), *_dated(telegram, language), _info(telegram, language)]
    return Explanation(_title(telegram, language), tuple(section for section in sections if section.rows))


def explain_error(error: DecodeError, frame: bytes, language: str = "en") -> Explanation:
    """Why a telegram could not be decoded: what is wrong, where, what to do, and what could be read."""
    title, advice = ADVICE.get(error.kind, ADVICE["decode_error"])[language]
    rows = [
        Row("alarm", TEXTS["what"][language], error_text(error.message, language)),
        Row("value", TEXTS["do"][language], advice),
        Row("field", TEXTS["telegram"][language], TEXTS["bytes"][language].format(len(frame), _hex(frame))),
    ]
    sections = [Section("problem", TEXTS["problem"][language], tuple(rows))]
    if error.header:
        sections.append(Section("header", TEXTS["in_clear"][language], _header_rows(error.header, language)))
    return Explanation(title, tuple(sections))


def explain_bad_input(message: str, line: int, language: str = "en") -> Explanation:
    """A line that holds no telegram at all."""
    title, advice = ADVICE["bad_input"][language]
    where = TEXTS["line"][language].format(line, error_text(message, language))
    rows = (
        Row("alarm", TEXTS["what"][language], where),
        Row("value", TEXTS["do"][language], advice),
    )
    return Explanation(title, (Section("problem", TEXTS["problem"][language], rows),))


def render(explanation: Explanation, *, color: bool = False, width: int = 100) -> str:
    """The explanation as lines of text at most ``width`` wide (as far as its words allow)."""
    paint = _Paint(color)
    lines = [paint.title(explanation.title)]
    for section in explanation.sections:
        lines += ["", paint.heading(section.title)]
        with_bytes = any(row.start is not None for row in section.rows)
        alike = [s for s in explanation.sections if with_bytes == any(r.start is not None for r in s.rows)]
        names = max(len(row.name) for s in alike for row in s.rows)
        for row in section.rows:
            lines += _lines(row, paint, min(names, 34), with_bytes=with_bytes, width=width)
    return "\n".join(lines)


def number_text(value: Decimal | float, language: str) -> str:
    """A number with the language's decimal sign and its thousands apart: 12 345,67."""
    text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,.6f}".rstrip("0").rstrip(".")
    swap = {",": "\u202f", ".": ","} if language == "sv" else {",": "\u202f"}
    return "".join(swap.get(sign, sign) for sign in text)


def _title(telegram: Telegram, language: str) -> str:
    address = meter_address(telegram.header, telegram.records)
    words = [telegram.model] if telegram.model else []
    if address:
        words += [medium(address.device_type, language), f"{address.manufacturer} {address.identification}"]
    return " · ".join(words) or TEXTS["telegram"][language]


def _layers(telegram: Telegram, codes: Sequence[str], language: str) -> Iterator[Section]:
    """One section a layer, in the order of the bytes; the records stand in the application layer."""
    for layer in LAYERS:
        spans = sorted((s for s in telegram.spans if s.layer == layer), key=lambda span: span.start)
        if layer == "apl":
            rows = tuple(_application(telegram, spans, codes, language))
        else:
            rows = tuple(_field(span, telegram.plain, language) for span in spans)
        yield Section(layer, LAYERS[layer][language], rows)


def _field(span: Span, plain: bytes, language: str) -> Row:
    name, meaning = span_text(span.name, language), span_text(span.meaning, language)
    return Row("field", name, meaning, span.start, span.end, _hex(plain[span.start : span.end]))


def _application(
    telegram: Telegram, spans: Sequence[Span], codes: Sequence[str], language: str
) -> Iterator[Row]:
    """The records with their parts, and what else the application layer holds, in the order of the bytes."""
    rest = [span for span in spans if not any(_inside(span, record) for record in telegram.records)]
    found: list[tuple[int, int, list[Row]]] = [
        (span.start, 0, [_field(span, telegram.plain, language)]) for span in rest
    ]
    block = (0, 0)  # the last bytes of a manufacturer's own: what was found in them is part of them
    for order, (record, code) in enumerate(zip(telegram.records, codes, strict=True), 1):
        rows = [*_record_rows(record, code, telegram.plain, language)]
        if record.quantity == "manufacturer_specific":
            block = record.range
        elif block[0] <= record.range[0] and record.range[1] <= block[1]:
            rows = [replace(row, kind="part") for row in rows[:1]]
        found.append((record.range[0], order, rows))
    for _start, _order, rows in sorted(found, key=lambda entry: entry[:2]):
        yield from rows


def _inside(span: Span, record: Record) -> bool:
    return record.range[0] <= span.start and span.end <= record.range[1]


def _record_rows(record: Record, code: str, plain: bytes, language: str) -> Iterator[Row]:
    start, end = record.range
    symbol = BY_CODE[code].symbol if code else ""
    name = quantity(record.quantity, language)
    yield Row(
        "record",
        f"{symbol} {name}".strip(),
        _record_words(record, language),
        start,
        end,
        _hex(plain[start:end]),
    )
    whole = record.dib + record.vib + record.data
    if not record.vib or plain[start:end] != whole:
        return  # a compact frame holds the data alone, a profile's value has no head of its own
    after_dib, after_vib = start + len(record.dib), start + len(record.dib) + len(record.vib)
    yield Row("part", "DIF", _dib_words(record, language), start, after_dib, _hex(record.dib))
    yield Row("part", "VIF", _vib_words(record, language), after_dib, after_vib, _hex(record.vib))
    if record.data:
        value = _value_words(record, language)
        yield Row("part", TEXTS["data"][language], value, after_vib, end, _hex(record.data))


def _record_words(record: Record, language: str) -> str:
    words = [_value_words(record, language)]
    if record.function != "instantaneous":
        words.append(FUNCTIONS[record.function][language])
    words += [
        f"{TEXTS[name][language]} {number}"
        for name, number in (
            ("storage", record.storage),
            ("tariff", record.tariff),
            ("subunit", record.subunit),
        )
        if number
    ]
    if record.at is not None:
        words.append(f"{record.at:%Y-%m-%d %H:%M}")
    return ", ".join([*words, *(modifier(text, language) for text in record.modifiers)])


def _dib_words(record: Record, language: str) -> str:
    coding = CODINGS[record.dib[0] & 0x0F][language]
    parts = [coding, FUNCTIONS[record.function][language], f"{TEXTS['storage'][language]} {record.storage}"]
    if record.tariff:
        parts.append(f"{TEXTS['tariff'][language]} {record.tariff}")
    if record.subunit:
        parts.append(f"{TEXTS['subunit'][language]} {record.subunit}")
    return ", ".join(parts)


def _vib_words(record: Record, language: str) -> str:
    words = quantity(record.quantity, language) + (f" [{record.unit}]" if record.unit else "")
    return ", ".join([words, *(modifier(text, language) for text in record.modifiers)])


def _value_words(record: Record, language: str) -> str:
    value = record.value
    if value is None:
        return span_text(record.error, language) if record.error else TEXTS["no_value"][language]
    if isinstance(value, int) and record.quantity in _BIT_FIELDS:
        return f"0x{value:0{2 * len(record.data)}X}"
    text = f"{_value_text(value, language)} {record.unit}".rstrip()
    return f"{text} ({span_text(record.error, language)})" if record.error else text


def _value_text(value: Value, language: str) -> str:
    if isinstance(value, bytes):
        return _hex(value)
    if isinstance(value, int | float | Decimal):
        return number_text(Decimal(value) if isinstance(value, int) else value, language)
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _registers(telegram: Telegram, language: str) -> Section:
    broken = sensor_errors(telegram.family, telegram.registers)
    rows = []
    for code, value in telegram.registers.items():
        row = register_row(code, value, telegram.sent.get(code), language)
        if code in broken:
            row = replace(row, kind="alarm", meaning=f"{row.meaning} ({TEXTS['sensor_error'][language]})")
        rows.append(row)
    if telegram.meter_time:
        rows.append(Row("value", TEXTS["meter_time"][language], f"{telegram.meter_time:%Y-%m-%d %H:%M:%S}"))
    return Section("registers", TEXTS["registers"][language], tuple(rows))


def register_row(code: str, value: Decimal | float, sent: tuple[str, int] | None, language: str) -> Row:
    """A register's value as it was sent, and in its own unit where that is another."""
    register = BY_CODE[code]
    name = f"{register.symbol} {register.sv if language == 'sv' else register.en}".strip()
    if sent is None:
        return Row("value", name, f"{number_text(value, language)} {register.unit}".rstrip())
    unit, decimals = sent
    text = f"{number_text(as_sent(value, unit, decimals), language)} {unit}".rstrip()
    if register.unit and unit != register.unit:
        rounded = round(Decimal(str(value)), register.decimals)
        text += f" = {number_text(rounded, language)} {register.unit}"
    return Row("value", name, text)


def _dated(telegram: Telegram, language: str) -> Iterator[Section]:
    for dated in telegram.dated:
        yield Section(
            "dated", f"{TEXTS['dated'][language]} {dated.at:%Y-%m-%d %H:%M}", _dated_rows(dated, language)
        )


def _dated_rows(dated: Dated, language: str) -> tuple[Row, ...]:
    return tuple(
        register_row(code, value, dated.sent.get(code), language) for code, value in dated.registers.items()
    )


def _info(telegram: Telegram, language: str) -> Section:
    rows = [_info_row(code, language) for code in telegram.info_codes]
    if telegram.info_code is not None and not rows:
        rows = [Row("value", TEXTS["info_code"][language], TEXTS["all_well"][language])]
    elif telegram.info_code:
        rows.insert(
            0, Row("value", TEXTS["info_code"][language], f"{telegram.info_code} = 0x{telegram.info_code:X}")
        )
    return Section("info", TEXTS["info"][language], tuple(rows))


def _info_row(code: InfoCode, language: str) -> Row:
    kind = {1: "notice", 2: "warning", 3: "alarm"}[code.severity]
    return Row(kind, TEXTS[kind][language], code.sv if language == "sv" else code.en)


def _header_rows(header: Header, language: str) -> tuple[Row, ...]:
    rows = []
    for name, address in (("address", header.address), ("link_address", header.link_address)):
        if address and not (name == "link_address" and address == header.address):
            rows.append(Row("field", TEXTS[name][language], _address_words(address, language)))
    chain = " ".join(f"{ci:02X}" for ci in header.ci_chain)
    rows.append(Row("field", "CI", chain))
    rows.append(Row("field", TEXTS["security"][language], span_text(header.security, language)))
    return tuple(rows)


def _address_words(address: Address, language: str) -> str:
    kind = f"{address.device_type:02X} {medium(address.device_type, language)}"
    return f"{address.manufacturer} {address.identification}, version {address.version:02X}, {kind}"


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()


class _Paint:
    """Terminal colours, or none."""

    _TONES = {"alarm": "1;31", "warning": "1;33", "notice": "36", "record": "1", "value": "1"}  # noqa: RUF012

    def __init__(self, color: bool) -> None:
        self.color = color

    def title(self, text: str) -> str:
        return self._in("1", text) if self.color else f"{text}\n{'=' * len(text)}"

    def heading(self, text: str) -> str:
        return self._in("1;36", text) if self.color else f"{text}\n{'-' * len(text)}"

    def faint(self, text: str) -> str:
        return self._in("2", text)

    def row(self, kind: str, text: str) -> str:
        return self._in(self._TONES[kind], text) if kind in self._TONES else text

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text.strip() else text


_BYTES_SHOWN = 8
_BIT_FIELDS = frozenset({"info_code", "error_flags"})


def _lines(row: Row, paint: _Paint, names: int, *, with_bytes: bool, width: int) -> Iterator[str]:
    """One row as one or more lines: place, bytes, name, meaning."""
    before = ""
    indent = "  " if row.kind == "part" else ""
    if with_bytes:
        words = row.bytes.split()
        more = "…" if len(words) > _BYTES_SHOWN else ""
        place = f"{row.start:>4}" if row.start is not None else "    "
        before = f"{place}  {' '.join(words[:_BYTES_SHOWN]) + more:<{3 * _BYTES_SHOWN + 1}} "
    name = f"{indent}{row.name}"
    head = f"{name:<{names + 2}} "
    room = max(24, width - len(before) - len(head))
    texts = wrap(row.meaning, room, break_long_words=False) or [""]
    yield paint.faint(before) + paint.row(row.kind, head) + paint.row(row.kind, texts[0])
    for text in texts[1:]:
        yield " " * (len(before) + len(head)) + paint.row(row.kind, text)
