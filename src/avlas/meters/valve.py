"""Requests to close, open or look at a meter's valve, and a utility's own rules for that. See valve_requests.py."""

from __future__ import annotations

from typing import ClassVar, Final

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from avlas.meters.valve_rules import FROST_BELOW_C, FROST_MONTHS, REMINDER_DAYS, WISHES

OPEN: Final = ("asked", "queued")


def usual_frost_months() -> list[int]:
    """The months in which no heat is cut unless something else is set."""
    return list(FROST_MONTHS)


class ValveRules(models.Model):
    """What a utility has set for its valves, and how cold it is outside as far as somebody has told."""

    utility = models.OneToOneField("system.Utility", models.CASCADE, primary_key=True, related_name="+")
    frost_months = models.JSONField(default=usual_frost_months)
    frost_below_c = models.FloatField(default=FROST_BELOW_C)
    reminder_days = models.SmallIntegerField(
        default=REMINDER_DAYS, validators=[MinValueValidator(1), MaxValueValidator(365)]
    )
    outdoor_c = models.FloatField(null=True, blank=True)
    outdoor_at = models.DateTimeField(null=True, blank=True)


class ValveRequest(models.Model):
    """That somebody wants a valve closed, opened or looked at: asked, waiting for another person, queued, finished.

    ``program``: the name of the token, when a program asked. ``steps``: the legal steps and their dates.
    """

    ASKED, REFUSED, QUEUED, DONE, FAILED, CANCELLED = (
        "asked", "refused", "queued", "done", "failed", "cancelled",
    )  # fmt: skip
    STATES: ClassVar = [
        (ASKED, _("waits for another person")),
        (QUEUED, _("queued")),
        (DONE, _("done")),
        (FAILED, _("failed")),
        (REFUSED, _("refused")),
        (CANCELLED, _("cancelled")),
    ]

    utility = models.ForeignKey("system.Utility", models.CASCADE, related_name="+")
    meter = models.ForeignKey("meters.Meter", models.CASCADE, related_name="valve_requests")
    point = models.ForeignKey("meters.MeteringPoint", models.SET_NULL, null=True, related_name="+")
    customer = models.ForeignKey("meters.Customer", models.SET_NULL, null=True, related_name="+")
    wish = models.CharField(max_length=10, choices=list(WISHES.items()))
    reason = models.CharField(max_length=20, blank=True)
    explanation = models.CharField(max_length=500, blank=True)
    steps = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=STATES)
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey("system.User", models.SET_NULL, null=True, related_name="+")
    program = models.CharField(max_length=120, blank=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey("system.User", models.SET_NULL, null=True, related_name="+")
    finished_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=500, blank=True)  # why it was refused or cancelled, how it went

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["meter", "wish"], condition=Q(state__in=OPEN), name="valve_request_once"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["utility", "state"], name="valve_request_by_state")]

    @property
    def is_open(self) -> bool:
        """Whether it still waits for something."""
        return self.state in OPEN

    @property
    def by(self) -> str:
        """Who asked."""
        return self.program or str(self.asked_by or "")
