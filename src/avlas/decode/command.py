"""``avlas decode``: telegrams as arguments or lines in, explanations or JSON lines out.

One line is one telegram, ``HEX`` or ``HEX KEY``; spaces between the bytes of HEX, and the signs ``_ | :``
in it, do no harm. Empty lines and lines that begin with # are passed over. Every other line gives exactly
one answer, in order and at once, so that the command works as a filter in a pipe; what goes wrong with
one line is that line's answer and never stops the next. Layouts of compact frames are learnt from the
full frames that came before in the same run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from json import dumps
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlas.decode import kmp
from avlas.decode.afl import Assembler
from avlas.decode.compact import Layouts
from avlas.decode.errors import DecodeError
from avlas.decode.explain import explain, explain_bad_input, explain_error, render
from avlas.decode.families import assign, hand_over, meter_address
from avlas.decode.family_files import FORMATS, own_families
from avlas.decode.family_words import problem_text
from avlas.decode.kmp import explain as kmp_explain
from avlas.decode.single import telegram
from avlas.decode.wired import mended

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from avlas.decode.types import Address, InfoCode, Record, Telegram

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_BETWEEN = re.compile(r"[_|:]")
_KEY_LENGTHS = (32, 16)
_KMP = "kmp"
_INTEGERS = (1, 2, 3, 4, 6, 7)  # data fields of the DIF


@dataclass(frozen=True, slots=True)
class BadInput:
    """A line that holds no telegram: what is wrong with it."""

    message: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``avlas decode``."""
    parser.add_argument(
        "telegrams", nargs="*", metavar="HEX", help="a telegram; without any: one a line on stdin"
    )
    parser.add_argument(
        "--key", type=hexadecimal_key, metavar="HEX", help="the meter's key, 32 hexadecimal digits"
    )
    parser.add_argument(
        "--format",
        choices=(*FORMATS, _KMP),
        default="auto",
        help="a: wireless, begins with the L-field, no link CRCs; a-crc, b-crc: with them; wired: 68 .. 16; "
        "kmp: a frame of an optical head, 40 or 80 .. 0D",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="take wired frames whose length or check sum is wrong for what they hold",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line instead of an explanation"
    )
    parser.add_argument(
        "--language",
        choices=("sv", "en"),
        default=_language(),
        help="of the explanation (default: %(default)s)",
    )
    parser.add_argument(
        "--families", type=Path, metavar="DIR", help="a folder with meter family files of your own"
    )


def run(args: argparse.Namespace) -> int:
    """Decode everything given; the exit status is 0 whatever the telegrams were."""
    if args.families:
        _read_families(args.families, args.language)
    decoder = _Decoder(args.format, force=args.force)
    for number, line in _numbered(args.telegrams or _standard_input()):
        parsed = parse_line(line, args.key)
        answer = (
            _answer_json(parsed, number, decoder)
            if args.json
            else _answer_text(parsed, number, args, decoder)
        )
        print(answer, flush=True)
    return 0


def _read_families(folder: Path, language: str) -> None:
    """Hand the decoder the family files of a folder; bad ones are named with file and line and passed over."""
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {folder}")
    texts = {path.stem: path.read_text("utf-8", "replace") for path in folder.glob("*.toml")}
    own, wrong = own_families(texts)
    hand_over(own)
    for one in wrong:
        print(f"{folder / one.name}.toml:{one.line}: {problem_text(one.message, language)}", file=sys.stderr)


class _Decoder:
    """Decodes one telegram after the other and remembers what the next ones need: layouts and fragments."""

    def __init__(self, frame_format: str, *, force: bool) -> None:
        self.format = frame_format
        self.force = force
        self.layouts = Layouts.shipped()
        self.fragments = Assembler()

    def decode(self, frame: bytes, key: bytes | None) -> Telegram:
        """The telegram, or the whole message of which it is the last fragment. Raises DecodeError."""
        if self.force and self.format in ("auto", "wired"):
            frame = mended(frame)
        whole = self.fragments.add(frame) if self.format in ("auto", "a") else frame
        joined = whole is not None and whole is not frame
        decoded = telegram(
            whole or frame,
            key,
            format="assembled" if joined else self.format,
            layouts=self.layouts,
            accept_clear=True,
        )
        self.layouts.learn(decoded)
        return decoded


def as_json(decoded: Telegram) -> dict[str, Any]:
    """A telegram as the contract of ``avlas decode --json`` (DESIGN section 4) has it; Decimals kept."""
    codes = assign(decoded.header, decoded.records)
    meanings = [code for code in decoded.info_codes if code.source != "status"]
    return {
        **_who(meter_address(decoded.header, decoded.records)),
        "medium": decoded.medium,
        "model": decoded.model,
        "family": decoded.family,
        "link": "wired" if decoded.header.wired else "wireless",
        "security": decoded.header.security,
        "counter": decoded.header.counter,
        "meter_time": decoded.meter_time,
        "records": [_record(r, code) for r, code in zip(decoded.records, codes, strict=True)],
        "registers": decoded.registers,
        "dated": [{"at": d.at, "storage": d.storage, "registers": d.registers} for d in decoded.dated],
        "info_code": decoded.info_code,
        "info_codes": [_meaning(code) for code in meanings],
        "status": [_meaning(code) for code in decoded.info_codes if code.source == "status"],
    }


def error_json(error: DecodeError) -> dict[str, Any]:
    """Why a telegram could not be decoded, with what could be read of its header."""
    who = _who(error.header.address or error.header.link_address) if error.header else {}
    return {"error": error.kind, "message": error.message, **who}


def to_line(value: object) -> str:
    """One line of JSON; Decimals as numbers with all their digits, times in ISO 8601, bytes as hex."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dumps(key)}: {to_line(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(to_line, value)) + "]"
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else "null"
    if isinstance(value, float):
        return dumps(value) if isfinite(value) else "null"
    if isinstance(value, date | time):  # a datetime is a date too
        return dumps(value.isoformat())
    if isinstance(value, bytes):
        return dumps(value.hex().upper())
    return dumps(value, ensure_ascii=False)


def _who(address: Address | None) -> dict[str, Any]:
    if address is None:
        return {}
    return {
        "manufacturer": address.manufacturer,
        "id": address.identification,
        "version": address.version,
        "device_type": address.device_type,
    }


def _record(record: Record, code: str) -> dict[str, Any]:
    """One record; tariff and subunit are left out when they are 0, raw is there when there is no value."""
    made: dict[str, Any] = {
        "quantity": record.quantity,
        "unit": record.unit,
        "value": record.value,
        "function": record.function,
        "storage": record.storage,
        "tariff": record.tariff,
        "subunit": record.subunit,
        "register": code or None,
        "range": record.range,
        "modifiers": record.modifiers,
        "at": record.at,
        "error": record.error,
    }
    for key in ("tariff", "subunit", "modifiers", "at", "error"):
        if not made[key]:
            del made[key]
    whole_number = record.dib and record.dib[0] & 0x0F in _INTEGERS and record.vif_key not in ("6C", "6D")
    if record.value is None and whole_number:
        made["raw"] = int.from_bytes(record.data, "little", signed=True)
    return made


def _meaning(code: InfoCode) -> dict[str, Any]:
    return {
        "code": code.code,
        "sv": code.sv,
        "en": code.en,
        "severity": code.severity,
        "source": code.source,
    }


def _answer_json(parsed: tuple[bytes, bytes | None] | BadInput, number: int, decoder: _Decoder) -> str:
    if isinstance(parsed, BadInput):
        return to_line({"error": "bad_input", "message": parsed.message, "line": number})
    try:
        if decoder.format == _KMP:
            return to_line(kmp_explain.as_json(kmp.decode(parsed[0])))
        return to_line(as_json(decoder.decode(*parsed)))
    except DecodeError as error:
        return to_line(error_json(error))


def _answer_text(
    parsed: tuple[bytes, bytes | None] | BadInput, number: int, args: argparse.Namespace, decoder: _Decoder
) -> str:
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((100, 24)).columns
    if isinstance(parsed, BadInput):
        told = explain_bad_input(parsed.message, number, args.language)
    elif decoder.format == _KMP:
        try:
            told = kmp_explain.explain(kmp.decode(parsed[0]), args.language)
        except DecodeError as error:
            told = kmp_explain.explain_error(error, parsed[0], args.language)
    else:
        try:
            told = explain(decoder.decode(*parsed), args.language)
        except DecodeError as error:
            told = explain_error(error, parsed[0], args.language)
    return render(told, color=color, width=width) + "\n"


def _standard_input() -> Iterator[str]:
    """Lines as they arrive; bytes that are no UTF-8 make that one line wrong, not the whole run."""
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "replace")


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Every line that is not empty and no comment, with its number from 1."""
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def parse_line(line: str, default_key: bytes | None) -> tuple[bytes, bytes | None] | BadInput:
    """Frame and key of one line, or what is wrong with it."""
    words = _BETWEEN.sub("", line).split()
    key = default_key
    if len(words) > 1 and len(words[-1]) > 2:
        try:
            key = hexadecimal_key(words.pop())
        except argparse.ArgumentTypeError as error:
            return BadInput(str(error))
    if len(words) > 1 and any(len(word) != 2 for word in words):
        return BadInput("a line is HEX or HEX KEY; there are more words in it")
    text = "".join(words)
    if _HEX.fullmatch(text):
        return bytes.fromhex(text), key
    wrong = re.search(r"[^0-9A-Fa-f]", text)
    if wrong:
        return BadInput(f"no hexadecimal digit at place {wrong.start() + 1}: {wrong.group()!r}")
    return BadInput(f"{len(text)} hexadecimal digits are no whole number of bytes")


def hexadecimal_key(text: str) -> bytes:
    """A key of 16 bytes, or 8 for DES, from its digits. Raises ArgumentTypeError with what is wrong."""
    if len(text) not in _KEY_LENGTHS:
        raise argparse.ArgumentTypeError(f"a key is 32 hexadecimal digits (16 for DES), not {len(text)}")
    if not _HEX.fullmatch(text):
        raise argparse.ArgumentTypeError("there is another sign than hexadecimal digits in the key")
    return bytes.fromhex(text)


def _language() -> str:
    """Swedish where the environment says so, else English (the same order as in cli.py)."""
    for name in ("AVLAS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "sv" if value.startswith("sv") else "en"
    return "en"
