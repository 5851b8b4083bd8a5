"""Receivers that have fallen silent in hours in which they normally hear.

Each hour is compared with the same hour of the last days, so that a receiver which never hears anything at night
is not missed at night. It is silent when, since its last telegram, at least ENOUGH telegrams would have been usual:
a busy receiver is missed after a quarter of an hour, one that hears a meter an hour only after the better part of
a day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy

from avlas.meters.models import Collector, ReceiverHour

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import Promise

HOUR: Final = 3600
DAY: Final = 24 * HOUR
DAYS: Final = 7
"""Days that are compared."""
FEWEST_DAYS: Final = 2
"""Days on which it must have been listening in the same hour, before anything is missed."""
LISTENED: Final = 0.5
"""Share of an hour it must have been listening, for the hour to say anything."""
ENOUGH: Final = 8.0
"""Telegrams that would have been usual: if they came by chance, none of 8 would come once in 3,000 times."""
SHORTEST: Final = 900
"""Seconds of silence below which nobody is told."""
BACK: Final = 0.25
"""Share of what is usual that must be heard for a silence to be over: a telegram now and then is not enough."""

REASONS: Final[dict[str, Promise]] = {
    "hears_nothing": gettext_lazy(
        "It is connected, but hears nothing: look at aerial, cable and radio mode."
    ),
    "not_working": gettext_lazy("It does not work; its state says why."),
    "not_started": gettext_lazy("Nobody listens to it: Avläs' collector is not running."),
}


@dataclass(frozen=True, slots=True)
class Hour:
    """Telegrams heard in an hour, and the seconds of it in which the receiver was listening."""

    telegrams: int
    seconds: int


def usual(hours: Mapping[int, Hour], hour_at: int, since: float) -> float:
    """Telegrams usual in the hour that begins at ``hour_at``: the median of its last DAYS days before ``since``.

    Both in seconds UTC. What came later is the silence itself, which must not become usual however long it
    lasts. 0 when fewer than FEWEST_DAYS can be compared.
    """
    first = max(1, math.ceil((hour_at + HOUR - since) / DAY))
    before = [hours.get(hour_at - DAY * day) for day in range(first, first + DAYS)]
    heard = [one.telegrams * HOUR / one.seconds for one in before if one and one.seconds >= LISTENED * HOUR]
    return float(median(heard)) if len(heard) >= FEWEST_DAYS else 0.0


def expected(hours: Mapping[int, Hour], since: float, now: float, begins: float | None = None) -> float:
    """Telegrams that would have been usual until ``now``, for a receiver last heard at ``since`` (seconds UTC).

    Counted from ``begins``, or from ``since`` on; a day back at most.
    """
    begins = max(since if begins is None else begins, now - DAY)
    total = 0.0
    hour_at = int(begins // HOUR * HOUR)
    while hour_at < now:
        share = (min(now, hour_at + HOUR) - max(begins, hour_at)) / HOUR
        total += usual(hours, hour_at, since) * share
        hour_at += HOUR
    return total


def is_silent(hours: Mapping[int, Hour], last_heard: float, now: float) -> bool:
    """Whether a receiver last heard at ``last_heard`` (seconds UTC) is missed at ``now``."""
    return now - last_heard >= SHORTEST and expected(hours, last_heard, now) >= ENOUGH


def hears_again(hours: Mapping[int, Hour], since: float, now: float) -> bool:
    """Whether a receiver that was silent from ``since`` on hears at ``now`` (seconds UTC) much as it used to.

    Judged by this hour and the one before, as far as they began after it fell silent.
    """
    this = int(now // HOUR * HOUR)
    begins = max(this - HOUR, int(since // HOUR * HOUR) + HOUR)
    heard = sum(hours[at].telegrams for at in range(begins, this + 1, HOUR) if at in hours)
    return heard >= max(1.0, BACK * expected(hours, since, now, begins))


@dataclass(frozen=True, slots=True)
class SilentReceiver:
    """A receiver that is missed: since when, how much would have been usual, and what its status says.

    ``reason``, a key of REASONS: ``hears_nothing`` (its line is open), ``not_working`` (its status says why) or
    ``not_started`` (nobody has listened to it this last hour).
    """

    collector: Collector
    since: datetime
    expected: float
    reason: str


def silent_receivers(
    utility_id: int | None = None, now: datetime | None = None, *, collector_id: int | None = None
) -> list[SilentReceiver]:
    """The active receivers that are silent now, of one utility or all, by name. Reads only."""
    now = now or datetime.now(UTC)
    chosen = Collector.objects.filter(active=True, last_heard_at__lt=now - timedelta(seconds=SHORTEST))
    if utility_id is not None:
        chosen = chosen.filter(utility_id=utility_id)
    if collector_id is not None:
        chosen = chosen.filter(pk=collector_id)
    found = []
    for collector in chosen.select_related("utility").order_by("name", "pk"):
        assert collector.last_heard_at is not None
        hours = hours_of(collector.pk, min(collector.last_heard_at, now - timedelta(days=1)))
        if is_silent(hours, collector.last_heard_at.timestamp(), now.timestamp()):
            missing = expected(hours, collector.last_heard_at.timestamp(), now.timestamp())
            found.append(
                SilentReceiver(collector, collector.last_heard_at, missing, _reason(collector, hours, now))
            )
    return found


def is_back(collector: Collector, since: datetime, now: datetime) -> bool:
    """Whether a receiver that fell silent at ``since`` hears again; see ``hears_again``. Reads only."""
    hours = hours_of(collector.pk, min(since, now - timedelta(days=1)))
    return hears_again(hours, since.timestamp(), now.timestamp())


def hours_of(collector_id: int, since: datetime) -> dict[int, Hour]:
    """A receiver's hours as far back as they are compared when it was last heard ``since``, by start (UTC)."""
    first = since - timedelta(days=DAYS + 1, hours=1)
    rows = ReceiverHour.objects.filter(collector_id=collector_id, hour_at__gte=first)
    return {
        int(row.hour_at.timestamp()): Hour(row.telegrams, row.seconds)
        for row in rows.only("hour_at", "telegrams", "seconds")
    }


def _reason(collector: Collector, hours: Mapping[int, Hour], now: datetime) -> str:
    if collector.status in ("failed", "waiting"):
        return "not_working"
    this = int(now.timestamp() // HOUR * HOUR)
    listened = sum(hours[at].seconds for at in (this, this - HOUR) if at in hours)
    return "hears_nothing" if listened else "not_started"
