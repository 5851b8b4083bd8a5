"""What a utility keeps of its reports: how they were asked for, and what it calls good and poor."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from avlas.meters.models import Meter
from avlas.meters.utc_seconds import UtcSecondsField
from avlas.system.models import User, Utility


class SavedReport(models.Model):
    """A report with its settings, to be run again. ``settings`` is the query string of the report's page, parsed."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    kind = models.CharField(max_length=30)  # the name of the report's page
    name = models.CharField(max_length=100)
    note = models.TextField(blank=True)
    settings = models.JSONField(default=dict)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "name"], name="saved_report_name")
        ]

    def __str__(self) -> str:
        return self.name


class CoolingLevels(models.Model):
    """From which temperature difference (K) on a substation is called good, and below which poor."""

    utility = models.OneToOneField(Utility, models.CASCADE, primary_key=True)
    good_from_k = models.FloatField(default=35.0)
    poor_below_k = models.FloatField(default=25.0)
    cooling_good_from_k = models.FloatField(default=8.0)
    cooling_poor_below_k = models.FloatField(default=5.0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(good_from_k__gte=F("poor_below_k"))
                & Q(cooling_good_from_k__gte=F("cooling_poor_below_k")),
                name="cooling_levels_order",
            )
        ]

    def __str__(self) -> str:
        return str(self.utility)

    @classmethod
    def of(cls, utility: Utility) -> CoolingLevels:
        """Give the utility's levels, those that hold by default where it has set none."""
        return cls.objects.filter(utility=utility).first() or cls(utility=utility)


class PerformanceLevel(models.Model):
    """Below which share of expected readings a meter is read badly."""

    utility = models.OneToOneField(Utility, models.CASCADE, primary_key=True)
    bad_below_percent = models.FloatField(default=90.0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(bad_below_percent__gte=0) & Q(bad_below_percent__lte=100),
                name="performance_level_share",
            )
        ]

    def __str__(self) -> str:
        return str(self.utility)

    @classmethod
    def of(cls, utility: Utility) -> PerformanceLevel:
        """Give the utility's level, the usual one if it has set none."""
        return cls.objects.filter(utility=utility).first() or cls(utility=utility)


class KeptPerformance(models.Model):
    """How well a meter was read on each day of a month that has been thinned since: see kept_performance.

    ``expected`` and ``received``: slots of each day (standard time), as two-byte numbers, low byte first.
    """

    meter = models.ForeignKey(Meter, models.CASCADE, related_name="+")
    month_at = UtcSecondsField()  # its first moment, in standard time
    expected = models.BinaryField()
    received = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["meter", "month_at"], name="kept_performance_once")
        ]


from avlas.reports.days import PerformanceDay as PerformanceDay  # noqa: E402, PLC0414 - a module of its own, known to Django from here
