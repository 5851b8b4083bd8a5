"""How long the reports of a month take for many meters.

    .venv/bin/python benchmarks/reports.py [--postgresql] [--meters 10000 100000] [--hours 6] [--whole 10000]

Makes a database of its own (in a temporary folder; --postgresql starts a PostgreSQL there) with invented heat meters at
metering points with customers. Readings stand around the month's two ends, --hours of hourly ones on each side, as live
rows some seconds late, with a day's worth in between, and two hours of them around the ends of the month before and of
the same month a year before; every third meter has the meter's own value at the first of the month besides, every fifth
has no E8 and E9, every hundredth was exchanged within the month, and every twentieth has nothing near the ends, so that
its values are interpolated. For up to --whole meters all hours of the month are there as well (0: for none): without
them nothing is known of nights, and how well meters were read is counted too fast.

Prints, for each number of meters, the seconds of each report (the best of three; the first one besides, and the
processor time of this process, which a busy machine does not lengthen), from nothing to arrays, and of a search for all
rows of the heat report and two sorts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

START, END = datetime(2026, 9, 30, 23, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)
EARLIER = (datetime(2025, 9, 30, 23, tzinfo=UTC), datetime(2025, 10, 31, 23, tzinfo=UTC),
           datetime(2026, 8, 31, 23, tzinfo=UTC))  # fmt: skip
NOW = datetime(2026, 11, 25, tzinfo=UTC)
CHUNK = 2000
CODES = ("energy_heat_kwh", "volume_m3", "energy_flow_m3c", "energy_return_m3c")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--hours", type=int, default=6)
    parser.add_argument("--whole", type=int, default=10_000)
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
            for number in sorted(arguments.meters):
                fill(number, arguments.hours)
                if number <= arguments.whole:
                    fill_hours(number)
                measure(number)
        finally:
            connection.close()
            if stop:
                stop()


def fill(meters: int, hours: int) -> None:
    """Make a utility with so many meters and their readings."""
    import numpy as np
    from django.db import connection, transaction

    from avlas.meters import column_store, formats
    from avlas.meters.models import Customer, Installation, Meter, MeteringPoint, Occupancy
    from avlas.meters.slots import READING_KEY
    from avlas.system.models import Utility

    begun = time.perf_counter()
    utility = Utility.objects.create(name=f"Town of {meters}", slug=f"town-{meters}")
    texts = [
        json.dumps(
            {code: ["kWh", 0] if code == CODES[0] else ["m³", 2] for code in codes}, separators=(",", ":")
        )
        for codes in (CODES, CODES[:2])
    ]
    with transaction.atomic():
        format_ids = formats.ids(set(texts))
    steps = [START + timedelta(hours=hour) for hour in range(-hours, hours)]
    steps += [END + timedelta(hours=hour) for hour in range(-hours, hours)]
    steps += [moment + timedelta(hours=hour) for moment in EARLIER for hour in range(-1, 2)]
    steps.sort()
    at = np.array([int(moment.timestamp()) for moment in steps])
    for begin in range(0, meters, CHUNK):
        numbers = range(begin, min(begin + CHUNK, meters))
        with transaction.atomic():
            points = MeteringPoint.objects.bulk_create(
                MeteringPoint(utility=utility, facility_id=str(n), address=f"Gatan {n}") for n in numbers
            )
            customers = Customer.objects.bulk_create(
                Customer(utility=utility, number=str(n), name=f"Kund {n}") for n in numbers
            )
            Occupancy.objects.bulk_create(
                Occupancy(point=point, customer=customer, from_at=START - timedelta(days=99))
                for point, customer in zip(points, customers, strict=True)
            )
            made = Meter.objects.bulk_create(
                Meter(utility=utility, manufacturer="KAM", serial=str(n), model="MULTICAL 403", medium="heat")
                for n in numbers
            )
            Installation.objects.bulk_create(
                Installation(point=point, meter=meter, from_at=START - timedelta(days=99))
                for point, meter in zip(points, made, strict=True)
            )
            exchange(utility, made[::100], points[::100])
            ids = np.array([meter.pk for meter in made])
            for which, codes in enumerate((CODES, CODES[:2])):
                mine = ids[(np.array(numbers) % 5 == 0) == bool(which)]
                near = np.array([n % 20 != 0 for n in numbers])[(np.array(numbers) % 5 == 0) == bool(which)]
                meter = np.repeat(mine, len(at))
                slot = np.tile(at, len(mine))
                middle = (START + (END - START) / 2).timestamp()
                end = np.where(slot < middle, int(START.timestamp()), int(END.timestamp()))
                gone = np.repeat(~near, len(at)) & (np.abs(slot - end) < 7200)
                meter, slot = meter[~gone], slot[~gone]
                live = {"kind": 0, "late": 5}
                write(
                    column_store, READING_KEY, connection, meter, slot, live, codes, format_ids[texts[which]]
                )
                logged = mine[::3]
                for end in (START, END):
                    write(
                        column_store, READING_KEY, connection, logged, np.full(len(logged), int(end.timestamp())),
                        {"kind": 1, "late": 0}, codes[:2], format_ids[texts[1]],
                    )  # fmt: skip
    print(f"{meters} meters made in {time.perf_counter() - begun:.0f} s")


def fill_hours(meters: int) -> None:
    """Every hour of the month that is not there yet, for all meters."""
    from django.db import connection, transaction

    begun = time.perf_counter()
    low, high = int(START.timestamp()), int(END.timestamp())
    factor = dict(zip(CODES, (2.0, 0.05, 4.0, 2.0), strict=True))
    grown = ", ".join(
        f"((h.at - {low}) / 3600.0 + 10000.0) * {factor[code]} * (1 + m.id % 7)" for code in CODES
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO reading (meter_id, slot_at, kind, heard_at, source, quality, format_id, {', '.join(CODES)})"
            f" WITH RECURSIVE h(at) AS (SELECT {low} UNION ALL SELECT at + 3600 FROM h WHERE at + 3600 < {high})"
            f" SELECT m.id, h.at, 0, h.at + 5, 1, 0, (SELECT min(id) FROM meters_format), {grown}"
            " FROM meters_meter m JOIN system_utility u ON u.id = m.utility_id CROSS JOIN h"
            " WHERE u.slug = %s ORDER BY m.id, h.at ON CONFLICT DO NOTHING",
            [f"town-{meters}"],
        )
    print(f"{meters} meters: all hours of the month in {time.perf_counter() - begun:.0f} s")


def exchange(utility, old, points) -> None:
    """Another meter since the middle of the month."""
    from avlas.meters.models import Installation, Meter

    middle = START + (END - START) / 2
    Installation.objects.filter(meter__in=old).update(to_at=middle)
    new = Meter.objects.bulk_create(
        Meter(utility=utility, manufacturer="KAM", serial=f"n{meter.serial}", medium="heat") for meter in old
    )
    Installation.objects.bulk_create(
        Installation(point=point, meter=meter, from_at=middle)
        for point, meter in zip(points, new, strict=True)
    )


def write(column_store, key, connection, meter, slot, how, codes, format_id) -> None:
    """Readings that grow evenly with time, in ascending order of meters."""
    grown = (slot - int(START.timestamp())) / 3600 + 10_000.0
    factor = dict(zip(CODES, (2.0, 0.05, 4.0, 2.0), strict=True))
    size = len(meter)
    column_store.upsert(
        connection,
        "reading",
        {
            "meter_id": meter.tolist(), "slot_at": slot.tolist(), "kind": [how["kind"]] * size,
            "heard_at": (slot + how["late"]).tolist(), "source": [1] * size, "quality": [0] * size,
            "format_id": [format_id] * size,
            **{code: column_store.nullable(grown * factor[code] * (1 + meter % 7)) for code in codes},
        },
        key,
    )  # fmt: skip


def measure(meters: int) -> None:
    import numpy as np

    from avlas.reports import billing, billing_trial, performance
    from avlas.reports.heat import heat_report
    from avlas.reports.models import CoolingLevels
    from avlas.reports.period_use import Members
    from avlas.reports.totals import consumption_report
    from avlas.reports.water_loss import KINDS, night_report, zone_balance
    from avlas.system.models import Utility
    from avlas.web.report_rows import in_order, searched

    utility = Utility.objects.get(slug=f"town-{meters}")
    members, levels = Members(utility.pk), CoolingLevels.of(utility)
    some = Members(utility.pk, "m.id %% 100 = 0")
    span = int(START.timestamp()), int(END.timestamp())
    found = {}
    for name, make in (
        ("heat report", lambda: heat_report(members, START, END, levels, NOW)),
        ("consumption report", lambda: consumption_report(members, START, END, NOW)),
        ("zone balance", lambda: zone_balance(KINDS["heat"], some, members, START, END, NOW)),
        ("night flow", lambda: night_report(members, "energy_heat_kwh", START, END, NOW)),
        ("reading performance", lambda: performance.reading_performance(utility.pk, "all", *span, span[1])),
        ("billing worklist", lambda: billing.basis(members, START, END, NOW)),
        ("billing trial run", lambda: billing_trial.trial(members, billing.basis(members, START, END, NOW))),
    ):
        took = []
        for _ in range(3):
            begun, worked = time.perf_counter(), time.process_time()
            found[name] = make()
            took.append((time.perf_counter() - begun, time.process_time() - worked))
        best, work = min(one for one, _ in took), min(one for _, one in took)
        print(
            f"{meters:7} meters  {name:20} {best:6.2f} s  (first {took[0][0]:.2f} s; {work:.2f} s of processor time)"
        )
    heat = found["heat report"]
    begun = time.perf_counter()
    lines = np.flatnonzero(searched(heat.people, ["gatan"])[heat.who])
    in_order(lines, heat.excess.volume_m3, descending=True)
    in_order(lines, lambda line: heat.people[heat.who[line]].address, descending=False)
    print(f"{meters:7} meters  search and two sorts {time.perf_counter() - begun:6.2f} s")
    known = int((~np.isnan(heat.found.difference_k)).sum())
    print(f"{meters:7} meters  {known} lines with a temperature difference")


if __name__ == "__main__":
    main()
