"""Answers to calls of the API that carry an Idempotency-Key: the same call again gets the same answer, not two deeds.

The answer is kept in the transaction of the deed, so there is never one without the other. Only success is kept: what
was refused changed nothing and may be tried again with the same key.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.db import models

KEPT: Final = timedelta(hours=24)


class ApiAnswer(models.Model):
    """What was answered to a call: ``request`` is a hash of its method, address and body."""

    token = models.ForeignKey("system.ApiToken", models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["token", "key"], name="api_answer_once")]
        indexes: ClassVar = [models.Index(fields=["made_at"], name="api_answer_age")]


def forget_old(now: datetime) -> int:
    """Remove answers older than a day; gives how many."""
    return ApiAnswer.objects.filter(made_at__lt=now - KEPT).delete()[0]
