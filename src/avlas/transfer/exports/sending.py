"""From a kept file to a place: whole, never twice, and if nobody can tell, said so.

There is one moment of doubt: between the step after which the file is there and the other side's answer. Just before
it the receipt says ``handed_over_at``. A program that dies earlier has sent nothing; one that dies later leaves that
mark, and the next attempt looks whether the file lies there. If it does not, it may have been taken away already: the
receipt becomes *unsure*, and a person decides. Mail has no doubt here: the outbox knows the key.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext_noop

from avlas.system.told import told
from avlas.transfer.exports.receipt import Receipt, ReceiptState
from avlas.transfer.places.opening import opened
from avlas.transfer.places.place import PlaceKind
from avlas.transfer.places.road import PlaceError

if TYPE_CHECKING:
    from avlas.transfer.places.place import Place


class UnsureError(PlaceError):
    """The file was handed over and nobody can tell whether it arrived."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(
            gettext_noop(
                "%(name)s was handed over to %(place)s and the connection or the program ended before the answer, so "
                "it may have arrived. It is not sent again by itself: ask there, then send it again if it is missing."
            ),
            name=name,
            place=place,
            for_good=True,
        )


def send(receipt: Receipt, place: Place, *, by_person: bool = False) -> None:
    """Send a receipt's file; what becomes of it is noted there. Raises PlaceError, UnsureError.

    ``by_person``: somebody wants it sent (again) whatever was before.
    """
    if by_person:
        receipt.handed_over_at, receipt.sent_at = None, None
    receipt.place, receipt.place_name, receipt.went_to = place, place.name, place.where[:600]
    receipt.save(update_fields=["place", "place_name", "went_to", "handed_over_at", "sent_at"])
    try:
        road = opened(place)
        known_by_key = place.kind == PlaceKind.MAIL
        if receipt.handed_over_at is None or known_by_key:
            _hand_in(receipt, place)
        elif not road.has(receipt.file_name, receipt.size):
            raise UnsureError(receipt.file_name, place.name)
    except PlaceError as problem:
        lost = isinstance(problem, UnsureError) or (problem.lost and receipt.handed_over_at is not None)
        if receipt.handed_over_at is not None and not lost:
            receipt.handed_over_at = None  # the other side has said no: it is not there
        receipt.state = ReceiptState.UNSURE if isinstance(problem, UnsureError) else ReceiptState.FAILED
        receipt.told = told(problem.text, problem.values)
        receipt.save(update_fields=["state", "told", "handed_over_at"])
        raise
    receipt.state, receipt.told, receipt.sent_at = ReceiptState.SENT, {}, datetime.now(UTC)
    receipt.save(update_fields=["state", "told", "sent_at"])


def _hand_in(receipt: Receipt, place: Place) -> None:
    def hand_over() -> None:
        receipt.handed_over_at = datetime.now(UTC)
        receipt.save(update_fields=["handed_over_at"])

    with receipt.content() as file:
        opened(place).send(receipt.file_name, file, key=receipt.key, hand_over=hand_over)
