"""How much of what a meter should have sent was received: slots with a reading against slots there were.

A slot is one turn of a meter's schedule: a day, an hour, five minutes; slots begin at whole multiples of their length
(seconds since 1970). Hours in which no receiver listened say nothing about a meter, and are left out of its slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Span = tuple[int, int]
"""From, and until without (seconds UTC)."""

HOUR: Final = 3600


def whole_slots(span: Span, slot_seconds: int) -> Span:
    """The part of a span that is whole slots; empty (from = until) when none fits."""
    begin = -(-span[0] // slot_seconds) * slot_seconds
    return begin, max(begin, span[1] // slot_seconds * slot_seconds)


def deaf_spans(hours: Iterable[tuple[int, int]], begin: int, end: int) -> list[Span]:
    """Spans of ``begin`` to ``end`` in which no receiver listened, in order.

    ``hours``: the start of each hour with the seconds a receiver listened in it, of all receivers, in any order. What
    was before the first of them is not known, and so not deaf.
    """
    listened = {hour for hour, seconds in hours if seconds > 0}
    if not listened:
        return []
    found: list[Span] = []
    hour = max(min(listened), begin // HOUR * HOUR)
    while hour < end:
        if hour not in listened:
            if found and found[-1][1] == hour:
                found[-1] = found[-1][0], min(hour + HOUR, end)
            else:
                found.append((max(hour, begin), min(hour + HOUR, end)))
        hour += HOUR
    return found


def counted_spans(span: Span, deaf: Sequence[Span], slot_seconds: int) -> list[Span]:
    """The whole slots of ``span``, without those that lie wholly in a deaf span, as spans in order."""
    begin, end = whole_slots(span, slot_seconds)
    found = []
    for gap in deaf:
        gap_begin, gap_end = whole_slots((max(gap[0], begin), min(gap[1], end)), slot_seconds)
        if gap_end > gap_begin:
            if gap_begin > begin:
                found.append((begin, gap_begin))
            begin = gap_end
    if end > begin:
        found.append((begin, end))
    return found


def slots_in(spans: Iterable[Span], slot_seconds: int, since: int = 0) -> int:
    """How many slots there are in spans made by ``counted_spans``, those before ``since`` not counted."""
    first = -(-since // slot_seconds) * slot_seconds
    return sum(max(0, end - max(begin, first)) for begin, end in spans) // slot_seconds


def percent(received: int, expected: int) -> float | None:
    """What was received of what was expected, 0 to 100; None when nothing was expected."""
    return min(100.0, 100.0 * received / expected) if expected else None


def last_missing(
    slots: Iterable[int], spans: Sequence[Span], slot_seconds: int, since: int = 0
) -> int | None:
    """The start of the last slot of ``spans`` that has no reading; None when none is missing.

    ``slots``: the starts of the slots that have one.
    """
    there = set(slots)
    first = -(-since // slot_seconds) * slot_seconds
    for begin, end in reversed(spans):
        for slot in range(end - slot_seconds, max(begin, first) - 1, -slot_seconds):
            if slot not in there:
                return slot
    return None
