"""A utility with a collector, and telegrams of invented meters to take in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection

from avlas.meters import formats, fragments, layouts
from avlas.meters.adopt import adopt
from avlas.meters.directory import Directory
from avlas.meters.ingest import IngestResult, TelegramBatch, ingest
from avlas.meters.keys import Who
from avlas.meters.keys import add as add_key
from avlas.meters.models import Collector, MeterState
from avlas.meters.slots import READING_COLUMNS
from avlas.simulate import samples
from avlas.simulate.meter import SimulatedMeter
from avlas.system.models import Utility

START = datetime(2026, 11, 20, 6, tzinfo=UTC)


def forget() -> None:
    Directory.forget()
    formats.forget()
    layouts.forget()
    fragments.forget()


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    forget()
    yield
    forget()


@dataclass(frozen=True)
class Heard:
    at: datetime
    frame: bytes
    meter: SimulatedMeter | None = None
    dbm: float = -70.0


@dataclass
class Desk:
    """What a test works with: a utility, its collectors and shorthands."""

    utility: Utility
    collectors: list[Collector]

    def take_in(self, heard: Sequence[Heard], collector: int = 0, *, wired: bool = False) -> IngestResult:
        return ingest(
            TelegramBatch(
                self.collectors[collector].pk,
                [one.frame for one in heard],
                np.array([one.at.timestamp() for one in heard], np.float64),
                np.array([one.dbm for one in heard], np.float32),
                wired=wired,
            )
        )

    def own(self, heard: Sequence[Heard], keys: bool = True) -> None:
        """Adopt every meter of ``heard`` with its key, without taking in the telegrams themselves."""
        meters = {one.meter.address: one.meter for one in heard if one.meter is not None}
        first = {one.meter.address: one for one in reversed(heard) if one.meter is not None}
        self.take_in(list(first.values()))
        if keys:
            for meter in meters.values():
                if meter.key is not None:
                    add_key(
                        self.utility, meter.identification, meter.key.hex(), Who(), meter.type.manufacturer
                    )
        MeterState.objects.filter(utility=self.utility).update(recent=[])
        adopt(self.utility, list(MeterState.objects.filter(utility=self.utility)), None)
        MeterState.objects.filter(utility=self.utility).update(
            heard=0, read=0, surplus=0, state=8, state_at=None, last_heard_at=0, first_heard_at=0
        )


@pytest.fixture
def desk(db: None) -> Desk:
    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    collectors = [
        Collector.objects.create(utility=utility, name=name, spec="import") for name in ("Roof", "Chimney")
    ]
    return Desk(utility, collectors)


@pytest.fixture
def hear() -> Callable[..., list[Heard]]:
    """Telegrams of ``count`` meters of a type: ``each`` of them, ``step`` seconds apart, from START on."""

    def make(
        type_name: str = "multical403", count: int = 1, each: int = 1, step: float = 3600.0, seed: int = 7
    ) -> list[Heard]:
        found = []
        for meter in samples.meters(type_name, count, seed):
            for turn in range(each):
                at = START + timedelta(seconds=turn * step)
                found.append(Heard(at, samples.next_telegram(meter, at, seed), meter))
        return found

    return make


@pytest.fixture
def rows() -> Callable[[], dict[str, list[tuple]]]:
    """Everything ingest stored, without ids that depend on the order of making."""

    def dump() -> dict[str, list[tuple]]:
        columns = [name for name in READING_COLUMNS if name != "format_id"]
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join(columns)}, (SELECT spec FROM meters_format f WHERE f.id = format_id) FROM reading"
                " ORDER BY meter_id, slot_at, kind"
            )
            readings = cursor.fetchall()
            cursor.execute(
                "SELECT meter_id, slot_at, class_code, heard_at, state, frame FROM telegram"
                " ORDER BY meter_id, slot_at, class_code"
            )
            telegrams = [(*row[:5], bytes(row[5])) for row in cursor.fetchall()]
            cursor.execute(
                "SELECT meter_id, at, code_before, code FROM meters_infoevent ORDER BY meter_id, at"
            )
            events = cursor.fetchall()
            cursor.execute(
                "SELECT meter_id, slot_at, register, value FROM meters_readingconflict"
                " ORDER BY meter_id, slot_at, register, value"
            )
            conflicts = cursor.fetchall()
        return {"readings": readings, "telegrams": telegrams, "events": events, "conflicts": conflicts}

    return dump
