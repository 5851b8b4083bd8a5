"""What a kind of job is, and what its function is given when it runs.

A kind is one entry in ``avlas.job_kinds``: a code, words for people, the parameters a job of that kind
has, and a function ``run(context)``. The function

- does its work so that doing it again for the same ``context.due_at`` changes nothing more: after a crash
  it is begun anew, up to three times in all;
- says what it does with ``context.log`` and how far it has come with ``context.progress``. Both, and
  ``context.check``, raise Interrupted when it must stop: let that through;
- raises JobFailed with a reason for people when it can't be done, or whatever else went wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from django.utils.functional import Promise

    from avlas.system.models import Utility
    from avlas.system.schedule import Schedule


class Interrupted(Exception):  # noqa: N818 - not an error of the job
    """The run must end here; it will be begun again, here or elsewhere."""


class LeaseLost(Interrupted):
    """Another worker may have taken over the run (this one was out of reach of the database for too long)."""


class WorkerStopping(Interrupted):
    """The worker was asked to stop; the run goes back to wait and this attempt doesn't count."""


class JobFailed(Exception):  # noqa: N818 - the domain's word
    """The work can't be done. ``text`` is an English message of the program, ``values`` what fills its blanks."""

    def __init__(self, text: str, **values: Any) -> None:
        super().__init__(text % values if values else text)
        self.text, self.values = text, values


class Context(Protocol):
    """What a running job knows and may say."""

    due_at: datetime
    """The time it is due, UTC: of missed ones the latest. The same at every attempt."""
    utility: Utility | None
    """Whose rows it works on; None: the whole installation."""
    parameters: Mapping[str, Any]
    """The job's parameters, with the defaults of those that were never set."""
    job_id: int
    run_id: int
    attempt: int
    """1 to 3."""

    def log(self, text: str, /, **values: Any) -> None:
        """Add a line to the run's log.

        ``text`` is English and marked with gettext_noop; blanks as %(name)s are filled with ``values`` (texts,
        numbers) when it is shown, in the reader's language. Without values it is shown as it is.
        """

    def progress(self, done: int, total: int | None = None) -> None:
        """Say how far it has come; written at most once a second, so call it as often as you like."""

    def check(self) -> None:
        """Raise Interrupted when the run must end here."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that a person sets for a job of a kind; kept in ``Job.parameters`` under ``name``."""

    name: str
    label: Promise
    type: Literal["text", "number", "yes_no", "choice"] = "text"
    default: Any = ""
    help: Promise | str = ""
    choices: (
        tuple[tuple[str, Promise | str], ...] | Callable[[Utility | None], Sequence[tuple[str, str]]]
    ) = ()
    least: int | None = None
    most: int | None = None
    required: bool = True

    def options(self, utility: Utility | None) -> list[tuple[str, Promise | str]]:
        """What can be chosen in a utility."""
        return list(self.choices(utility) if callable(self.choices) else self.choices)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job. ``standing`` is the schedule of the one job that every installation has of it."""

    code: str
    name: Promise
    purpose: Promise
    run: Callable[[Context], None]
    parameters: tuple[Parameter, ...] = ()
    of_installation: bool = False
    standing: Schedule | None = field(default=None)

    def defaults(self) -> dict[str, Any]:
        """The parameters of a job of which nothing is set."""
        return {parameter.name: parameter.default for parameter in self.parameters}
