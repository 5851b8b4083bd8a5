"""How long the server works on the pages people open all day, with 100,000 meters.

    .venv/bin/python benchmarks/pages.py [--meters 100000] [--folder PATH] [--postgresql] [--rounds 7]

Makes a town of its own in a temporary folder (or in --folder, where it is kept and used again): invented customers,
points, meters with states and a few readings each, one meter with a year of hours, twelve groups. Prints the median
and the slowest of some rounds, in milliseconds of processor time (on SQLite that is all there is; other work on the
machine is left out) from the request to the whole answer inside the program: middleware, permissions, queries,
templates. The network and the browser are not in it. With --postgresql the processor time of the database server's
process for this connection is added (Linux; a query then has one process). --wall measures time by the clock instead.

Aims: a page of a list 100 ms, a meter's page 50 ms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ingest import start_postgresql

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model

STREETS = (
    "Kyrkogatan",
    "Ängsvägen",
    "Östra Storgatan",
    "Björkvägen",
    "Skolgatan",
    "Åsgatan",
    "Industrivägen",
    "Torget",
)
NAMES = (
    "Andersson",
    "Öberg",
    "Lindqvist",
    "Åkesson",
    "Bostadsbolaget",
    "Ek",
    "Söderström",
    "Nyman",
    "Brf Tallen",
)
TYPES = (("MULTICAL 403", "multical_403", "heat"), ("MULTICAL 603", "multical_603", "heat"),
         ("MULTICAL 21", "multical_21", "cold water"))  # fmt: skip
PASSWORD = "a benchmark needs no secret"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--wall", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="avlas-benchmark-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        stop = None
        os.environ["AVLAS_DATA"], os.environ["AVLAS_DATABASE"] = str(folder), ""
        if arguments.postgresql:
            os.environ["AVLAS_DATABASE"], stop = start_postgresql(folder)
        os.environ["AVLAS_ALLOWED_HOSTS"] = "testserver,127.0.0.1"
        os.environ["DJANGO_SETTINGS_MODULE"] = "avlas.settings"
        import django

        django.setup()
        from django.db import connection

        from avlas.meters.models import Meter
        from avlas.migrate import upgrade

        try:
            upgrade()
            if not Meter.objects.exists():
                make_town(arguments.meters)
            measure(arguments.rounds, time.perf_counter if arguments.wall else processor_seconds())
        finally:
            connection.close()
            if stop:
                stop()


def make_town(count: int) -> None:
    from django.db import connection, transaction

    from avlas.meters import formats
    from avlas.meters.column_store import insert
    from avlas.meters.models import (
        Collector,
        Customer,
        Group,
        GroupMember,
        InfoEvent,
        Installation,
        Meter,
        MeteringPoint,
        MeterState,
        Occupancy,
        Reading,
    )  # fmt: skip
    from avlas.system.models import User, Utility

    now = datetime.now(UTC).replace(microsecond=0)
    second = int(now.timestamp())
    utility = Utility.objects.create(name="Storstad Energi", slug="storstad")
    User.objects.create_user("admin@storstad.example", PASSWORD, utility=utility, role="administrator",
                             first_name="Astrid", last_name="Admin")  # fmt: skip
    collector = Collector.objects.create(utility=utility, name="Tornet", spec="import", status="running")
    numbers = list(range(1, count + 1))
    old, new = (now - timedelta(days=days) for days in (400, 1))
    moment, newer = (
        one if connection.vendor == "postgresql" else f"{one:%Y-%m-%d %H:%M:%S}" for one in (old, new)
    )
    of_utility = {"id": numbers, "utility_id": [utility.pk] * count}
    kinds = [TYPES[n % 3] for n in numbers]
    serials = [str(60_000_000 + n * 7) for n in numbers]

    def write(of: type[Model], /, **columns: list) -> None:
        rows = len(next(iter(columns.values())))
        table = of._meta  # noqa: SLF001 - Django's own name
        for field in table.concrete_fields:
            if field.column not in columns and field.column != "id" and not field.generated:
                value = field.get_db_prep_save(field.get_default(), connection)
                columns[field.column] = [value] * rows
        with transaction.atomic():
            insert(connection, table.db_table, columns)

    write(Meter, **of_utility, manufacturer=["KAM"] * count, serial=serials,
          model=[kind[0] for kind in kinds], family=[kind[1] for kind in kinds], medium=[kind[2] for kind in kinds],
          slot_seconds=[300 if n % 3000 == 0 else 3600 for n in numbers],
          created_at=[newer if n > count - 58 else moment for n in numbers])  # fmt: skip
    write(Customer, **of_utility, number=[f"K{100_000 + n}" for n in numbers],
          name=[f"{NAMES[n % len(NAMES)]} {n % 977}" for n in numbers])  # fmt: skip
    write(MeteringPoint, **of_utility, facility_id=[f"735999{n:012}" for n in numbers],
          address=[f"{STREETS[n * 7 % len(STREETS)]} {n % 1999}" for n in numbers],
          postal_code=[f"4{n % 90 + 10} {n % 80 + 10}" for n in numbers], city=["Storstad"] * count)  # fmt: skip
    write(Occupancy, id=numbers, point_id=numbers, customer_id=numbers, from_at=[moment] * count)
    installed = [n for n in numbers if n % 50]
    write(
        Installation, id=installed, point_id=installed, meter_id=installed, from_at=[moment] * len(installed)
    )
    heard = [second - n % 90_000 for n in numbers]
    write(MeterState, **of_utility, address=[f"{n:016X}" for n in numbers], meter_id=numbers,
          manufacturer=["KAM"] * count, identification=serials, version=[52] * count, device_type=[4] * count,
          model=[kind[0] for kind in kinds], medium=[kind[2] for kind in kinds], security=["mode 5"] * count,
          first_heard_at=[second - 86400 * 400] * count, last_heard_at=heard, noted_at=heard,
          last_read_at=[None if n % 40 == 0 else at for n, at in zip(numbers, heard, strict=True)],
          last_collector_id=[collector.pk] * count, rssi_dbm=[-60.0 - n % 45 for n in numbers],
          state=[1 if n % 40 == 0 else 0 for n in numbers], state_at=heard, heard=[900] * count, read=[300] * count,
          surplus=[600] * count, secured=[5] * count, info_code=[8 if n % 30 == 0 else 0 for n in numbers])  # fmt: skip
    with transaction.atomic():
        spec = formats.text({"energy_heat_kwh": ("kWh", 1), "volume_m3": ("m³", 2), "flow_temperature_c": ("°C", 2),
                             "return_temperature_c": ("°C", 2)})  # fmt: skip
        format_id = formats.ids({spec})[spec]
    hour = second - second % 3600
    moments = [(n, hour - 3600 * back) for n in numbers for back in range(8760 if n == 1 else 3)]
    rows = len(moments)
    write(Reading, meter_id=[n for n, _ in moments], slot_at=[at for _, at in moments], kind=[0] * rows,
          heard_at=[at + 40 for _, at in moments], source=[1] * rows, quality=[0] * rows, format_id=[format_id] * rows,
          energy_heat_kwh=[round(50_000 + n % 999 + (at - hour) / 3600 * 1.5, 1) for n, at in moments],
          volume_m3=[round(900 + n % 999 + (at - hour) / 3600 * 0.04, 2) for n, at in moments],
          flow_temperature_c=[81.25] * rows, return_temperature_c=[44.5] * rows)  # fmt: skip
    # a thirtieth reports a code, a seventeenth did so for an hour within the last four weeks
    events = [(n, second - 86400 * (n % 200) - 3600, 0, 8) for n in numbers if n % 30 == 0]
    for n in numbers:
        if n % 17 == 0 and n % 30:
            begun = second - 86400 * (n % 28) - 7200
            events += [(n, begun, 0, 4), (n, begun + 3600, 4, 0)]
    write(InfoEvent, meter_id=[one[0] for one in events], at=[one[1] for one in events],
          code_before=[one[2] for one in events], code=[one[3] for one in events])  # fmt: skip
    for number in range(12):
        group = Group.objects.create(utility=utility, name=f"Område {number + 1}")
        members = [n for n in numbers if n % 16 == number]
        write(GroupMember, group_id=[group.pk] * len(members), meter_id=members)


def processor_seconds() -> Callable[[], float]:
    """The processor time of this process and of the one that serves it in PostgreSQL."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return time.process_time
    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 0")
        cursor.execute("SELECT pg_backend_pid()")
        (number,) = cursor.fetchone()
    told = Path(f"/proc/{number}/schedstat")
    return lambda: time.process_time() + int(told.read_text().split()[0]) / 1e9


def measure(rounds: int, clock: Callable[[], float]) -> None:
    from django.db import connection
    from django.test import Client

    import avlas.asgi  # noqa: F401 - as the server starts: pages are loaded, the garbage collector is settled
    from avlas.meters.models import Group, Meter
    from avlas.system.models import User
    from avlas.web.pages import home

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    client = Client()
    client.force_login(User.objects.get(), backend="allauth.account.auth_backends.AuthenticationBackend")
    group = Group.objects.order_by("pk").first()
    first = Meter.objects.order_by("pk").first()
    registers = "customer.serial.energy_heat_kwh.volume_m3.flow_temperature_c.return_temperature_c"
    last = Meter.objects.count() // 50 // 2
    print(f"{Meter.objects.count()} meters, {connection.vendor}")
    print(f"{'page':<34}{'median ms':>10}{'slowest':>10}")
    for name, address in {
        "list": "/meters/",
        "list, last heard first": "/meters/?sort=-latest",
        "list, page in the middle": f"/meters/?page={last}",
        "list, the last page": f"/meters/?page={Meter.objects.count() // 50}",
        "list, by customer, in the middle": f"/meters/?sort=customer&page={last}",
        "list, by city": "/meters/?sort=city",
        "list, a group": f"/meters/?group=g{group.pk}",
        "list, not in any group": "/meters/?group=ungrouped",
        "list, last imported": "/meters/?group=imported",
        "list, in stock": "/meters/?group=stock",
        "list, search for a word": "/meters/?q=tallen",
        "list, search for two words": "/meters/?q=%C3%B6berg+12",
        "list, missing": "/meters/?status=missing",
        "list, with register values": f"/meters/?columns={registers}",
        "groups": "/groups/",
        "a meter with a year of hours": f"/meters/{first.pk}/",
        "a meter": f"/meters/{first.pk + 1}/",
        "its readings": f"/meters/{first.pk}/readings/",
        "points, page in the middle": f"/points/?page={last}",
        "customers, page in the middle": f"/customers/?page={last}",
        "heard": "/heard/",
        "info codes": "/info-codes/",
        "priority meters": "/meters/priority/",
        "home": "/",
        "home, everything counted anew": "/",
    }.items():
        took = []
        for _ in range(rounds + 1):
            if name.endswith("anew"):
                home._KEPT.clear()  # noqa: SLF001
            begin = clock()
            answer = client.get(address)
            took.append((clock() - begin) * 1000)
            assert answer.status_code == 200, (address, answer.status_code)
        took = took[1:]  # the first one compiles templates
        print(f"{name:<34}{statistics.median(took):>10.0f}{max(took):>10.0f}")


if __name__ == "__main__":
    main()
