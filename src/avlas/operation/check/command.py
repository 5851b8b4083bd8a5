"""The command ``check``: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import json
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from avlas.system.terminal import terminal_language, text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from avlas.operation.check.finding import Finding

_WIDTH = 110


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``avlas check``."""
    parser.add_argument(
        "--json",
        action="store_true",
        help=text("one JSON object a line, for programs", "ett JSON-objekt per rad, för program"),
    )


def run(args: argparse.Namespace) -> int:
    """Look the installation over; the exit status is 1 when something is bad, warnings alone give 0."""
    import django

    django.setup()
    from avlas.operation.check import everything
    from avlas.operation.check.finding import Asked, Level

    with terminal_language():
        found = everything.look_over(Asked(datetime.now(UTC)))
    for line in _json(found) if args.json else _lines(found):
        print(line)
    return int(everything.worst(found) == Level.BAD)


def _json(found: list[Finding]) -> Iterator[str]:
    for one in found:
        said = {
            "area": one.area,
            "level": one.level.name.lower(),
            "sentence": one.sentence,
            "advice": one.advice,
        }
        yield json.dumps(said, ensure_ascii=False)


def _lines(found: list[Finding]) -> Iterator[str]:
    marks = (text("ok", "ok"), text("warning", "varning"), text("bad", "fel"))
    mark_width, area_width = max(map(len, marks)), max((len(one.area) for one in found), default=0)
    margin = " " * (mark_width + area_width + 4)
    for one in found:
        head = f"{marks[one.level]:<{mark_width}}  {one.area:<{area_width}}  "
        yield textwrap.fill(
            one.sentence, _WIDTH, initial_indent=head, subsequent_indent=margin, break_long_words=False
        )
        if one.advice:
            yield textwrap.fill(
                one.advice, _WIDTH, initial_indent=margin + "→ ", subsequent_indent=margin + "  ",
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
    yield ""
    bad = sum(one.level == 2 for one in found)
    warnings = sum(one.level == 1 for one in found)
    if bad or warnings:
        yield text(f"Bad: {bad}. Warnings: {warnings}.", f"Fel: {bad}. Varningar: {warnings}.")
    else:
        yield text("All is well.", "Allt är bra.")
