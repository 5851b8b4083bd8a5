"""How long a meter has shown each of its codes within a look-back, from the moments at which its codes changed.

The steps are those in which Kamstrup's water meters tell it themselves (EN 13757 record 02FF20, three bits a code:
0 never, 1 for 1-8 hours, ... 7 for 22-31 days), so that all meters of a list say it in the same words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

LOOK_BACK_SECONDS: Final = 30 * 86400
_HOUR: Final = 3600
_STEP_HOURS: Final = (8, 24, 3 * 24, 7 * 24, 14 * 24, 21 * 24)


def seconds_shown(changes: Sequence[tuple[int, Collection[str]]], begin: int, end: int) -> dict[str, int]:
    """How many seconds of ``begin`` to ``end`` each code was shown; codes that never were are left out.

    ``changes``: moments (seconds UTC, rising) and the codes shown from then on. What was before the first is not known.
    """
    found: dict[str, int] = {}
    for number, (at, codes) in enumerate(changes, 1):
        until = changes[number][0] if number < len(changes) else end
        seconds = min(until, end) - max(at, begin)
        if seconds > 0:
            for code in codes:
                found[code] = found.get(code, 0) + seconds
    return found


def began_at(changes: Sequence[tuple[int, Collection[str]]], code: str) -> int | None:
    """Since when the code is shown without a break; None when it is not shown after the last change."""
    began = None
    for at, codes in reversed(changes):
        if code not in codes:
            break
        began = at
    return began


def step(seconds: int) -> int:
    """The step (0 to 7) that so many seconds fall into: 0 none, 1 up to 8 hours, ... 7 more than 21 days."""
    if seconds <= 0:
        return 0
    return 1 + sum(seconds > hours * _HOUR for hours in _STEP_HOURS)
