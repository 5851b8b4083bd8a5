"""The table of photos; see photos.py."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from avlas.system.models import User, Utility


class Photo(models.Model):
    """A picture taken at a metering point, of a meter or at an exchange: a JPEG without anything but the picture.

    It lies in the database, so that it is backed up, restored, moved and erased with the rows it belongs to, whatever
    machine serves it.
    """

    utility = models.ForeignKey(Utility, models.CASCADE)
    point = models.ForeignKey("meters.MeteringPoint", models.CASCADE, null=True, related_name="photos")
    meter = models.ForeignKey("meters.Meter", models.CASCADE, null=True, related_name="photos")
    exchange = models.ForeignKey("meters.Exchange", models.SET_NULL, null=True, related_name="photos")
    note = models.CharField(max_length=200, blank=True)
    content = models.BinaryField()
    small = models.BinaryField()
    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        app_label = "meters"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(point__isnull=False) | Q(meter__isnull=False), name="photo_of_something"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["point", "-at"], name="photo_of_point"),
            models.Index(fields=["meter", "-at"], name="photo_of_meter"),
        ]
