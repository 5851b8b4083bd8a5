"""All checks in order. Looking never raises and changes nothing: a check that fails is itself a finding."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

from avlas.operation.check import certificate, installation, work
from avlas.operation.check.finding import Level, bad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from avlas.operation.check.finding import Asked, Finding

    Check = Callable[[Asked], Iterator[Finding]]

logger = logging.getLogger(__name__)

WITHOUT_DATABASE: Final[tuple[Check, ...]] = (installation.files,)
OF_INSTALLATION: Final[tuple[Check, ...]] = (
    installation.version,
    installation.disk,
    installation.master_key,
    installation.backups,
    installation.clock,
    installation.set_up,
    installation.audit_copy,
    certificate.certificate,
)
OF_WORK: Final[tuple[Check, ...]] = (work.receivers, work.jobs, work.mail, work.keys, work.meters)


def look_over(asked: Asked) -> list[Finding]:
    """Every finding, in the active language. Without a usable database only what can be seen without it."""
    found = _look(installation.database, asked)
    usable = worst(found) < Level.BAD
    for check in (*WITHOUT_DATABASE, *((*OF_INSTALLATION, *OF_WORK) if usable else ())):
        found += _look(check, asked)
    return found


def worst(found: list[Finding]) -> Level:
    """The worst level of all."""
    return max((one.level for one in found), default=Level.OK)


def _look(check: Check, asked: Asked) -> list[Finding]:
    try:
        if connection.in_atomic_block:  # a failed question must not spoil the transaction around it
            with transaction.atomic():
                return list(check(asked))
        return list(check(asked))
    except Exception as problem:
        if not isinstance(problem, DatabaseError | OSError):
            logger.exception("The check %s failed", check.__name__)
        said = f"{type(problem).__name__}: {problem}".strip()
        return [
            bad(
                _("Check-up"),
                _("“%(check)s” could not be looked at: %(problem)s")
                % {"check": check.__name__.replace("_", " "), "problem": said},
                _("Mend what is wrong above first; if it stays, report it with this line."),
            )
        ]
