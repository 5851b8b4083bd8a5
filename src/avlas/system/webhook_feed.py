"""Which webhooks are handed new readings and info codes as they come in, and how far each has got."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class WebhookFeed(models.Model):
    """A webhook's place in the journal. Whoever hands on holds it by ``worker`` until ``lease_until``.

    ``place`` as reports.news writes it; ``told``: why the newest attempt failed, {"text", "values"}; empty: it did not.
    """

    webhook = models.OneToOneField("system.Webhook", models.CASCADE, primary_key=True, related_name="feed")
    types = models.JSONField(default=list)  # of reports.news.TYPES; none: nothing is handed on
    place = models.CharField(max_length=40)
    attempts = models.PositiveIntegerField(default=0)  # since the last one that went well
    next_try_at = models.DateTimeField()
    worker = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    taken_at = models.DateTimeField(null=True)  # when the other side last took something
    told = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["next_try_at"], name="webhook_feed_due")]
