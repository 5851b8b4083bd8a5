"""Thirteen months of readings, written as columns without going through telegrams."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection, transaction

from avlas.decode.families import named
from avlas.meters import column_store, formats
from avlas.meters.models import Collector, InfoEvent, Kind, Meter, MeterState, Quality, Source, State
from avlas.meters.slots import READING_KEY
from avlas.meters.steps import JUDGED
from avlas.reports.calc.judgement import BACKWARDS, ROLLED_OVER, counter_step, modulus
from avlas.simulate.layouts import meter_type
from avlas.simulate.meter import SimulatedMeter
from avlas.system.terminal import text

if TYPE_CHECKING:
    from avlas.simulate.registry import Meter as SimMeter
    from avlas.simulate.town import Heard, Town

_CHUNK = 64  # meters in one transaction: under half a second
_STATE_BATCH = 300
_MINUTE = timedelta(minutes=1)


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


@dataclass(frozen=True, slots=True)
class _Track:
    """One meter's readings of one kind: ``count`` moments, values by register code."""

    meter: Meter
    one: SimMeter
    slots: np.ndarray  # seconds UTC
    heard_at: np.ndarray
    values: dict[str, np.ndarray]  # NaN: none; no info code among them
    info: np.ndarray | None

    @property
    def spec(self) -> str:
        """The format: units and decimals as the meter sends them."""
        sent = self.one.sent
        return json.dumps(
            {code: sent[code] for code in sorted(sent) if code in self.values}, separators=(",", ":")
        )


def _write_chunk(
    town: Town, utility_id: int, meters: dict[int, Meter], collectors: list[Collector], heard: Heard
) -> None:
    slots, at = heard.slots.astype(np.int64), heard.heard_at.astype(np.int64)
    states = []
    for place, index in enumerate(heard.meters.tolist()):
        there = np.flatnonzero(heard.collector[place] >= 0)
        if not there.size:
            continue
        one = town.meters[index]
        values = {code: heard.values[code][place, there] for code in one.sent if code in heard.values}
        values = {code: column for code, column in values.items() if not np.isnan(column).all()}
        info = (
            heard.values["info_code"][place, there] if "info_code" in heard.values else np.zeros(there.size)
        )
        info = np.nan_to_num(info).astype(np.int64)
        track = _Track(meters[index], one, slots[there], at[place, there], values, info)
        _insert(track, Kind.LIVE, _judge(track))
        _info_events(track.meter.pk, track.slots, info)
        state = _state(utility_id, track, collectors[int(heard.collector[place, there[-1]])])
        rssi = float(heard.rssi_dbm[place, there[-1]])
        state.rssi_dbm = None if np.isnan(rssi) else rssi
        states.append(state)
    MeterState.objects.bulk_create(states, batch_size=_STATE_BATCH)
    _write_month_starts(town, meters, heard)
    for index in heard.meters.tolist():
        _write_exchange(town, meters[index], index)


def _judge(track: _Track) -> np.ndarray:
    """Roll-overs, steps backwards and broken sensors, as ingest marks them."""
    quality = np.zeros(len(track.slots), np.int64)
    family = named(track.meter.family) if track.meter.family else None
    unknown = np.full(len(track.slots) - 1, np.nan)
    for code in set(JUDGED) & set(track.values):
        column, step = track.values[code], formats.resolution(track.spec, code)
        top = modulus(column[:-1], step, family.digits if family else ())
        verdict = counter_step(column[:-1], column[1:], top, unknown)
        quality[1:] |= np.where(verdict == ROLLED_OVER, int(Quality.ROLLED_OVER), 0)
        quality[1:] |= np.where(verdict == BACKWARDS, int(Quality.BACKWARDS), 0)
    for code, marks in (family.sensor_errors if family else {}).items():
        if code in track.values:
            broken = np.isin(track.values[code], [float(mark) for mark in marks])
            quality |= np.where(broken, int(Quality.SENSOR_ERROR), 0)
    return quality


def _insert(track: _Track, kind: Kind, quality: np.ndarray, source: Source = Source.SIMULATED) -> None:
    count = len(track.slots)
    if source == Source.SIMULATED and track.one.wired:
        source = Source.WIRED
    columns = {code: column_store.nullable(column) for code, column in track.values.items()}
    if track.info is not None:
        columns["info_code"] = track.info.tolist()
    column_store.upsert(
        connection,
        "reading",
        {
            "meter_id": [track.meter.pk] * count,
            "slot_at": track.slots.tolist(),
            "kind": [int(kind)] * count,
            "heard_at": track.heard_at.tolist(),
            "source": [int(source)] * count,
            "quality": quality.tolist(),
            "format_id": [formats.ids({track.spec})[track.spec]] * count,
            **columns,
        },
        READING_KEY,
    )


def _info_events(meter_id: int, slots: np.ndarray, info: np.ndarray) -> None:
    events, before = [], None
    for slot, code in zip(slots.tolist(), info.tolist(), strict=True):
        if code != (before or 0):
            events.append(InfoEvent(meter_id=meter_id, at=slot, code_before=before, code=code))
        before = code
    InfoEvent.objects.bulk_create(events)


def _state(utility_id: int, track: _Track, collector: Collector) -> MeterState:
    one, at = track.one, track.heard_at
    kind = meter_type(one.type_name)
    address = SimulatedMeter.of(one.type_name, one.identification, one.key).address
    return MeterState(
        utility_id=utility_id,
        meter=track.meter,
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
        last_collector=collector,
        state=State.READ,
        state_at=int(at[-1]),
        heard=len(at),
        read=len(at),
        info_code=None if track.info is None else int(track.info[-1]),
    )


def _write_month_starts(town: Town, meters: dict[int, Meter], heard: Heard) -> None:
    """The meters' own values at the first of each month, as their telegrams would have told them."""
    first, last = (
        np.datetime64(town.begin.strftime("%Y-%m"), "M"),
        np.datetime64(town.now.strftime("%Y-%m"), "M"),
    )
    inside = np.arange(first + 1, last + 1).astype("datetime64[D]") + 10  # some day of each month
    which = np.array([m for m in heard.meters.tolist() if _stored_codes(town.meters[m].type_name)], np.int64)
    if not which.size or not inside.size:
        return
    dates, moments = town.target_at(which, np.asarray(inside, "datetime64[s]"))
    values = town.values(which, moments)
    begin = np.datetime64(town.begin.replace(tzinfo=None))
    for place, index in enumerate(which.tolist()):
        one, stored = town.meters[index], _stored_codes(town.meters[index].type_name)
        stamps = dates[place].astype("datetime64[s]").astype(np.int64) - 3600  # 00:00 in standard time
        found = {code: column[place] for code, column in values.items() if code in stored}
        good = ~np.isnan(next(iter(found.values()))) & (moments[place] >= begin)
        if one.dismounted_at is not None:
            good &= stamps < one.dismounted_at.timestamp()
        if good.any():
            found = {code: column[good] for code, column in found.items()}
            track = _Track(meters[index], one, stamps[good], stamps[good] + 60, found, None)
            _insert(track, Kind.LOGGED, np.zeros(int(good.sum()), np.int64))


def _write_exchange(town: Town, meter: Meter, index: int) -> None:
    """What the fitter wrote down: the first figures of a meter put up in the history, the last of one taken down."""
    one = town.meters[index]
    begun = one.mounted_at if one.mounted_at is not None and one.mounted_at > town.begin else None
    for at, look_at in (
        (begun, begun),
        (one.dismounted_at, one.dismounted_at and one.dismounted_at - _MINUTE),
    ):
        if at is None or look_at is None:
            continue
        shown = town.values(index, np.array([look_at.replace(tzinfo=None)], "datetime64[s]"))
        figures = {code: shown[code] for code in JUDGED if code in shown and not np.isnan(shown[code]).any()}
        if figures:
            stamp = np.array([int(at.timestamp())])
            track = _Track(meter, one, stamp, stamp, figures, None)
            _insert(track, Kind.ENTERED, np.zeros(1, np.int64), Source.EXCHANGE)


def _stored_codes(type_name: str) -> set[str]:
    """The registers whose month-start value the datagram carries, with the date it belongs to."""
    sources = [field.source for field in meter_type(type_name).fields]
    if "target_at" not in sources:
        return set()
    return {source.removeprefix("target.") for source in sources if source.startswith("target.")}
