"""How long exports take, and that memory stays flat however long they are.

    .venv/bin/python benchmarks/transfer.py [--postgresql] [--meters 100000] [--hourly 500 2000]

Makes a database of its own (in a temporary folder; --postgresql starts a PostgreSQL there), the same invented meters as
benchmarks/reports.py. Prints

- for --meters: the seconds from nothing to a kept, compressed file with one value at the month change for each meter
  (serial number, facility, moment, energy, how it is known);
- for --hourly: the same for hourly values of a month (744 rows a meter: figure and use of energy), and the process's
  memory after the first tenth of the meters and at its highest after that. Rows a second and memory do not depend on
  the number of meters: 10,000 of them are 7.4 million rows.

The aims stand beside what was measured: month-end values of 100,000 meters in under 10 s; hourly values of 10,000
meters for a month, 7.4 million rows, with flat memory, at 100,000 rows a second or more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from reports import CODES, END, START, fill, write


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, default=100_000)
    parser.add_argument("--hourly", type=int, nargs="*", default=[500, 2000])
    parser.add_argument("--postgresql", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="avlas-benchmark-") as folder:
        os.environ["AVLAS_DATA"], os.environ["AVLAS_DATABASE"] = folder, ""
        stop = None
        if arguments.postgresql:
            from ingest import start_postgresql

            os.environ["AVLAS_DATABASE"], stop = start_postgresql(Path(folder))
        os.environ["DJANGO_SETTINGS_MODULE"] = "avlas.settings"
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        try:
            fill(arguments.meters, 1)
            measure(arguments.meters, month_change())
            for number in sorted(arguments.hourly):
                fill_hours(number)
                measure(number, hours())
        finally:
            connection.close()
            if stop:
                stop()


def month_change():
    from avlas.transfer.exports.layout import Column, Layout

    codes = ("serial", "facility_id", "row.to", "energy_heat_kwh.end", "energy_heat_kwh.how")
    return Layout(columns=tuple(Column(code) for code in codes), only_network=False)


def hours():
    from avlas.transfer.exports.layout import Column, Layout

    codes = ("serial", "row.from", "row.to", "energy_heat_kwh.end", "energy_heat_kwh.use")
    columns = tuple(Column(code) for code in codes)
    return Layout(columns=columns, interval="hour", only_network=False)


def fill_hours(meters: int) -> None:
    """A utility with so many meters, all read every hour of the month."""
    import json

    import numpy as np
    from django.db import connection, transaction

    from avlas.meters import column_store, formats
    from avlas.meters.models import Meter
    from avlas.meters.slots import READING_KEY
    from avlas.system.models import Utility

    fill(meters, 1)
    text = json.dumps({CODES[0]: ["kWh", 0], CODES[1]: ["m³", 2]}, separators=(",", ":"))
    with transaction.atomic():
        format_id = formats.ids({text})[text]
    utility = Utility.objects.get(slug=f"town-{meters}")
    ids = np.array(Meter.objects.filter(utility=utility).order_by("pk").values_list("pk", flat=True))
    at = np.array([int((START + timedelta(hours=hour)).timestamp()) for hour in range(2, 742)])
    for begin in range(0, len(ids), 50):
        some = ids[begin : begin + 50]
        with transaction.atomic():
            write(
                column_store, READING_KEY, connection, np.repeat(some, len(at)), np.tile(at, len(some)),
                {"kind": 0, "late": 5}, CODES[:2], format_id,
            )  # fmt: skip


def measure(meters: int, layout) -> None:
    from avlas.system.models import Utility
    from avlas.transfer.exports import making
    from avlas.transfer.exports.layout import to_data
    from avlas.transfer.exports.template import ExportTemplate
    from avlas.web.variable_words import as_cell

    utility = Utility.objects.get(slug=f"town-{meters}")
    template = ExportTemplate.objects.create(
        utility=utility, name=f"{layout.interval} {meters}", layout=to_data(layout)
    )
    receipt = making.new_receipt(template, START, END)
    early, highest = 0.0, 0.0

    def said(done: int, total: int) -> None:
        nonlocal early, highest
        now = megabytes()
        if done * 10 <= total:
            early = max(early, now)
        highest = max(highest, now)

    begun, worked = time.perf_counter(), time.process_time()
    making.make(receipt, layout, as_cell, said)
    took, work = time.perf_counter() - begun, time.process_time() - worked
    aim = "100,000 rows/s" if layout.interval == "hour" else f"under {10 * meters / 100_000:g} s"
    print(
        f"{meters:7} meters  {layout.interval:6} {receipt.rows:9} rows  {took:7.2f} s ({work:.2f} s of processor time)"
        f"  {receipt.rows / took:8.0f} rows/s (aim: {aim})  {receipt.size / 1e6:7.1f} MB"
        f"  memory {early:.0f} MB early, {highest:.0f} MB at most (aim: flat)",
        flush=True,
    )


def megabytes() -> float:
    """What this process holds in memory now, without files that are mapped into it (SQLite's, up to 256 MB)."""
    _size, resident, shared = map(int, Path("/proc/self/statm").read_text().split()[:3])
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
