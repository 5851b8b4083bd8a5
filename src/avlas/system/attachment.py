"""A file that goes with a message of the outbox, apart from the message's row so that lists stay light."""

from __future__ import annotations

from django.db import models

from avlas.system.models import Delivery


class Attachment(models.Model):
    """A file attached to a mail; it goes when the message goes."""

    delivery = models.OneToOneField(Delivery, models.CASCADE, primary_key=True, related_name="attachment")
    name = models.CharField(max_length=200)
    content = models.BinaryField()
