"""The broker to which a utility's readings go out over MQTT, and how far that has got."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from django.db import models

from avlas.system import secrets
from avlas.system.journal_reader import JournalReader

if TYPE_CHECKING:
    from avlas.system.secrets import MasterKey

PREFIX: Final = "avlas"
DISCOVERY: Final = "homeassistant"


class MqttOut(JournalReader):
    """One broker a utility. ``ca``: the authority's certificate (PEM) of a broker that no public one vouches for."""

    utility = models.OneToOneField("system.Utility", models.CASCADE, primary_key=True, related_name="+")
    active = models.BooleanField(default=True)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=8883)
    tls = models.BooleanField(default=True)
    ca = models.TextField(blank=True)
    user = models.CharField(max_length=254, blank=True)
    password = models.BinaryField(null=True)  # sealed
    topic_prefix = models.CharField(max_length=100, default=PREFIX)
    discovery = models.CharField(max_length=100, blank=True)  # of Home Assistant; empty: none

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(port__gte=1, port__lte=65535), name="mqtt_out_port")
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def seal_password(password: str, utility_id: int) -> bytes:
    """A broker's password for its row, in the transaction that stores it."""
    return secrets.encrypt(password.encode(), _context(utility_id))


def open_password(row: MqttOut) -> str:
    """The broker's password, "" when there is none. Raises SecretError."""
    return secrets.decrypt(row.password, _context(row.utility_id)).decode() if row.password else ""


def seal_all_again(old: MasterKey, new: MasterKey) -> int:
    """For ``secrets.rotate``: every password from the old master key to the new one; gives how many."""
    count = 0
    for row in MqttOut.objects.exclude(password=None):
        assert row.password is not None
        row.password = new.encrypt(
            old.decrypt(row.password, _context(row.utility_id)), _context(row.utility_id)
        )
        row.save(update_fields=["password"])
        count += 1
    return count


def _context(utility_id: int) -> bytes:
    return b"avlas mqtt %d" % utility_id
