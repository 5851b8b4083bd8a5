"""Which webhooks are handed new readings and info codes as they come in, and how far each has got."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from avlas.system.journal_reader import JournalReader


class WebhookFeed(JournalReader):
    """A webhook's place in the journal, and which events it is handed (of reports.news.TYPES)."""

    webhook = models.OneToOneField("system.Webhook", models.CASCADE, primary_key=True, related_name="feed")
    types = models.JSONField(default=list)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["next_try_at"], name="webhook_feed_due")]
