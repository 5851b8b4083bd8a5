"""Who somebody with an account is where people sign in elsewhere. See ``single_sign_on``."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class OutsideIdentity(models.Model):
    """A subject of an OpenID Connect provider, linked to an account on the first visit."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="outside_identities"
    )
    issuer = models.CharField(max_length=200)
    subject = models.CharField(max_length=255)
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_account_a_subject"),
            models.UniqueConstraint(fields=["user", "issuer"], name="one_subject_an_account"),
        ]

    def __str__(self) -> str:
        return f"{self.issuer} {self.subject}"
