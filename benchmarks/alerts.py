"""How soon the consumption alerts of many meters are judged when the hour's readings have come in.

    .venv/bin/python benchmarks/alerts.py [--postgresql] [--meters 5000] [--days 3] [--batch 1000]

Makes a database of its own (in a temporary folder; --postgresql starts a PostgreSQL there) with so many heat meters, a
ceiling an hour and one a day for each, and --days of hourly readings. Then one more hour's readings come in, in batches
as ingest writes them, each with its entry in the journal; one meter in fifty passes its ceiling. Prints the seconds
from there until all alerts have fired and their notices are written (the best and the first of three hours), the
processor time of this process, and the seconds of the message that tells of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 1, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, default=5000)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1000)
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
            measure(arguments)
        finally:
            connection.close()
            if stop:
                stop()


def measure(arguments: argparse.Namespace) -> None:
    from avlas.meters.models import Meter
    from avlas.notify import telling, watching
    from avlas.notify.models import Alert, Firing, Notice, Notification
    from avlas.system.models import Utility

    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    meters = Meter.objects.bulk_create(
        [
            Meter(
                utility=utility,
                manufacturer="KAM",
                serial=f"{7 * 10**7 + n}",
                family="multical_403",
                medium="heat",
            )
            for n in range(arguments.meters)
        ],
        batch_size=500,
    )
    ids = [one.pk for one in meters]
    for number in range(arguments.days * 24):
        write(ids, START + number * HOUR, number)
    Alert.objects.bulk_create(
        [
            Alert(
                utility=utility,
                meter_id=one,
                register="energy_heat_kwh",
                period=period,
                ceiling=ceiling,
                from_at=START,
            )
            for one in ids
            for period, ceiling in (("hour", 5.0), ("day", 100.0))
        ],
        batch_size=500,
    )
    Notification.objects.create(
        utility=utility, who="address", road="mail", address="drift@norrtuna.example", alerts=True
    )
    watching.look_once(datetime.now(UTC))
    seconds, processor = [], []
    for turn in range(ROUNDS):
        number = arguments.days * 24 + turn
        for first in range(0, len(ids), arguments.batch):
            write(ids[first : first + arguments.batch], START + number * HOUR, number, utility.pk, peak=turn)
        now = START + number * HOUR + timedelta(minutes=30)
        begun, used = time.perf_counter(), time.process_time()
        while watching.look_once(now):
            pass
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
        fired = Firing.objects.count()
        assert fired == Notice.objects.count() == sum(one % 50 <= turn for one in ids), fired
    begun = time.perf_counter()
    assert telling.tell_once(START + (arguments.days * 24 + ROUNDS) * HOUR)
    told = time.perf_counter() - begun
    print(
        f"{len(ids):,} meters, {2 * len(ids):,} ceilings: judged in {min(seconds):.2f} s (first {seconds[0]:.2f} s,"
        f" processor {min(processor):.2f} s), {fired:,} fired; their message in {told:.2f} s"
    )


def write(ids: list[int], at: datetime, number: int, utility_id: int | None = None, peak: int = -1) -> None:
    """An hour's readings of some meters: two kWh an hour, ten for those whose turn it is, and the journal's entry."""
    import numpy as np
    from django.db import connection, transaction

    from avlas.meters import column_store
    from avlas.meters.journal import Written
    from avlas.meters.models import Format, Kind

    form, _made = Format.objects.get_or_create(spec='{"energy_heat_kwh": ["kWh", 1]}')
    slot = int(at.timestamp())
    values = [1000.0 + 2 * number + (8.0 if peak >= 0 and one % 50 <= peak else 0.0) for one in ids]
    with transaction.atomic():
        column_store.insert(
            connection,
            "reading",
            {
                "meter_id": ids, "slot_at": [slot] * len(ids), "kind": [int(Kind.LIVE)] * len(ids),
                "heard_at": [slot + 60] * len(ids), "source": [1] * len(ids), "quality": [0] * len(ids),
                "format_id": [form.pk] * len(ids), "energy_heat_kwh": values,
            },
        )  # fmt: skip
        if utility_id is not None:
            written = Written(utility_id)
            written.readings(np.array(ids), np.full(len(ids), slot), Kind.LIVE)
            written.append()


if __name__ == "__main__":
    main()
