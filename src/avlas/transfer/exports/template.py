"""A layout that a utility has saved under a name."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from avlas.system.models import User, Utility
from avlas.transfer.exports import catalogue
from avlas.transfer.exports.layout import Layout, from_data


class ExportTemplate(models.Model):
    """A saved export. ``layout`` is what ``layout.to_data`` gives."""

    utility = models.ForeignKey(Utility, models.CASCADE, related_name="export_templates")
    name = models.CharField(max_length=100)
    note = models.CharField(max_length=300, blank=True)
    layout = models.JSONField(default=dict)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "name"], name="export_template_name")
        ]

    def __str__(self) -> str:
        return self.name

    def read(self) -> Layout:
        """The layout. Raises BadLayout when it doesn't fit this version's columns any more."""
        return from_data(self.layout, catalogue.known())
