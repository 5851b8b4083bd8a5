"""The link by which a customer chooses, without an account, what to be told: signed, with an end, revocable.

It holds the customer's number here, the link's number, its last day, and a signature over the three. A new link number
makes all earlier links invalid. It tells nothing else, and leads to nothing but the choices.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import F
from django.utils.crypto import constant_time_compare, salted_hmac

from avlas.notify.models import ConsumerChoice
from avlas.system import outbox

if TYPE_CHECKING:
    from avlas.meters.models import Customer

VALID: Final = timedelta(days=180)
PATH: Final = "/my/"
_SALT: Final = "avlas consumer link"
_BEGINNING: Final = date(2020, 1, 1)
_SIGNATURE: Final = 26  # hexadecimal digits: 104 bits


def token(customer: Customer, today: date | None = None) -> str:
    """A fresh token for the customer: "k3f-1-1zq-8c01...", short enough for an SMS."""
    choice = of(customer)
    last = (today or datetime.now(UTC).date()) + VALID
    signed = f"{customer.pk:x}-{choice.link_number:x}-{(last - _BEGINNING).days:x}"
    return f"{signed}-{_signature(signed)}"


def link_for(customer: Customer) -> str:
    """The whole address for a message; "" as long as the address of these pages is not set up."""
    return outbox.link(f"{PATH}{token(customer)}/").strip()


def who(given: str, today: date | None = None) -> ConsumerChoice | None:
    """Whose link it is; None for one that was forged, has ended or was revoked."""
    signed, _dash, signature = given.rpartition("-")
    if not constant_time_compare(signature, _signature(signed)):
        return None
    try:
        customer, number, days = (int(part, 16) for part in signed.split("-"))
    except ValueError:
        return None
    if (today or datetime.now(UTC).date()) > _BEGINNING + timedelta(days=days):
        return None
    return (
        ConsumerChoice.objects.filter(customer_id=customer, link_number=number)
        .select_related("customer", "utility")
        .first()
    )


def of(customer: Customer) -> ConsumerChoice:
    """The customer's choices, made as the utility has it if there are none yet."""
    found, _made = ConsumerChoice.objects.get_or_create(
        customer=customer, defaults={"utility_id": customer.utility_id}
    )
    return found


def revoke(customer: Customer) -> None:
    """Make every link that was sent to the customer until now invalid."""
    of(customer)
    ConsumerChoice.objects.filter(customer=customer).update(link_number=F("link_number") + 1)


def _signature(signed: str) -> str:
    return salted_hmac(_SALT, signed, algorithm="sha256").hexdigest()[:_SIGNATURE]
