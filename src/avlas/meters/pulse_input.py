"""The table of pulse inputs that count for meters of their own; see pulse_inputs.py."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class PulseInput(models.Model):
    """That a meter's input counts for another meter, from when to when (UTC; null: still).

    ``per_pulse``: litres (or Wh, by the fed meter's medium) for each count; null: the register counts in m³ or kWh
    itself. ``start_value``: what the fed meter showed (m³ or kWh) when the input stood at ``start_count``, its first
    reading since then; null: the input shows what the fed meter shows.
    """

    A, B = "a", "b"
    CHANNELS: ClassVar = [(A, _("pulse input A")), (B, _("pulse input B"))]

    parent = models.ForeignKey("meters.Meter", models.CASCADE, related_name="pulse_inputs")
    channel = models.CharField(max_length=1, choices=CHANNELS)
    meter = models.ForeignKey("meters.Meter", models.CASCADE, related_name="fed_by")
    per_pulse = models.FloatField(null=True, blank=True)
    start_value = models.FloatField(null=True, blank=True)
    start_count = models.FloatField(null=True, blank=True)
    from_at = models.DateTimeField()
    to_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        app_label = "meters"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(to_at__isnull=True) | Q(to_at__gte=F("from_at")), name="pulse_input_order"
            ),
            models.UniqueConstraint(
                fields=["parent", "channel"], condition=Q(to_at__isnull=True), name="pulse_input_channel_once"
            ),
            models.UniqueConstraint(
                fields=["meter"], condition=Q(to_at__isnull=True), name="pulse_input_meter_once"
            ),
        ]

    @property
    def register(self) -> str:
        """The parent's register that counts."""
        return f"input_{self.channel}"
