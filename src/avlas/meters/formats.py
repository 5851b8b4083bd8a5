"""Formats: which unit and how many decimals a layout sends for each register, kept once and pointed to by readings."""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from functools import lru_cache

from django.db import transaction

from avlas.decode.families import canonical
from avlas.meters.models import Format
from avlas.reports.calc.shown_in import converted_decimals

_ids: dict[str, int] = {}
_lock = threading.Lock()


@lru_cache(4096)
def parse(spec: str) -> dict[str, tuple[str, int]]:
    """Give a format's text as {register code: (unit as sent, decimals as sent)}."""
    return {code: (unit, decimals) for code, (unit, decimals) in json.loads(spec or "{}").items()}


def text(sent: dict[str, tuple[str, int]]) -> str:
    """Give a format's text, the opposite of ``parse``."""
    return json.dumps(dict(sorted(sent.items())), separators=(",", ":"))


@lru_cache(4096)
def merged(first: str, second: str) -> str:
    """Give the format of a row that has ``first``'s registers and, where those are missing, ``second``'s."""
    return text({**parse(second), **parse(first)})


@lru_cache(4096)
def step(sent: tuple[str, int] | None) -> float:
    """Give one count of a register (unit and decimals as sent) in canonical units; 0.0 when they aren't known."""
    if sent is None:
        return 0.0
    unit, decimals = sent
    count = Decimal(1).scaleb(-decimals)
    in_canonical = canonical(count, unit)
    return float(in_canonical[0] if in_canonical else count)


def resolution(spec: str, code: str) -> float:
    """Give the smallest step of a register in canonical units (0.0 when the format doesn't say)."""
    return step(parse(spec).get(code))


@lru_cache(4096)
def shown_decimals(unit: str, decimals: int) -> int:
    """Give the decimals that a figure sent in ``unit`` with ``decimals`` deserves in the canonical unit."""
    converted = canonical(Decimal(1), unit)
    return converted_decimals(decimals, Decimal(converted[0])) if converted else decimals


def ids(specs: set[str]) -> dict[str, int]:
    """Give the id of each format, making rows for new ones (inside the caller's transaction)."""
    with _lock:
        known = {spec: _ids[spec] for spec in specs if spec in _ids}
    if len(known) < len(specs):
        missing = specs - known.keys()
        Format.objects.bulk_create([Format(spec=spec) for spec in sorted(missing)], ignore_conflicts=True)
        found = dict(Format.objects.filter(spec__in=missing).values_list("spec", "id"))
        known |= found
        # remembered only once committed: a rolled back row must not leave its id behind
        transaction.on_commit(lambda: _remember(found))
    return known


def specs(format_ids: set[int]) -> dict[int, str]:
    """Give the text of each format id."""
    return dict(Format.objects.filter(id__in=format_ids).values_list("id", "spec"))


def forget() -> None:
    """Drop the ids in memory (another database)."""
    with _lock:
        _ids.clear()


def _remember(found: dict[str, int]) -> None:
    with _lock:
        _ids.update(found)
