"""The samples of a family file: what comes out of their telegrams against what the file expects."""

from __future__ import annotations

from datetime import datetime
from math import isclose
from typing import TYPE_CHECKING, Any

from avlas.decode.compact import Layouts
from avlas.decode.errors import DecodeError
from avlas.decode.families import sensor_errors
from avlas.decode.single import telegram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from avlas.decode.family_files import Family, Sample
    from avlas.decode.types import Telegram

_PRECISION = 1e-9


def differences(family: Family, sample: Sample) -> list[str]:
    """Where the decoded sample differs from what the file expects of it, in plain words; empty: nowhere.

    The family must be among those the decoder knows (``families.hand_over``). Registers and dated values
    must be exactly those expected; what ``expect`` leaves out is not looked at.
    """
    key = bytes.fromhex(sample.key) if sample.key else None
    try:
        decoded = telegram(
            bytes.fromhex(sample.telegram), key, format=sample.format, layouts=Layouts.shipped()
        )
    except DecodeError as error:
        return [f"telegram cannot be decoded: {error.message}"]
    found = (
        [] if decoded.family == family.name else [f"telegram is read by {_reader(decoded)}, not this file"]
    )
    expect = sample.expect
    for name, value in _plain(decoded).items():
        if name in expect and expect[name] != value:
            found.append(f"{name} is {value!r}, expected {expect[name]!r}")
    if "meter_time" in expect and decoded.meter_time != _moment(expect["meter_time"]):
        found.append(f"meter_time is {decoded.meter_time}, expected {expect['meter_time']}")
    for name in ("info_codes", "sensor_errors"):
        active = {code.code for code in decoded.info_codes}
        is_now = active if name == "info_codes" else sensor_errors(decoded.family, decoded.registers)
        if name in expect and set(expect[name]) != is_now:
            found.append(f"{name} are {sorted(is_now)}, expected {sorted(expect[name])}")
    if "registers" in expect:
        found += _register_differences(decoded.registers, expect["registers"])
    return found + _dated_differences(decoded, expect.get("dated", []))


def _reader(decoded: Telegram) -> str:
    return f"{decoded.family}.toml" if decoded.family else "no family file"


def _plain(decoded: Telegram) -> dict[str, Any]:
    who = decoded.header.address or decoded.header.link_address
    return {
        "id": who.identification if who else "",
        "model": decoded.model,
        "medium": decoded.medium,
        "info_code": decoded.info_code,
    }


def _register_differences(
    found: Mapping[str, Decimal | float], expected: Mapping[str, Any], where: str = ""
) -> list[str]:
    said = []
    for code in dict.fromkeys((*expected, *found)):
        is_now, wanted = found.get(code), expected.get(code)
        if is_now is None:
            said.append(f"{code}{where} is not there, expected {wanted}")
        elif wanted is None:
            said.append(f"{code}{where} is {is_now}, not expected")
        elif not isinstance(wanted, int | float) or not isclose(is_now, wanted, rel_tol=_PRECISION):
            said.append(f"{code}{where} is {is_now}, expected {wanted}")
    return said


def _dated_differences(decoded: Telegram, expected: Iterable[Any]) -> list[str]:
    wanted = {at: one.get("registers", {}) for one in expected if (at := _moment(one.get("at")))}
    is_now = {one.at: one.registers for one in decoded.dated}
    said = []
    for at in sorted({*wanted, *is_now}):
        said += _register_differences(is_now.get(at, {}), wanted.get(at, {}), f" of {at:%Y-%m-%d %H:%M}")
    return said


def _moment(text: object) -> datetime | None:
    """A moment as files write it; None for anything else."""
    if isinstance(text, datetime):
        return text
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
