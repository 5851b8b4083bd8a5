"""What a check says, and for whom it looks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.db.models import Model, Q
from django.utils import timezone
from django.utils.formats import number_format

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from django.utils.functional import Promise

M = TypeVar("M", bound=Model)


class Level(IntEnum):
    """How bad it is."""

    OK = 0
    WARNING = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what it is about, how bad, the sentence, and what to do (empty when nothing needs doing)."""

    area: str
    level: Level
    sentence: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """When it is looked over, and whose receivers, jobs, messages and keys are.

    ``utility_id``  this utility's and those of none; None: those of all, as the person at the machine may see
    """

    now: datetime
    utility_id: int | None = None

    def rows(self, model: type[M]) -> QuerySet[M]:
        """The rows of a model that are looked at."""
        every: Any = model._default_manager.all()  # noqa: SLF001 - Django's own name
        if self.utility_id is None:
            return every  # type: ignore[no-any-return]
        mine = Q(utility_id=self.utility_id)
        if model._meta.get_field("utility").null:  # noqa: SLF001
            mine |= Q(utility=None)
        return every.filter(mine)  # type: ignore[no-any-return]


_BYTES: Final = ((1e12, "TB", 1), (1e9, "GB", 1), (1e6, "MB", 0))


def size(count: float) -> str:
    """A number of bytes in words: 12 MB, 1.3 GB."""
    factor, unit, decimals = next((one for one in _BYTES if count >= one[0]), _BYTES[-1])
    return f"{number_format(round(count / factor, decimals), decimals)}\xa0{unit}"


def number(count: int) -> str:
    """A whole number with the language's thousands sign."""
    return number_format(count, 0, force_grouping=True)


def moment(at: datetime) -> str:
    """A moment in the reader's zone, which is named: 2026-11-23 14:05 CET."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}"


def ok(area: str, sentence: str | Promise) -> Finding:
    """A finding that needs nothing."""
    return Finding(area, Level.OK, str(sentence))


def warning(area: str, sentence: str | Promise, advice: str | Promise) -> Finding:
    """A finding somebody should see to."""
    return Finding(area, Level.WARNING, str(sentence), str(advice))


def bad(area: str, sentence: str | Promise, advice: str | Promise) -> Finding:
    """A finding that keeps the program from its work, or endangers what it holds."""
    return Finding(area, Level.BAD, str(sentence), str(advice))
