"""Where days and months begin, as reports and their files say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from avlas.reports.calc.borders import STANDARD_TIME

if TYPE_CHECKING:
    from datetime import tzinfo


def days_begin(zone: tzinfo) -> str:
    """A sentence about days and months that begin in ``zone``."""
    if zone is STANDARD_TIME:
        return _("Days and months begin in standard time (UTC+1) all year.")
    return _(
        "Days and months begin at midnight in civil time (%(zone)s): days on which clocks change have 23 or 25 hours."
    ) % {"zone": zone}


def months_begin(zone: tzinfo) -> str:
    """A sentence about months that begin in ``zone``."""
    if zone is STANDARD_TIME:
        return _("Months begin in standard time (UTC+1) all year.")
    return _(
        "Months begin at midnight in civil time (%(zone)s); the value that a meter stores at the turn of the month "
        "comes first, as always."
    ) % {"zone": zone}
