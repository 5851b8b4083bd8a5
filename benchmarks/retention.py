"""How long it takes to leave one reading a day of a month, and how long a writer beside it is kept waiting.

    .venv/bin/python benchmarks/retention.py [--postgresql] [--meters 10000] [--months 2]

Makes a database of its own (in a temporary folder; --postgresql starts a PostgreSQL there) with hourly readings of so
many invented meters in so many months. Thins the oldest month while another connection writes a reading every tenth of
a second, and prints the rows removed, the seconds, the rows a second, and how long the other one's transactions took
(median, worst).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

HOUR, DAY = 3600, 86400
FIRST = datetime(2025, 3, 15, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--months", type=int, default=2)
    parser.add_argument("--postgresql", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="avlas-benchmark-") as folder:
        os.environ["AVLAS_DATA"], os.environ["AVLAS_DATABASE"] = folder, ""
        stop = None
        if arguments.postgresql:
            sys.path.insert(0, str(Path(__file__).parent))
            from ingest import start_postgresql

            os.environ["AVLAS_DATABASE"], stop = start_postgresql(Path(folder))
        os.environ["DJANGO_SETTINGS_MODULE"] = "avlas.settings"
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        try:
            fill(arguments.meters, arguments.months)
            measure(arguments.meters)
        finally:
            connection.close()
            if stop:
                stop()


def fill(meters: int, months: int) -> None:
    """Make a utility with so many meters and their hourly readings."""
    from django.db import connection, transaction

    from avlas.meters.models import Format, Meter
    from avlas.meters.retention import month_of
    from avlas.system.models import Utility

    begun = time.perf_counter()
    utility = Utility.objects.create(name="Town", slug="town")
    Meter.objects.bulk_create(
        [
            Meter(utility=utility, manufacturer="KAM", serial=str(number), slot_seconds=HOUR)
            for number in range(meters)
        ],
        batch_size=1000,
    )
    form = Format.objects.create(spec="{}").pk
    begin = month_of(FIRST).begin
    hours = f"WITH RECURSIVE hours(at) AS (SELECT {begin} UNION ALL SELECT at + 3600 FROM hours WHERE at < {begin + months * 31 * DAY})"
    ids = list(Meter.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, meters, 500):
        part = ids[start : start + 500]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO reading (meter_id, slot_at, kind, heard_at, source, quality, format_id, energy_heat_kwh,"
                " volume_m3, flow_temperature_c, return_temperature_c, power_kw)"
                f" {hours} SELECT m.id, at, 0, at + 7, 1, 0, {form}, at / 3600.0, at / 9000.0, 81.2, 43.5, 4.2"
                f" FROM meters_meter m CROSS JOIN hours WHERE m.id BETWEEN {part[0]} AND {part[-1]}"
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SELECT count(*) FROM reading")
        print(
            f"{cursor.fetchone()[0]:,} readings made in {time.perf_counter() - begun:.0f} s ({connection.vendor})"
        )


def measure(meters: int) -> None:
    """Thin the oldest month beside a writer."""
    from avlas.meters.retention import month_of, thin
    from avlas.system.models import Utility

    waits: list[float] = []
    done = threading.Event()
    writer = threading.Thread(target=write, args=(done, waits))
    writer.start()
    begun = time.perf_counter()
    removed = thin(Utility.objects.get(), month_of(FIRST))
    seconds = time.perf_counter() - begun
    done.set()
    writer.join()
    print(
        f"{meters:,} meters: {removed:,} readings removed in {seconds:.1f} s, {removed / seconds:,.0f} a second;"
        f" another writer's transactions: median {1000 * statistics.median(waits):.0f} ms,"
        f" worst {1000 * max(waits):.0f} ms of {len(waits)}"
    )


def write(done: threading.Event, waits: list[float]) -> None:
    """Write a reading every tenth of a second until done."""
    from django.db import connection, transaction

    turn = 0
    while not done.is_set():
        turn += 1
        begun = time.perf_counter()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO reading (meter_id, slot_at, kind, heard_at, source, format_id) VALUES (1, %s, 0, 0, 1, 1)",
                [1790000000 + turn],
            )
        waits.append(time.perf_counter() - begun)
        time.sleep(0.1)
    connection.close()


if __name__ == "__main__":
    main()
