"""A saved place of a utility: a row, and its secret."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from avlas.system.models import KeptSecret, Utility


class PlaceKind(models.TextChoices):
    """How a place is reached."""

    FOLDER = "folder", _("folder on this machine")
    SFTP = "sftp", "SFTP"
    FTPS = "ftps", "FTPS"
    HTTPS = "https", "HTTPS"
    MAIL = "mail", _("e-mail")


class Place(models.Model):
    """Where files are sent to or fetched from.

    ``secret`` is kept sealed: the password, the private key (``by_key``) or the token. ``pinned`` is the server's
    host key (SFTP) or certificate (FTPS, HTTPS; empty: checked against this machine's authorities). ``tested`` is
    what the newest test found: a list of {"text", "values"}; ``works`` whether it went well (None: never tested).
    """

    utility = models.ForeignKey(Utility, models.CASCADE, related_name="places")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=PlaceKind)
    host = models.CharField(max_length=253, blank=True)
    port = models.PositiveIntegerField(default=0)
    user = models.CharField(max_length=254, blank=True)
    by_key = models.BooleanField(default=False)
    secret = models.ForeignKey(KeptSecret, models.SET_NULL, null=True, related_name="+")
    pinned = models.TextField(blank=True)
    folder = models.CharField(max_length=500, blank=True)
    archive = models.CharField(max_length=100, default="archive")
    url = models.URLField(max_length=500, blank=True)
    method = models.CharField(max_length=4, default="PUT")
    token_header = models.CharField(max_length=60, default="Authorization")
    to = models.JSONField(default=list)
    own_machine = models.BooleanField(default=False)  # may lead to this computer itself and its neighbours
    tested_at = models.DateTimeField(null=True)
    works = models.BooleanField(null=True)
    tested = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["utility", "name"], name="place_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def where(self) -> str:
        """Where it is, on one line."""
        if self.kind == PlaceKind.FOLDER:
            return self.folder
        if self.kind == PlaceKind.HTTPS:
            return self.url
        if self.kind == PlaceKind.MAIL:
            return ", ".join(self.to)
        return f"{self.user}@{self.host}:{self.port}/{self.folder.lstrip('/')}"

    def set_secret(self, text: str) -> None:
        """Keep a secret for the row, saved or not, in the transaction that stores it; "" takes it away."""
        old, self.secret = self.secret, KeptSecret.keep(self.utility, text) if text else None
        if old is not None:
            old.delete()  # the row's own pointer becomes empty with it and is filled when the row is saved

    def open_secret(self) -> str:
        """The secret, "" when there is none. Raises SecretError."""
        return self.secret.open() if self.secret else ""
