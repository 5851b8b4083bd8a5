"""Two systems' figures of the same month side by side: which agree, and what the sums are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from avlas.reports.calc.borders import STANDARD_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

DIFFERENT, ONLY_THEIRS, ONLY_OURS, EQUAL = 0, 1, 2, 3
"""A pair's verdict, worst first."""
READ_UNTIL: Final = timedelta(hours=12)
"""Rounds are read on the month's first morning: until noon a figure belongs to the month before."""
_CLOSE: Final = 0.01  # how well a figure in another unit must fit to be told


@dataclass(frozen=True, slots=True)
class Theirs:
    """A line of the other system's file: a meter by serial number or by facility, and its figure of the month.

    ``unit`` and ``register`` are empty where the file does not say them; ``at`` is when it was read (aware).
    """

    line: int
    serial: str = ""
    manufacturer: str = ""
    facility: str = ""
    at: datetime | None = None
    register: str = ""
    unit: str = ""
    figure: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What two figures may differ by and be equal: ``absolute``, or ``share`` of ours (0.01: a per cent)."""

    absolute: float
    share: float


@dataclass(frozen=True, slots=True)
class Sums:
    """Of one register: theirs and ours where both are known, and what only one side has."""

    theirs: float = 0.0
    ours: float = 0.0
    only_theirs: float = 0.0
    only_ours: float = 0.0

    @property
    def difference(self) -> float:
        """Theirs less ours, of what both have."""
        return self.theirs - self.ours


def month_of(at: datetime) -> date:
    """The first day of the month that a figure read at ``at`` (aware) ends: each moment belongs to one month."""
    return (at - READ_UNTIL - timedelta(microseconds=1)).astimezone(STANDARD_TIME).date().replace(day=1)


def half_a_digit(figure: Decimal, factor: float) -> float:
    """What the figure's rounding may hide: half of its last digit, times the unit's ``factor``."""
    exponent = figure.as_tuple().exponent
    assert isinstance(exponent, int)  # figures of files are finite
    return 0.5 * 10.0**exponent * factor


def verdict(
    theirs: float | None, ours: float | None, allowed: Tolerance, rounding: float = 0.0
) -> int | None:
    """Whether two figures in the same unit agree; None when neither is known.

    ``rounding``: by how much theirs may be off because of its decimals; no rounding makes a difference.
    """
    if theirs is None or ours is None:
        if theirs is None and ours is None:
            return None
        return ONLY_OURS if theirs is None else ONLY_THEIRS
    most = max(allowed.absolute, allowed.share * abs(ours), rounding)
    slack = 1e-12 * max(1.0, abs(theirs), abs(ours))  # of the floats themselves
    return EQUAL if abs(theirs - ours) <= most + slack else DIFFERENT


def fitting_unit(figure: Decimal, ours: float, factors: Iterable[tuple[str, float]]) -> str:
    """The unit (name, factor to ours) in which the file's ``figure`` would nearly be ours; empty: none."""
    if not ours:
        return ""
    return next(
        (name for name, factor in factors if abs(float(figure) * factor - ours) <= _CLOSE * abs(ours)), ""
    )


def sums(pairs: Iterable[tuple[str, float | None, float | None]]) -> dict[str, Sums]:
    """The sums of each register: pairs are register, theirs and ours."""
    found: dict[str, Sums] = {}
    for register, theirs, ours in pairs:
        if theirs is None and ours is None:
            continue
        so_far = found.get(register, Sums())
        if theirs is not None and ours is not None:
            made = Sums(so_far.theirs + theirs, so_far.ours + ours, so_far.only_theirs, so_far.only_ours)
        else:
            made = Sums(so_far.theirs, so_far.ours, so_far.only_theirs + (theirs or 0.0),
                        so_far.only_ours + (ours or 0.0))  # fmt: skip
        found[register] = made
    return found
