"""Everything at once on SQLite: 278 telegrams a second, an import, deletes as retention makes them, and a long export.

    .venv/bin/python benchmarks/soak.py [--seconds 20] [--meters 1000]

278 telegrams a second is a town of 100,000 meters heard every six minutes. Makes a database of its own, starts a
process for each part, and prints how long taking in lasted (p50, p99, longest), what the others got done, and every
error. Aim: no error ("database is locked" above all), p99 under a second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 6, tzinfo=UTC)
A_SECOND = 278
TICK = 0.25
OLD = 1_000_000_000  # meter ids of the old raw telegrams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--meters", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="avlas-soak-") as folder:
        os.environ["AVLAS_DATA"], os.environ["AVLAS_DATABASE"] = folder, ""
        os.environ["DJANGO_SETTINGS_MODULE"] = "avlas.settings"
        import django

        django.setup()
        run(arguments.seconds, arguments.meters)


def run(seconds: int, count: int) -> None:
    from django.core.management import call_command
    from django.db import connection
    from ingest import TYPES, adopt_all

    from avlas.simulate import samples

    call_command("migrate", verbosity=0)
    meters = [meter for name in TYPES for meter in samples.meters(name, max(1, count // len(TYPES)), 1)]
    collector = adopt_all(meters)
    ticks = int(seconds / TICK)
    size = int(A_SECOND * TICK)
    print(f"{len(meters)} meters; {ticks} batches of {size} telegrams heard live, and a recording to import")
    hours = 24
    recorded = [  # the days before
        (
            (START - timedelta(hours=hour)).timestamp(),
            samples.next_telegram(one, START - timedelta(hours=hour), 7),
        )
        for hour in range(hours, 0, -1)
        for one in meters
    ]
    live = []
    for tick in range(ticks):
        at = START + timedelta(seconds=20 * tick)  # time passes quickly, so that slots begin
        chosen = [meters[(tick * size + place) % len(meters)] for place in range(size)]
        live.append([(at.timestamp(), samples.next_telegram(one, at, 7)) for one in chosen])
    with connection.cursor() as cursor:
        slot = int(START.timestamp()) - 500 * 86400
        cursor.executemany(
            "INSERT INTO telegram VALUES (%s, %s, 1, %s, 1, NULL, 0, %s)",
            [
                (OLD + meter, slot + 3600 * hour, slot, bytes(95))
                for meter in range(2000)
                for hour in range(100)
            ],
        )
    connection.close()
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    end = time.time() + seconds + 1
    parts = [
        (hear, collector, live), (take_in, collector, recorded, end), (tidy_up, end), (export, end),
    ]  # fmt: skip
    running = [context.Process(target=guarded, args=(told, *part)) for part in parts]
    for process in running:
        process.start()
    found = [told.get() for _ in running]
    for process in running:
        process.join()
    for line in sorted(found):
        print(line)


def guarded(told, part, *arguments) -> None:
    """Run a part and tell what it says, or its error."""
    try:
        told.put(f"{part.__name__}: {part(*arguments)}")
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        told.put(f"{part.__name__}: ERROR {type(error).__name__}: {error}")


def ingest(collector: int, part):
    import numpy as np

    from avlas.meters.ingest import TelegramBatch
    from avlas.meters.ingest import ingest as take

    return take(
        TelegramBatch(collector, [frame for _, frame in part], np.array([at for at, _ in part]),
                      np.full(len(part), -70, np.float32))
    )  # fmt: skip


def hear(collector: int, live) -> str:
    """A batch each quarter of a second."""
    took = []
    begun = time.perf_counter()
    for number, part in enumerate(live):
        time.sleep(max(0.0, begun + number * TICK - time.perf_counter()))
        before = time.perf_counter()
        ingest(collector, part)
        took.append(time.perf_counter() - before)
    took.sort()
    return (f"{sum(map(len, live)) / (time.perf_counter() - begun):.0f} telegrams/s; a batch took"
            f" p50 {1e3 * statistics.median(took):.0f} ms, p99 {1e3 * took[int(0.99 * len(took))]:.0f} ms,"
            f" at most {1e3 * took[-1]:.0f} ms")  # fmt: skip


def take_in(collector: int, recorded, end: float) -> str:
    """Imports a recording, again and again."""
    from avlas.meters.pace import Pace

    pace, done, longest = Pace(), 0, 0.0
    while time.time() < end:
        left = recorded
        while left and time.time() < end:
            part, left = left[: pace.size], left[pace.size :]
            result = ingest(collector, part)
            pace.note(len(part), result)
            longest = max(longest, result.held_seconds)
            done += len(part)
    return f"{done} telegrams; the database was held for {1e3 * longest:.0f} ms at most"


def tidy_up(end: float) -> str:
    """Deletes old raw telegrams as retention does."""
    from avlas.meters import housekeeping

    deleted = 0
    while time.time() < end:
        deleted += housekeeping.tidy(START)["raw telegrams"]
        time.sleep(0.2)
    return f"{deleted} old raw telegrams deleted"


def export(end: float) -> str:
    """Reads all readings, slowly, in one go."""
    from django.db import connection

    read = 0
    while time.time() < end:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM reading ORDER BY meter_id, slot_at")
            while rows := cursor.fetchmany(500):
                read += len(rows)
                time.sleep(0.02)
    return f"{read} readings read"


if __name__ == "__main__":
    main()
