"""Files that go with a mail of the outbox."""

from __future__ import annotations

from django.db import models


class Attachment(models.Model):
    """A file of a message; it goes when the message goes."""

    delivery = models.ForeignKey("system.Delivery", models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=120)
    media_type = models.CharField(max_length=80)
    content = models.BinaryField()

    class Meta:
        app_label = "system"

    def __str__(self) -> str:
        return self.name
