"""The demo from start to stop: town, database, simulated receivers, program."""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import django
from django.db import connection

from avlas.simulate.town import Town
from avlas.system.terminal import text
from avlas.web.command import check_address

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

_RECENT = timedelta(hours=6)
_MADE = "town.json"  # written last: a town whose making was interrupted doesn't count


def play(args: argparse.Namespace, data: Path) -> int:
    """Make the town or find the recent one, put it on the air and run the program until stopped."""
    started = time.monotonic()
    check_address(args.listen)
    data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (data.parent / "demo.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _say(text(f"The demo in {data} is running already.", f"Demon i {data} är redan igång."))
        return 1
    if data.exists() and any(data.iterdir()) and not (data / "signing.secret").exists():
        _say(
            text(
                f"{data} holds files that are not the demo's. Give the demo another place with AVLAS_DATA.",
                f"{data} innehåller filer som inte är demons. Ge demon en annan plats med AVLAS_DATA.",
            )
        )
        return 1
    _say(text("Building the town ...", "Bygger staden ..."))
    town = None if args.fresh else _recent(data, args)
    if town is None:
        shutil.rmtree(data, ignore_errors=True)
        town = Town.build(args.meters, args.seed, now=datetime.now(UTC))
        django.setup()
        from avlas.demo.history import Progress
        from avlas.demo.load import load

        load(town, data, Progress())
        made = {"meters": args.meters, "seed": args.seed, "now": town.now.isoformat(), "mark": _mark(town)}
        (data / _MADE).write_text(json.dumps(made))
    else:
        django.setup()
        from avlas.migrate import upgrade

        upgrade()
    from avlas.demo.air import OnAir
    from avlas.demo.load import ADMINISTRATOR
    from avlas.serve import Supervisor
    from avlas.system.models import User
    from avlas.web.signin_link import path_for

    link = path_for(User.objects.get(email=ADMINISTRATOR))
    connection.close()
    supervisor = Supervisor(args.listen)
    with OnAir(town, data) as air:
        supervisor.start()
        if supervisor.wait_until_up():
            _welcome(town, supervisor.address.rstrip("/") + link, time.monotonic() - started)
        air.begin(supervisor.address)
        return supervisor.run_until_stopped()


def _recent(data: Path, args: argparse.Namespace) -> Town | None:
    """The town that lies in ``data``, if it is the wished one and recent enough to go on with."""
    try:
        made = json.loads((data / _MADE).read_text())
        now = datetime.fromisoformat(made["now"])
    except (OSError, ValueError, KeyError):
        return None
    wished = (made.get("meters"), made.get("seed")) == (args.meters, args.seed)
    if not wished or datetime.now(UTC) - now > _RECENT:
        return None
    town = Town.build(args.meters, args.seed, now=now)
    return town if made.get("mark") == _mark(town) else None  # another version builds another town


def _mark(town: Town) -> int:
    """A number that differs when the meters do."""
    return zlib.crc32(repr([(one.identification, one.type_name, one.point) for one in town.meters]).encode())


def _welcome(town: Town, link: str, seconds: float) -> None:
    registered = sum(meter.point is not None for meter in town.meters)
    print(
        text(
            f"\n{town.name}: {len(town.points)} metering points, {registered} meters, "
            f"{len(town.collectors)} collectors. Ready after {seconds:.0f} s.",
            f"\n{town.name}: {len(town.points)} mätpunkter, {registered} mätare, "
            f"{len(town.collectors)} insamlare. Klart efter {seconds:.0f} s.",
        )
    )
    print(
        text("\nOpen this address. It signs you in as administrator, once, within an hour:\n",
             "\nÖppna den här adressen. Den loggar in dig som administratör, en gång, inom en timme:\n")
    )  # fmt: skip
    print(f"  {link}\n")
    print(text("Stop with Ctrl-C.", "Avsluta med Ctrl-C."), flush=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
