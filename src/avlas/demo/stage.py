"""The demo from start to stop: town, database, simulated receivers, program."""

from __future__ import annotations

import json
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import django
from django.db import connection

from avlas.cli import text
from avlas.simulate.town import Town

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

_RECENT = timedelta(hours=6)
_MADE = "town.json"  # written last: a town whose making was interrupted doesn't count


def play(args: argparse.Namespace, data: Path) -> int:
    """Make the town or find the recent one, put it on the air and run the program until stopped."""
    started = time.monotonic()
    wish = {"meters": args.meters, "seed": args.seed}
    recent = None if args.fresh else _recent(data, wish)
    now = recent or datetime.now(UTC)
    if recent is None:
        shutil.rmtree(data, ignore_errors=True)
    _say(text("Building the town ...", "Bygger staden ..."))
    town = Town.build(args.meters, args.seed, now=now)
    django.setup()
    if recent is None:
        from avlas.demo.history import Progress
        from avlas.demo.load import load

        load(town, data, Progress())
        (data / _MADE).write_text(json.dumps(wish | {"now": now.isoformat()}))
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


def _recent(data: Path, wish: dict[str, int]) -> datetime | None:
    """When the town in ``data`` was made, if it is the wished one and recent enough to go on with."""
    try:
        made = json.loads((data / _MADE).read_text())
        now = datetime.fromisoformat(made.pop("now"))
    except (OSError, ValueError, KeyError):
        return None
    return now if made == wish and datetime.now(UTC) - now < _RECENT else None


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
