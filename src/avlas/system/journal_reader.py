"""What all that hand the journal on have in common: their place, whose turn it is, how the last attempt went."""

from __future__ import annotations

from django.db import models


class JournalReader(models.Model):
    """``place`` as reports.news writes it. Whoever hands on holds the row by ``worker`` until ``lease_until``.

    ``told``: why the newest attempt failed, {"text", "values"}; empty: it did not. See notify.following.
    """

    place = models.CharField(max_length=40)
    attempts = models.PositiveIntegerField(default=0)  # since the last one that went well
    next_try_at = models.DateTimeField()
    worker = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    taken_at = models.DateTimeField(null=True)  # when the other side last took something
    told = models.JSONField(default=dict)

    class Meta:
        abstract = True
