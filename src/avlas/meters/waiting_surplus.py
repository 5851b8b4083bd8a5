"""The table of what was heard and is not added to the meters' states yet (see surplus.py)."""

from __future__ import annotations

from django.db import models

from avlas.system.models import Utility


class WaitingSurplus(models.Model):
    """How often, when and how strongly one collector heard many addresses in one batch: packed."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    collector = models.ForeignKey("meters.Collector", models.CASCADE, db_index=False)
    body = models.BinaryField()
