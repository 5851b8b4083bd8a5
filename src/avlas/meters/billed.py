"""What has been billed: months that are closed, and their amounts with the counters behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from avlas.meters.utc_seconds import UtcSecondsField
from avlas.reports.calc.borders import STANDARD
from avlas.system.models import User, Utility

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class BillingMonth(models.Model):
    """A month whose amounts were handed to billing."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    month_at = UtcSecondsField()  # its first moment
    borders = models.CharField(
        max_length=60, default=STANDARD
    )  # where months began, see calc.borders.zone_of
    closed_at = models.DateTimeField(auto_now_add=True)
    closed_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "month_at"], name="billing_month_once")
        ]


class BilledAmount(models.Model):
    """An amount as it was billed; the highest ``version`` of a point (or a meter at none) is what counts.

    ``parts``: of each meter that counted from and to (seconds UTC), first and last figure with the meter's own unit.
    Stays when readings, meters or customers go.
    """

    month = models.ForeignKey(BillingMonth, models.CASCADE, related_name="amounts")
    version = models.SmallIntegerField()
    point = models.ForeignKey("meters.MeteringPoint", models.SET_NULL, null=True, related_name="+")
    meter = models.ForeignKey("meters.Meter", models.SET_NULL, null=True, related_name="+")
    customer = models.ForeignKey("meters.Customer", models.SET_NULL, null=True, related_name="+")
    register = models.CharField(max_length=30)
    amount = models.FloatField()  # in the register's canonical unit
    decimals = models.SmallIntegerField()
    marks = models.IntegerField()  # reports.period_use.UseMark
    until_at = UtcSecondsField()  # the moment of the last counter
    parts = models.JSONField(default=list)


def is_billed(meter_ids: Iterable[int], at: datetime) -> bool:
    """Whether an amount that one of these meters counted, and that reaches beyond ``at`` (aware), has been billed."""
    wanted = set(meter_ids)
    later = BilledAmount.objects.filter(meter_id__in=wanted, until_at__gt=int(at.timestamp()))
    return later.exists()
