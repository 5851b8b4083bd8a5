"""How long a table of customers, metering points and meters takes to come in.

    .venv/bin/python benchmarks/imports.py [--postgresql] [--rows 100000] [--undo]

Makes a database of its own (in a temporary folder; --postgresql starts a PostgreSQL there) and a CSV file in
Windows-1252 with --rows lines, each a customer, a metering point with SWEREF 99 coordinates, and a meter there. Prints
for the check, the taking in and (--undo) the undoing: seconds, processor seconds of this process, which a busy machine
does not lengthen, and the longest transaction; then what check and taking in come to for 100,000 rows, beside the aim:
under a minute, with no transaction for which ingest would wait longer than half a second.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
import zlib
from pathlib import Path

HEADINGS = (
    "Kundnr;Namn;E-post;Anläggnings-ID;Adress;Postnr;Ort;N;E;Mätarnummer;Fabrikat;Mätartyp;Medium;Installerad"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--undo", action="store_true")
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
            measure(arguments.rows, undo=arguments.undo)
        finally:
            connection.close()
            if stop:
                stop()


def table(rows: int) -> bytes:
    """The file."""
    lines = [
        f"K{n};Åsa Öberg {n};kund{n}@example.org;"
        f"{735_999_000_000 + n};Älvgatan {n};421 01;Nordby;"
        f"{6_580_000 + n % 5000};{674_000 + n % 3000};{10_000_000 + n};KAM;MULTICAL 403;"
        f"fjärrvärme;2024-0{1 + n % 9}-1{n % 10}"
        for n in range(rows)
    ]
    return "\n".join([HEADINGS, *lines, ""]).encode("cp1252")


def measure(rows: int, *, undo: bool) -> None:
    """Check, take in and undo, and print how long each took."""
    from avlas.system.models import Utility
    from avlas.transfer.imports import fields, sheet, work
    from avlas.transfer.imports.models import Import, ImportFile
    from avlas.transfer.imports.settings import Settings

    data = table(rows)
    read = sheet.read(data, words=fields.words())
    columns = [list(pair) for pair in zip(read.headings, fields.guess(read.headings), strict=True)]
    one = Import.objects.create(
        utility=Utility.objects.create(name="Nordby", slug="nordby"), kind="register", name="kunder.csv",
        size=len(data), sha256=hashlib.sha256(data).hexdigest(), settings=Settings(columns=columns).packed(),
    )  # fmt: skip
    ImportFile.objects.create(of=one, packed=zlib.compress(data))
    held = watch_transactions()
    took, worked, longest = 0.0, 0.0, 0.0
    for what, status in (("check", "check"), ("take in", "take_in"), *([("undo", "undo")] if undo else [])):
        one.status = status
        one.save()
        held.clear()
        began, cpu = time.perf_counter(), time.process_time()
        work.do(one)
        seconds, work_seconds = time.perf_counter() - began, time.process_time() - cpu
        one.refresh_from_db()
        print(
            f"{what:8} {seconds:7.1f} s  {work_seconds:7.1f} s of processor time,"
            f" longest transaction {max(held):.2f} s, then {one.status}",
            flush=True,
        )
        if status != "undo":
            took, worked, longest = took + seconds, worked + work_seconds, max(longest, *held)
    each = 100_000 / rows
    print(
        f"100,000 rows checked and taken in: {took * each:.1f} s, {worked * each:.1f} s of processor time"
        f" (aim: under 60 s), longest transaction {longest:.2f} s (aim: under 0.5 s)"
    )


def watch_transactions() -> list[float]:
    """A list to which the seconds of every transaction are added from now on."""
    from django.db import transaction

    held: list[float] = []
    began: list[float] = []
    enter, leave = transaction.Atomic.__enter__, transaction.Atomic.__exit__

    def entered(self: object) -> None:
        enter(self)
        began.append(time.perf_counter())

    def left(self: object, *error: object) -> None:
        leave(self, *error)
        held.append(time.perf_counter() - began.pop())

    transaction.Atomic.__enter__, transaction.Atomic.__exit__ = entered, left
    return held


if __name__ == "__main__":
    main()
