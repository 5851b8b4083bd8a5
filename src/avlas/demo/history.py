"""Thirteen months of readings, written as columns without going through telegrams."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection, transaction

from avlas.cli import text
from avlas.decode.families import named
from avlas.decode.registers import CODES
from avlas.meters import column_store, formats
from avlas.meters.models import Collector, InfoEvent, Kind, Meter, MeterState, Quality, Source, State
from avlas.meters.slots import FLOAT_CODES, READING_KEY
from avlas.meters.steps import JUDGED
from avlas.reports.calc.judgement import BACKWARDS, ROLLED_OVER, counter_step
from avlas.simulate.layouts import meter_type
from avlas.simulate.meter import SimulatedMeter

if TYPE_CHECKING:
    from avlas.simulate.town import Heard, Town

_CHUNK = 64  # meters in one transaction: under half a second
_STATE_BATCH = 300


class Progress:
    """A bar on the terminal; nothing where the output is no terminal but a line at the end."""

    def __init__(self) -> None:
        self.on_terminal = sys.stderr.isatty()

    def show(self, done: int, of: int) -> None:
        """Show that ``done`` meters ``of`` all have their history."""
        if self.on_terminal:
            share = done / of
            bar = "█" * round(share * 30)
            words = text("writing 13 months of readings", "skriver 13 månaders avläsningar")
            end = "\n" if done == of else ""
            print(f"\r  {bar:<30} {share:4.0%}  {words}", end=end, file=sys.stderr, flush=True)


def write_history(
    town: Town, utility_id: int, meters: dict[int, Meter], collectors: list[Collector], progress: Progress
) -> None:
    """Write what the collectors heard in the past, with the marks and events that ingest would have made."""
    readable = [index for index in town.readable().tolist() if index in meters]
    done = 0
    for heard in town.history(_CHUNK, readable):
        with transaction.atomic():
            _write_chunk(town, utility_id, meters, collectors, heard)
        done += len(heard.meters)
        progress.show(done, len(readable))


def _write_chunk(
    town: Town, utility_id: int, meters: dict[int, Meter], collectors: list[Collector], heard: Heard
) -> None:
    slots = heard.slots.astype(np.int64)
    at = heard.heard_at.astype(np.int64)
    there = heard.collector >= 0
    states = []
    for place, index in enumerate(heard.meters.tolist()):
        slot = np.flatnonzero(there[place])
        if not slot.size:
            continue
        meter, one = meters[index], town.meters[index]
        values = {
            code: column[place, slot] for code, column in heard.values.items()
            if code in (*one.sent, "info_code") and not np.isnan(column[place, slot]).all()
        }  # fmt: skip
        spec = _spec(dict(one.sent), values)
        quality = _judge(meter, spec, values)
        info = values.pop("info_code", np.zeros(slot.size))
        _insert(
            meter.pk, slots[slot], at[place, slot], Kind.LIVE, quality, spec, values, info, wired=one.wired
        )
        _info_events(meter.pk, slots[slot], info)
        states.append(
            _state(utility_id, meter, town, index, at[place, slot], info, heard, place, slot, collectors)
        )
    MeterState.objects.bulk_create(states, batch_size=_STATE_BATCH)
    _write_month_starts(town, meters, heard)


def _spec(sent: dict[str, tuple[str, int]], values: dict[str, np.ndarray]) -> str:
    return json.dumps({code: sent[code] for code in sorted(sent) if code in values}, separators=(",", ":"))


def _judge(meter: Meter, spec: str, values: dict[str, np.ndarray]) -> np.ndarray:
    """Roll-overs and steps backwards, as ingest marks them."""
    count = len(next(iter(values.values())))
    quality = np.zeros(count, np.int64)
    family = named(meter.family) if meter.family else None
    for code in JUDGED:
        if code not in values:
            continue
        column = values[code]
        modulus = np.full(count - 1, np.nan)
        for digits in sorted(family.digits, reverse=True) if family else ():
            top = formats.resolution(spec, code) * 10.0**digits
            modulus = np.where(column[:-1] < top, top, modulus)
        verdict = counter_step(column[:-1], column[1:], modulus, np.full(count - 1, np.nan))
        quality[1:] |= np.where(verdict == ROLLED_OVER, int(Quality.ROLLED_OVER), 0)
        quality[1:] |= np.where(verdict == BACKWARDS, int(Quality.BACKWARDS), 0)
    for code, marks in (family.sensor_errors if family else {}).items():
        if code in values:
            broken = np.isin(values[code], [float(mark) for mark in marks])
            quality |= np.where(broken, int(Quality.SENSOR_ERROR), 0)
    return quality


def _insert(
    meter_id: int,
    slots: np.ndarray,
    heard_at: np.ndarray,
    kind: Kind,
    quality: np.ndarray,
    spec: str,
    values: dict[str, np.ndarray],
    info: np.ndarray | None,
    *,
    wired: bool,
) -> None:
    count = len(slots)
    column_store.upsert(
        connection,
        "reading",
        {
            "meter_id": [meter_id] * count,
            "slot_at": slots.tolist(),
            "kind": [int(kind)] * count,
            "heard_at": heard_at.tolist(),
            "source": [int(Source.WIRED if wired else Source.SIMULATED)] * count,
            "quality": quality.tolist(),
            "format_id": [formats.ids({spec})[spec]] * count,
            **{
                code: column_store.nullable(values[code])
                for code in CODES
                if code in values and code in FLOAT_CODES
            },
            **({"info_code": info.astype(np.int64).tolist()} if info is not None else {}),
        },
        READING_KEY,
    )


def _info_events(meter_id: int, slots: np.ndarray, info: np.ndarray) -> None:
    codes = info.astype(np.int64).tolist()
    events, before = [], None
    for slot, code in zip(slots.tolist(), codes, strict=True):
        if code != (before or 0):
            events.append(InfoEvent(meter_id=meter_id, at=slot, code_before=before, code=code))
        before = code
    InfoEvent.objects.bulk_create(events)


def _state(
    utility_id: int, meter: Meter, town: Town, index: int, at: np.ndarray, info: np.ndarray, heard: Heard,
    place: int, slot: np.ndarray, collectors: list[Collector],
) -> MeterState:  # fmt: skip
    one = town.meters[index]
    kind = meter_type(one.type_name)
    rssi = float(heard.rssi_dbm[place, slot[-1]])
    address = SimulatedMeter.of(one.type_name, one.identification, one.key).address
    return MeterState(
        utility_id=utility_id,
        meter=meter,
        address=address.hex().upper(),
        manufacturer=kind.manufacturer,
        identification=one.identification,
        version=kind.version,
        device_type=kind.device_type,
        model=one.model,
        medium=kind.medium,
        security=kind.security if one.key else "none",
        first_heard_at=int(at[0]),
        last_heard_at=int(at[-1]),
        last_read_at=int(at[-1]),
        last_collector=collectors[int(heard.collector[place, slot[-1]])],
        rssi_dbm=None if np.isnan(rssi) else rssi,
        state=State.READ,
        state_at=int(at[-1]),
        heard=len(at),
        read=len(at),
        info_code=int(info[-1]),
    )


def _write_month_starts(town: Town, meters: dict[int, Meter], heard: Heard) -> None:
    """The meters' own values at the first of each month, as their telegrams would have told them."""
    mids = np.arange(
        np.datetime64(town.begin.strftime("%Y-%m"), "M") + 1,
        np.datetime64(town.now.strftime("%Y-%m"), "M") + 1,
    ).astype("datetime64[s]") + np.timedelta64(10, "D")
    which = heard.meters[[_tells_month_starts(town.meters[m].type_name) for m in heard.meters.tolist()]]
    if not len(which) or not len(mids):
        return
    dates, moments = town.target_at(which, mids)
    values = town.values(which, moments)
    for place, index in enumerate(which.tolist()):
        one, stored = town.meters[index], _stored_codes(town.meters[index].type_name)
        stamps = dates[place].astype("datetime64[s]").astype(np.int64) - 3600
        found = {code: column[place] for code, column in values.items() if code in stored}
        good = ~np.isnan(next(iter(found.values()))) & (
            moments[place] >= np.datetime64(town.begin.replace(tzinfo=None))
        )
        if one.dismounted_at is not None:
            good &= stamps < one.dismounted_at.timestamp()
        found = {code: column[good] for code, column in found.items()}
        if good.any():
            spec = _spec(dict(one.sent), found)
            _insert(meters[index].pk, stamps[good], stamps[good] + 60, Kind.LOGGED,
                    np.zeros(int(good.sum()), np.int64), spec, found, None, wired=one.wired)  # fmt: skip


def _stored_codes(type_name: str) -> set[str]:
    """The registers whose month-start value the datagram carries."""
    fields = meter_type(type_name).fields
    return {field.source.removeprefix("target.") for field in fields if field.source.startswith("target.")}


def _tells_month_starts(type_name: str) -> bool:
    return bool(_stored_codes(type_name)) and any(
        f.source == "target_at" for f in meter_type(type_name).fields
    )
