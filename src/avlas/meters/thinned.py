"""Which months of a utility have been thinned."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from avlas.meters.utc_seconds import UtcSecondsField
from avlas.system.models import Utility


class ThinnedMonth(models.Model):
    """A month of which one reading a day was left (see meters.retention)."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    month_at = UtcSecondsField()  # its first moment, in standard time
    thinned_at = models.DateTimeField()  # when it was last gone through

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "month_at"], name="thinned_month_once")
        ]
