"""``avlas reread``: decode again the stored telegrams that could not be read, as after a better program or family."""

from __future__ import annotations

import argparse
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from avlas.system.terminal import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.system.models import Utility


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--since", type=_day, metavar="DATE", help="only what was heard from this day on, like 2026-03-01"
    )
    parser.add_argument("--utility", help="short name of the utility (all, when left out)")


def run(args: argparse.Namespace) -> int:
    """Runs the command. Exit status 0 done, also where nothing could be read; 1 nothing done and why."""
    import django

    django.setup()
    from django.utils import timezone

    from avlas.system.models import Utility
    from avlas.system.terminal import chosen_utility

    since = args.since and timezone.make_aware(datetime.combine(args.since, time()))
    utilities: Iterable[Utility] = Utility.objects.order_by("pk")
    if args.utility:
        chosen = chosen_utility(args.utility)
        if chosen is None:
            return 1
        utilities = [chosen]
    for utility in utilities:
        _reread(utility, since)
    return 0


def _reread(utility: Utility, since: datetime | None) -> None:
    from avlas.meters.models import State
    from avlas.meters.retro import decode_waiting
    from avlas.system import audit

    result = decode_waiting(utility.pk, heard_after=since and since - timedelta(seconds=1))
    tried, read = result.telegrams, result.states[State.READ]
    if read:
        detail = {"telegrams": read, "since": since.isoformat() if since else ""}
        audit.record("telegrams.reread", utility=utility, detail=detail)
    print(
        text(
            f"{utility.name}: {read} of {tried} telegrams that waited could be read; {tried - read} wait on.",
            f"{utility.name}: {read} av {tried} telegram som väntade gick att läsa; {tried - read} väntar kvar.",
        )
    )


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise argparse.ArgumentTypeError(
            text(f"{given!r} is no date like 2026-03-01", f"{given!r} är inget datum som 2026-03-01")
        ) from None
