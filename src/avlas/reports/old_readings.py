"""The job that lets old readings go by each utility's rule (meters.retention), and keeps how well meters were read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils.translation import gettext_noop

from avlas.meters import retention
from avlas.reports import billing
from avlas.reports.kept_performance import forget, keep
from avlas.reports.performance import count_performance
from avlas.system import audit
from avlas.system.models import Utility

if TYPE_CHECKING:
    from avlas.system.job_kind import Context

_DAY: Final = 86400


def run(context: Context) -> None:
    """Thin the months that are due, and remove what is older than the rule's years, of every utility."""
    now = datetime.now(UTC)
    for utility in Utility.objects.order_by("pk"):
        rule = retention.Rule.of(utility)
        for month in retention.due_months(utility, rule, now):
            context.check()
            removed = thin(utility, month, context)
            context.log(
                gettext_noop("%(utility)s, %(month)s: one reading a day left, %(removed)s removed."),
                utility=utility.name, month=f"{month.first:%Y-%m}", removed=removed,
            )  # fmt: skip
        context.check()
        removed = retention.end(utility, rule, now)
        forget(utility.pk, retention.limits(rule, now)[1])
        billing.forget_old(utility, now)
        if removed:
            _note(utility, "readings.ended", {"years": rule.years, "readings": removed})
            context.log(
                gettext_noop("%(utility)s: %(removed)s readings older than %(years)s years removed."),
                utility=utility.name, removed=removed, years=rule.years,
            )  # fmt: skip


def thin(utility: Utility, month: retention.Month, context: Context | None = None) -> int:
    """Keep a month's reading performance, then thin the month; gives how many readings were removed."""
    if not retention.was_thinned(utility, month):
        whole = count_performance(utility.pk, "all", month.begin, month.end, month.end)
        since = {one.meter_id: one.since for one in whole.meters}
        keep(
            month,
            (
                count_performance(
                    utility.pk, "all", day, day + _DAY, month.end, beginning=True, expected_from=since
                ).meters
                for day in range(month.begin, month.end, _DAY)
            ),
        )
    removed = retention.thin(
        utility, month, (lambda share: context.progress(round(100 * share), 100)) if context else None
    )
    _note(utility, "readings.thinned", {"month": f"{month.first:%Y-%m}", "readings": removed})
    return removed


def _note(utility: Utility, event: str, detail: dict[str, int | str]) -> None:
    with transaction.atomic():
        audit.record(event, utility=utility, target=utility.name, detail=detail)
