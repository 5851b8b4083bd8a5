"""Compare what the batch decoder says with what the single decoder says of the same telegrams."""

from collections.abc import Iterable, Sequence

import numpy as np

from avlas.decode.batch import NONE, SECURITY_RANK, Columns, Keyring, batch, headers
from avlas.decode.batch.columns import format_text, has_sensor_error, kind_of, other, other_json, seconds
from avlas.decode.compact import Layouts
from avlas.decode.errors import DecodeError
from avlas.decode.single import telegram
from avlas.decode.types import Telegram

_POSITIVE = (1 << 63) - 1  # what an integer column can hold of an info code of 64 bits


def one_by_one(
    frames: Iterable[bytes], keys: Iterable[bytes | None], layouts: Layouts
) -> list[Telegram | DecodeError]:
    """The single decoder's answers, taught by them as the batch decoder is."""
    answers: list[Telegram | DecodeError] = []
    for frame, key in zip(frames, keys, strict=True):
        try:
            one = telegram(frame, key, format="a", layouts=layouts)
            layouts.learn(one)
            answers.append(one)
        except DecodeError as error:
            answers.append(error)
    return answers


def at_once(frames: Sequence[bytes], key: bytes | None, layouts: Layouts) -> Columns:
    """The batch decoder's answer when all telegrams have one key."""
    heads = headers(frames)
    ring = Keyring()
    for address in set(heads.address.tolist()) - {0}:
        ring.set(address, key)
    return batch(heads, None, ring, layouts)


def differences(columns: Columns, answers: Sequence[Telegram | DecodeError]) -> dict[int, list[str]]:
    """Row -> in what the batch decoder's columns differ from the single decoder's answers."""
    now = {row: place for place, row in enumerate(columns.now.row.tolist())}
    dated: dict[int, list[object]] = {}
    for place, row in enumerate(columns.dated.row.tolist()):
        values = {code: column[place] for code, column in columns.dated.registers.items()}
        dated.setdefault(row, []).append(
            (int(columns.dated_at[place]), columns.formats[columns.dated.format[place]], _there(values))
        )
    found = {}
    for row, one in enumerate(answers):
        if isinstance(one, DecodeError):
            error = columns.errors.get(row)
            pairs = {"error": ((type(one), one.message), error and (type(error), error.message))}
        elif row in columns.errors or row not in now:
            pairs = {"error": (None, columns.errors.get(row))}
        else:
            place = now[row]
            values = {code: column[place] for code, column in columns.now.registers.items()}
            pairs = {
                "registers": (_floats(one.registers), _there(values)),
                "format": (format_text(one.registers, one.sent), columns.formats[columns.now.format[place]]),
                "dated": (
                    sorted(
                        (seconds(d.at), format_text(d.registers, d.sent), sorted(_floats(d.registers).items()))
                        for d in one.dated
                    ),
                    sorted((at, spec, sorted(said.items())) for at, spec, said in dated.get(row, [])),
                ),
                "info code": (NONE if one.info_code is None else one.info_code & _POSITIVE, int(columns.info_code[row])),
                "clock": (
                    NONE if one.meter_time is None else seconds(one.meter_time), int(columns.meter_time[row])
                ),
                "kind": (kind_of(one), columns.kinds[columns.kind[row]]),
                "sensor": (has_sensor_error(one), bool(columns.sensor_error[row])),
                "security": (SECURITY_RANK.get(one.header.security, 0), int(columns.security[row])),
                "counter": (
                    NONE if one.header.counter is None else one.header.counter, int(columns.counter[row])
                ),
                "other": (other_json(other(one)), columns.other(np.array([row]))[0]),
            }  # fmt: skip
        wrong = [f"{name}: {want!r} became {got!r}" for name, (want, got) in pairs.items() if want != got]
        if wrong:
            found[row] = wrong
    return found


def _there(values: dict[str, np.floating]) -> dict[str, float]:
    return {code: float(value) for code, value in values.items() if not np.isnan(value)}


def _floats(registers: dict) -> dict[str, float]:
    return {code: float(value) for code, value in registers.items() if code != "info_code"}
