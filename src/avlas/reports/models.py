"""What a utility has settled for its reports."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from avlas.system.models import Utility


class PerformanceLevel(models.Model):
    """Below which share of expected readings a meter is read badly."""

    utility = models.OneToOneField(Utility, models.CASCADE, primary_key=True)
    bad_below_percent = models.FloatField(_("bad below (%)"), default=90.0)

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
