"""Where a utility hands in its text messages (SMS), and how it signs in there. The password is sealed.

Every utility has an account of its own, since every message costs it money: ``most_parts_a_day`` is what a storm of
alarms can cost at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from django.db import models
from django.utils.translation import gettext_lazy

from avlas.system import secrets

if TYPE_CHECKING:
    from avlas.system.models import Utility

USUAL_PARTS_A_DAY: Final = 200


class SmsDriver(models.TextChoices):
    """Which service takes the messages."""

    ELKS = "46elks", "46elks"
    TWILIO = "twilio", "Twilio"
    HTTP = "http", gettext_lazy("another one, by HTTP")


class SmsGateway(models.Model):
    """A utility's way to send text messages. ``url``, ``headers`` and ``body`` are templates, for HTTP alone."""

    utility = models.OneToOneField(
        "system.Utility", models.CASCADE, primary_key=True, related_name="sms_gateway"
    )
    driver = models.CharField(max_length=10, choices=SmsDriver, default=SmsDriver.ELKS)
    sender = models.CharField(max_length=40)
    user = models.CharField(max_length=200, blank=True)
    password = models.BinaryField(null=True)
    url = models.CharField(max_length=1000, blank=True)
    headers = models.TextField(max_length=2000, blank=True)
    body = models.TextField(max_length=4000, blank=True)
    taken_when = models.CharField(max_length=200, blank=True)  # what a good answer holds; empty: 200 to 299
    own_machine = models.BooleanField(default=False)  # may lead to this computer itself and its neighbours
    country_code = models.CharField(max_length=4, default="46")  # of customers' numbers written 070-...
    most_parts_a_day = models.PositiveIntegerField(default=USUAL_PARTS_A_DAY)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(driver__in=SmsDriver.values), name="sms_driver_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_driver_display()} ({self.sender})"


def seal(password: str, utility: Utility) -> bytes:
    """The password for its row, in the transaction that stores it."""
    return secrets.encrypt(password.encode(), _context(utility.pk))


def password_of(gateway: SmsGateway) -> str:
    """The password, "" when there is none. Raises SecretError."""
    if not gateway.password:
        return ""
    return secrets.decrypt(gateway.password, _context(gateway.utility_id)).decode()


def seal_all_again(old: secrets.MasterKey, new: secrets.MasterKey) -> int:
    """For ``secrets.rotate``: every password from the old master key to the new one; gives how many."""
    count = 0
    for gateway in SmsGateway.objects.exclude(password=None):
        assert gateway.password is not None
        context = _context(gateway.utility_id)
        gateway.password = new.encrypt(old.decrypt(gateway.password, context), context)
        gateway.save(update_fields=["password"])
        count += 1
    return count


def _context(utility_id: int) -> bytes:
    return b"avlas sms gateway %d" % utility_id
