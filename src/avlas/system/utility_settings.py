"""What people of a utility decide for all of it: defaults, units, slot lengths, retention, how one must sign in.

These are columns of ``Utility``, so that they are at hand wherever the utility is. Where the map's tiles come from
stands there too; what is good and what is bad in reports stands with the reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from avlas.system.models import User

ORDINARY_SLOTS: Final = (30, 60, 120, 180, 240, 360, 720, 1440)
"""Minutes of which one reading of an ordinary meter is kept; whole parts of a day."""
PRIORITY_SLOTS: Final = (1, 2, 5, 10, 15, 20)
"""The same for priority meters: always shorter, so that a meter's own slot tells which it is."""


class EnergyUnit(models.TextChoices):
    """In which unit amounts of energy are shown; how they are kept does not change."""

    KWH = "kwh", _("kWh, large amounts in MWh")
    MWH = "mwh", "MWh"
    GJ = "gj", "GJ"


class DayBorders(models.TextChoices):
    """Where days and months begin in reports, bills and exports: in standard time, or a civil time zone by its name."""

    STANDARD = "standard", _("in standard time (UTC+1) all year")
    SWEDEN = "Europe/Stockholm", _("at midnight in civil time (Sweden)")


class FactorRequired(models.TextChoices):
    """Who must have a second factor, an app or a passkey, to sign in."""

    NOBODY = "no", _("nobody: everybody decides")
    ADMINISTRATORS = "administrators", _("administrators")
    EVERYBODY = "all", _("everybody")


def _from_to(least: int, most: int) -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class UtilitySettings(models.Model):
    """The columns."""

    new_language = models.CharField(
        max_length=5, default="sv", choices=[("sv", "Svenska"), ("en", "English")]
    )
    new_time_zone = models.CharField(max_length=60, default="Europe/Stockholm")
    energy_unit = models.CharField(max_length=5, choices=EnergyUnit, default=EnergyUnit.KWH)
    day_borders = models.CharField(max_length=60, choices=DayBorders, default=DayBorders.STANDARD)
    slot_minutes = models.PositiveSmallIntegerField(default=60)
    priority_slot_minutes = models.PositiveSmallIntegerField(default=5)
    second_factor = models.CharField(max_length=20, choices=FactorRequired, default=FactorRequired.NOBODY)
    keep_all_months = models.PositiveSmallIntegerField(default=13, validators=_from_to(1, 240))
    keep_daily_years = models.PositiveSmallIntegerField(default=5, validators=_from_to(1, 100))
    keep_telegrams_months = models.PositiveSmallIntegerField(default=13, validators=_from_to(1, 240))

    class Meta:
        abstract = True

    def requires_second_factor(self, user: User) -> bool:
        """Whether this utility lets ``user`` in only with a second factor."""
        if self.second_factor == FactorRequired.ADMINISTRATORS:
            return user.role == "administrator"
        return self.second_factor == FactorRequired.EVERYBODY
