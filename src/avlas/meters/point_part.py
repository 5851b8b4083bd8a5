"""The table of the parts that virtual metering points are made of; see virtual_points.py."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class PointPart(models.Model):
    """That a virtual metering point is the sum (``sign`` 1) or difference (-1) of others, this one among them."""

    whole = models.ForeignKey("meters.MeteringPoint", models.CASCADE, related_name="parts")
    part = models.ForeignKey("meters.MeteringPoint", models.RESTRICT, related_name="part_of")
    sign = models.SmallIntegerField(default=1)

    class Meta:
        app_label = "meters"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["whole", "part"], name="point_part_once"),
            models.CheckConstraint(condition=Q(sign__in=(1, -1)), name="point_part_sign"),
            models.CheckConstraint(condition=~Q(whole=F("part")), name="point_part_not_itself"),
        ]
