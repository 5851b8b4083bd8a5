"""Every kind of job there is: the one place where a new kind is entered (see ``system.job_kind``)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy, gettext_noop, pgettext_lazy

from avlas.meters.housekeeping import tidy
from avlas.notify import notices, silent_receivers
from avlas.operation import backup
from avlas.reports import old_readings
from avlas.reports.days import count_days
from avlas.system import api_answers, jobs, outbox
from avlas.system.job_kind import Kind, Parameter
from avlas.system.schedule import Schedule
from avlas.transfer.exports import job as export_job
from avlas.transfer.exports import receipt
from avlas.transfer.imports import from_place, key_files
from avlas.transfer.imports import work as imports_work
from avlas.web.variable_words import as_cell

if TYPE_CHECKING:
    from avlas.system.job_kind import Context


def _housekeeping(context: Context) -> None:
    done = tidy()
    context.log(
        gettext_noop(
            "Removed: %(strangers)s strangers not heard for a day, %(telegrams)s old raw telegrams."
        ),
        strangers=done["strangers"],
        telegrams=done["raw telegrams"],
    )
    now = datetime.now(UTC)
    runs, messages = jobs.forget_old_runs(now), outbox.forget_old(now)
    notices.forget_old(now)
    if runs or messages:
        context.log(
            gettext_noop("Removed: %(runs)s runs of jobs and %(messages)s messages older than three months."),
            runs=runs,
            messages=messages,
        )
    if old := receipt.forget_old(now):
        context.log(gettext_noop("Removed: %(count)s exported files older than seven years."), count=old)
    api_answers.forget_old(now)
    if done["partitions"]:
        context.log(gettext_noop("Room made for the coming months' readings."))
    count_days(now)


def _export(context: Context) -> None:
    export_job.run(context, as_cell)


KINDS: Final[dict[str, Kind]] = {
    kind.code: kind
    for kind in (
        Kind(
            "housekeeping",
            gettext_lazy("Housekeeping"),
            gettext_lazy(
                "Forgets strangers and old raw telegrams, makes room for the coming months, counts the days' readings."
            ),
            _housekeeping,
            of_installation=True,
            standing=Schedule(cron="17 * * * *"),
        ),
        Kind(
            "retention",
            gettext_lazy("Old readings"),
            gettext_lazy(
                "Leaves one reading a day of months older than the utility's rule, and removes what is older than its"
                " years."
            ),
            old_readings.run,
            of_installation=True,
            standing=Schedule(cron="20 3 * * *"),
        ),
        Kind(
            "backup",
            gettext_lazy("Backup"),
            gettext_lazy(
                "Copies the whole database into a file, reads it back, and removes the oldest copies."
            ),
            backup.run,
            parameters=(
                Parameter(
                    "folder",
                    gettext_lazy("Folder"),
                    help=gettext_lazy("Empty: backups in the data folder. Another machine's disk is better."),
                    required=False,
                ),
                Parameter(
                    "keep",
                    gettext_lazy("Number of copies kept"),
                    "number",
                    default=backup.KEEP,
                    least=1,
                    most=1000,
                ),
            ),
            of_installation=True,
            standing=Schedule(cron="30 2 * * *"),
        ),
        Kind(
            "silent_receivers",
            gettext_lazy("Silent receivers"),
            gettext_lazy(
                "Tells a utility's administrators and webhooks when a receiver falls silent, and when it hears again."
            ),
            silent_receivers.run,
            of_installation=True,
            standing=Schedule(every_minutes=10),
        ),
        Kind(
            imports_work.JOB,
            gettext_lazy("Imports"),
            gettext_lazy("Checks, takes in and undoes imported tables, as people asked for on their pages."),
            imports_work.run,
            of_installation=True,
            standing=Schedule(every_minutes=10),
        ),
        Kind(
            "import",
            gettext_lazy("Import from a place"),
            gettext_lazy(
                "Takes in the tables that lie at a place, by a saved mapping, and moves them to its archive."
            ),
            from_place.run,
            parameters=from_place.PARAMETERS,
        ),
        Kind(
            "key_files",
            gettext_lazy("Keys and new meters from a place"),
            gettext_lazy(
                "Takes in key files (KEM, KEM2) that lie at a place, so that newly bought meters appear."
            ),
            key_files.run,
            parameters=key_files.PARAMETERS,
        ),
        Kind(
            "export",
            pgettext_lazy("noun", "Export"),
            gettext_lazy("Makes a file by a saved export and sends it to a place."),
            _export,
            parameters=export_job.PARAMETERS,
        ),
    )
}
