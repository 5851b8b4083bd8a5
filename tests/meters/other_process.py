"""Let other processes use a database of their own: to be killed, or to do the same at the same time."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
if not apps.ready:
    django.setup()

import numpy as np
from django.db import connection, connections, transaction

from avlas.decode.compact import shipped_layouts
from avlas.decode.family_files import shipped as shipped_families
from avlas.meters.ingest import TelegramBatch, ingest
from avlas.meters.models import Collector, Meter, MeterState
from avlas.settings import _database

# One process has everything imported and forks off the others: they start in milliseconds.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.meters.other_process"])

# Tables that are made at first use are made before the forks.
shipped_layouts()
shipped_families()

Batch = list[tuple[float, bytes]]  # heard_at, frame


def use_database(address: str) -> None:
    """Point this process at the database with this address."""
    from django.conf import settings
    from django.db.utils import ConnectionHandler

    connections.close_all()
    settings.DATABASES = {"default": _database(address)}
    vars(connections).clear()
    ConnectionHandler.__init__(connections)


class Other:
    """A process that runs one of this module's functions on a database."""

    def __init__(self, address: str, function: Callable[..., Any], *arguments: Any) -> None:
        self.ear, mouth = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=_run, args=(address, mouth, function, arguments))
        self.process.start()
        mouth.close()

    def said(self) -> list[Any]:
        """Everything it said until it ended."""
        found = []
        try:
            while True:
                found.append(self.ear.recv())
        except EOFError:
            self.process.join()
            return found


def _run(address: str, mouth: Any, function: Callable[..., Any], arguments: tuple) -> None:
    use_database(address)
    mouth.send(function(mouth.send, *arguments))


def take_in(
    tell: Callable[[Any], None], collector_id: int, batches: list[Batch], first: int, turns: int = 1
) -> str:
    """Take in batches from ``first`` on, and tell each one's number once it is committed; "begun" comes first."""
    connection.ensure_connection()
    tell("begun")
    for number in range(first, turns * len(batches)):
        batch = batches[number % len(batches)]
        ingest(
            TelegramBatch(
                collector_id,
                [frame for _, frame in batch],
                np.array([at for at, _ in batch], np.float64),
                np.full(len(batch), np.nan, np.float32),
            )
        )
        tell(number)
    return "done"


def take_in_waiting(tell: Callable[[Any], None], collector_id: int, batches: list[Batch]) -> str:
    """Take in batches, surplus of however few meters waiting a moment."""
    from avlas.meters import surplus

    surplus.MANY, surplus.LATER_SECONDS = 1, 0.02
    return take_in(tell, collector_id, batches, 0)


def add_what_waits(tell: Callable[[Any], None]) -> int:
    """Add the surplus that still waits."""
    from avlas.meters import surplus

    return surplus.add_all()


def delete_old(tell: Callable[[Any], None], rows: int, rounds: int) -> str:
    """Make ``rows`` raw telegrams of long ago, and delete them as retention does; again and again."""
    from avlas.meters import housekeeping

    housekeeping._CHUNK = 20
    long_ago = 1_600_000_000
    meter = Meter.objects.order_by("pk").values_list("pk", flat=True)[0]
    for _ in range(rounds):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO telegram (meter_id, slot_at, class_code, heard_at, collector_id, state, frame)"
                " VALUES (%s, %s, 1, %s, 1, 0, %s)",
                [(meter, long_ago + number, long_ago, b"old") for number in range(rows)],
            )
        tell(housekeeping.tidy()["raw telegrams"])
    return "done"


def read_all(tell: Callable[[Any], None], rounds: int) -> str:
    """Read all readings slowly in one go, as a long export does; again and again."""
    for _ in range(rounds):
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM reading ORDER BY meter_id, slot_at")
            while cursor.fetchmany(20):
                time.sleep(0.001)
    return "done"


def take_in_around(
    tell: Callable[[Any], None], collector_id: int, batches: list[Batch], signal: str
) -> dict[str, int]:
    """Take in the first batch, tell its states, wait for the file ``signal``, and take in the second."""
    found: dict[str, int] = {}
    for batch in batches:
        if found:
            tell(found)
            while not Path(signal).exists():
                time.sleep(0.01)
        result = ingest(
            TelegramBatch(
                collector_id,
                [frame for _, frame in batch],
                np.array([at for at, _ in batch], np.float64),
                np.full(len(batch), np.nan, np.float32),
            )
        )
        found = {state.name: count for state, count in result.states.items() if count}
    return found


def replace_key(tell: Callable[[Any], None], maker: str, identification: str, key: str) -> None:
    """Store another key for a meter, as the page does."""
    from avlas.meters.keys import Who
    from avlas.meters.keys import add as add_key
    from avlas.system.models import Utility

    add_key(Utility.objects.get(), identification, key, Who(), maker)


def dump(tell: Callable[[Any], None]) -> dict[str, list[tuple]]:
    """All rows that ingest wrote."""
    found = {}
    for table, order in (
        ("reading", "meter_id, slot_at, kind"),
        ("telegram", "meter_id, slot_at, class_code"),
        ("meters_infoevent", "meter_id, at"),
        ("meters_meterstate", "address"),
    ):
        columns = {"meters_infoevent": "meter_id, at, code_before, code",
                   "meters_meterstate": "address, heard, read, surplus, last_heard_at"}.get(table, "*")  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM {table} ORDER BY {order}")
            found[table] = [
                tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
                for row in cursor.fetchall()
            ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, spec FROM meters_format")
        specs = dict(cursor.fetchall())
    # a number that a killed process had drawn is lost on PostgreSQL: the format itself is what counts
    found["reading"] = [(*row[:6], specs[row[6]], *row[7:]) for row in found["reading"]]
    return found


@contextmanager
def database(name: str, folder: Path) -> Iterator[str]:
    """The address of a fresh, migrated database beside the one the tests use."""
    template = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        path = folder / f"{name}.db"
        shutil.copy(f"{template}.migrated", path)
        yield f"sqlite:{path}"
        return
    name = f"{template}_{name}"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}_migrated")
    yield urlsplit(os.environ["AVLAS_DATABASE"])._replace(path=f"/{name}").geturl()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def do(address: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Run one process to its end; what its function gave."""
    other = Other(address, function, *arguments)
    said = other.said()
    assert other.process.exitcode == 0, "the other process failed: see its traceback above"
    return said[-1]


def prepare(tell: Callable[[Any], None], first: Batch, keys: list[tuple[str, str, str]]) -> list[int]:
    """Adopt the meters heard in ``first``, with keys (maker, identification, hex); gives two collectors' ids."""
    from avlas.meters.adopt import adopt
    from avlas.meters.keys import Who
    from avlas.meters.keys import add as add_key
    from avlas.system.models import Utility

    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    collectors = [
        Collector.objects.create(utility=utility, name=name, spec="import").pk for name in ("Roof", "Chimney")
    ]
    take_in(lambda _: None, collectors[0], [first], 0)
    MeterState.objects.update(recent=[], heard=0)
    for maker, identification, key in keys:
        add_key(utility, identification, key, Who(), maker)
    adopt(utility, list(MeterState.objects.all()), None)
    return collectors
