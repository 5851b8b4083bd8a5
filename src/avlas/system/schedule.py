"""When a job is due: every so many minutes, or at times of day, weekdays and days of the month.

Times of day are of a time zone's own clock. When that clock is put forward, a time that does not exist
becomes the first one that does; when it is put back, a time that exists twice is the first of the two. So
each runs exactly once. Hourly jobs run every real hour, on such days too.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from cronsim import CronSim, CronSimError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.utils.functional import Promise

LONGEST_INTERVAL_MINUTES: Final = 1440
LAST_DAY: Final = -1  # of the month
WEEKDAY_NAMES: Final[tuple[Promise, ...]] = (
    gettext_lazy("Monday"),
    gettext_lazy("Tuesday"),
    gettext_lazy("Wednesday"),
    gettext_lazy("Thursday"),
    gettext_lazy("Friday"),
    gettext_lazy("Saturday"),
    gettext_lazy("Sunday"),
)
_PLAIN: Final = re.compile(r"(\d+) (\*|\d+) (\*|L|\d+) \* (\*|[0-7](?:[-,][0-7])*)")
_EVERY_FEW_MINUTES: Final = re.compile(r"\*/([1-9]\d?) \* \* \* \*")
_MONDAY_TO_FRIDAY: Final = (1, 2, 3, 4, 5)
Pattern = Literal["minutes", "hourly", "daily", "weekly", "monthly", "cron"]


class ScheduleError(ValueError):
    """A schedule that makes no sense; the message is for people."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A schedule taken apart, as people choose it: a pattern and what belongs to it."""

    pattern: Pattern
    hour: int = 0
    minute: int = 0
    weekdays: tuple[int, ...] = ()  # ISO: Monday is 1
    month_day: int = 1  # or LAST_DAY


@dataclass(frozen=True, slots=True)
class Schedule:
    """Either ``every_minutes`` (1 to 1440, counted from midnight UTC) or ``cron`` (five fields, as cron has them).

    Raises ScheduleError when it is neither or both, can't be understood, or would never come.
    """

    every_minutes: int = 0
    cron: str = ""
    time_zone: str = "Europe/Stockholm"

    def __post_init__(self) -> None:
        if bool(self.every_minutes) == bool(self.cron):
            raise ScheduleError(_("A schedule is either a number of minutes or times of day."))
        if self.time_zone not in zoneinfo.available_timezones():
            raise ScheduleError(
                _("%(name)s is not a time zone; write it like Europe/Stockholm.") % {"name": self.time_zone}
            )
        if not self.cron:
            if not 1 <= self.every_minutes <= LONGEST_INTERVAL_MINUTES:
                raise ScheduleError(
                    _("The number of minutes is from 1 to %(most)d.") % {"most": LONGEST_INTERVAL_MINUTES}
                )
            return
        if len(self.cron.split()) != 5:
            raise ScheduleError(
                _(
                    "Write five fields: minute, hour, day of month, month, weekday. 30 6 * * 1-5 is 06:30 on weekdays."
                )
            )
        try:
            next(self.after(datetime(2026, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration) as problem:
            raise ScheduleError(
                _("“%(cron)s” is not a schedule: %(problem)s.")
                % {"cron": self.cron, "problem": str(problem) or _("that day never comes")}
            ) from None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Every time it is due after ``moment`` (aware), in order, in UTC."""
        if self.every_minutes:
            step = self.every_minutes * 60
            seconds = int(moment.timestamp()) // step * step
            while True:
                seconds += step
                yield datetime.fromtimestamp(seconds, UTC)
        last = moment
        for local in CronSim(self._own_clock(), moment.astimezone(zoneinfo.ZoneInfo(self.time_zone))):
            at = local.astimezone(UTC)
            if at > last:  # two times that don't exist in spring become the same one
                last = at
                yield at

    def next_after(self, moment: datetime) -> datetime:
        """The first time it is due after ``moment``, in UTC."""
        return next(self.after(moment))

    def latest(self, due_at: datetime, now: datetime) -> tuple[datetime, int]:
        """Of the times due from ``due_at`` until ``now``: the last one, and how many came before it."""
        missed = 0
        for following in self.after(due_at):
            if following > now:
                break
            due_at, missed = following, missed + 1
        return due_at, missed

    def _own_clock(self) -> str:
        """The expression as CronSim needs it, for "exactly once" to hold for */2 hours and */30 minutes as well."""
        minute, hour, *rest = self.cron.split()
        if hour != "*":
            minute = re.sub(r"^\*", "0-59", minute)
            hour = re.sub(r"^\*", "0-23", hour)
        return " ".join([minute, hour, *rest])

    def parts(self) -> Parts:
        """What a person would have chosen to get this; ``cron`` when only the expression says it."""
        if self.every_minutes:
            return Parts("minutes")
        plain = _PLAIN.fullmatch(self.cron)
        if plain is None:
            return Parts("cron")
        minute, hour, day, weekdays = plain.groups()
        if hour == "*":
            return Parts("hourly", minute=int(minute)) if day == weekdays == "*" else Parts("cron")
        at = (int(hour), int(minute))
        if day == "*":
            return Parts("daily", *at) if weekdays == "*" else Parts("weekly", *at, weekdays=_days(weekdays))
        if weekdays != "*":
            return Parts("cron")
        return Parts("monthly", *at, month_day=LAST_DAY if day == "L" else int(day))

    def words(self) -> str:
        """The schedule in the reader's language: "every weekday at 06:30"."""
        parts = self.parts()
        values = {
            "n": self.every_minutes,
            "minute": parts.minute,
            "time": f"{parts.hour:02}:{parts.minute:02}",
            "day": parts.month_day,
            "cron": self.cron,
        }
        if parts.pattern == "minutes":
            text = _("every minute") if self.every_minutes == 1 else _("every %(n)d minutes")
        elif parts.pattern == "hourly":
            text = _("every hour at %(minute)d minutes past") if parts.minute else _("every hour on the hour")
        elif parts.pattern == "daily":
            text = _("every day at %(time)s")
        elif parts.pattern == "weekly":
            if parts.weekdays == _MONDAY_TO_FRIDAY:
                text = _("every weekday at %(time)s")
            else:
                names = [str(WEEKDAY_NAMES[day - 1]) for day in parts.weekdays]
                listed = ", ".join(names[:-1])
                values["days"] = (
                    _("%(some)s and %(last)s") % {"some": listed, "last": names[-1]} if listed else names[-1]
                )
                text = _("every %(days)s at %(time)s")
        elif parts.pattern == "monthly":
            text = (
                _("on the last day of every month at %(time)s")
                if parts.month_day == LAST_DAY
                else _("on day %(day)d of every month at %(time)s")
            )
        elif (step := _EVERY_FEW_MINUTES.fullmatch(self.cron)) and 60 % int(step[1]) == 0:
            text, values["n"] = _("every %(n)d minutes"), int(step[1])
        else:
            text = _("by the expression %(cron)s")
        return text % values


def _days(field: str) -> tuple[int, ...]:
    """Cron's weekdays ("1-5", "0,6") as ISO numbers in order."""
    days: set[int] = set()
    for part in field.split(","):
        first, _dash, last = part.partition("-")
        days |= {day or 7 for day in range(int(first), int(last or first) + 1)}
    return tuple(sorted(days))
