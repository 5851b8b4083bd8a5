"""Secrets that parts of the program keep for a utility: passwords of servers, tokens. Rows point to them.

They stand in one table, so that changing the master key finds them all.
"""

from __future__ import annotations

from django.db import models

from avlas.system import secrets
from avlas.system.models import Utility


class KeptSecret(models.Model):
    """One secret text, sealed."""

    utility = models.ForeignKey(Utility, models.CASCADE, related_name="+")
    sealed = models.BinaryField()

    @classmethod
    def keep(cls, utility: Utility, text: str) -> KeptSecret:
        """Seal ``text`` into a new row, in the transaction of the row that points to it."""
        return cls.objects.create(
            utility=utility, sealed=secrets.encrypt(text.encode(), _context(utility.pk))
        )

    def open(self) -> str:
        """The text. Raises SecretError."""
        return secrets.decrypt(self.sealed, _context(self.utility_id)).decode()


def _context(utility_id: int) -> bytes:
    return b"avlas kept secret %d" % utility_id


def seal_all_again(old: secrets.MasterKey, new: secrets.MasterKey) -> int:
    """For ``secrets.rotate``: every kept secret from the old master key to the new one; gives how many."""
    count = 0
    for kept in KeptSecret.objects.all():
        context = _context(kept.utility_id)
        kept.sealed = new.encrypt(old.decrypt(kept.sealed, context), context)
        kept.save(update_fields=["sealed"])
        count += 1
    return count
