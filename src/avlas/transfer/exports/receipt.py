"""What was made and sent: the receipt, and the file itself, compressed, kept for seven years apart from the readings.

The files stand in the database, in parts: backups hold them, and every machine of a larger installation has them.
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from datetime import timedelta
from typing import IO, TYPE_CHECKING, ClassVar, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from avlas.system.models import Job, User, Utility
from avlas.transfer.exports.template import ExportTemplate
from avlas.transfer.places.place import Place

if TYPE_CHECKING:
    from datetime import datetime

KEPT: Final = timedelta(days=7 * 366)
"""Seven years: the Swedish bookkeeping act (1999:1078) asks for that long from the end of the calendar year."""
_PART_BYTES: Final = 1 << 20
_IN_MEMORY: Final = 8 << 20


class ReceiptState(models.TextChoices):
    """How far an export has come."""

    MAKING = "making", _("being made")
    MADE = "made", _("made")
    SENT = "sent", _("sent")
    UNSURE = "unsure", _("unsure")
    FAILED = "failed", _("not sent")


class Receipt(models.Model):
    """One exported file: what it holds, who had it made, where it went.

    ``key`` keeps the same export of a job from being made twice. ``borders``: in which zone its days begin (see
    ``layout.Layout``), "" while it isn't made. ``again``: the same period of the same export had been sent or
    downloaded before. ``handed_over_at`` is set just before the step after which the file is at its place.
    ``tally`` counts what was met (see ``rows.Tally``); ``told`` is why it was not sent.
    """

    utility = models.ForeignKey(Utility, models.CASCADE, related_name="receipts")
    key = models.CharField(max_length=150, unique=True)
    template = models.ForeignKey(ExportTemplate, models.SET_NULL, null=True, related_name="receipts")
    template_name = models.CharField(max_length=100)
    job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")
    made_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    borders = models.CharField(max_length=60, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=10, choices=ReceiptState, default=ReceiptState.MAKING)
    again = models.BooleanField(default=False)
    file_name = models.CharField(max_length=200, blank=True)
    rows = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)  # bytes, as the file is
    sha256 = models.CharField(max_length=64, blank=True)
    tally = models.JSONField(default=dict)
    place = models.ForeignKey(Place, models.SET_NULL, null=True, related_name="+")
    place_name = models.CharField(max_length=100, blank=True)
    went_to = models.CharField(max_length=600, blank=True)
    handed_over_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    downloaded_at = models.DateTimeField(null=True)
    told = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["utility", "-created_at"], name="receipt_of_utility")]

    def __str__(self) -> str:
        return self.file_name or self.template_name

    @property
    def is_whole(self) -> bool:
        """Whether the file is all there."""
        return bool(self.sha256)

    def content(self) -> IO[bytes]:
        """The file, at its beginning; to be closed by the caller. Raises ValueError when it is damaged."""
        whole: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        total, unpack = hashlib.sha256(), zlib.decompressobj(31)
        for part in self.parts.order_by("number").values_list("content", flat=True).iterator(chunk_size=4):
            block = unpack.decompress(bytes(part))
            total.update(block)
            whole.write(block)
        if total.hexdigest() != self.sha256:
            whole.close()
            raise ValueError(f"receipt {self.pk}: the kept file is not the one that was made")
        whole.seek(0)
        return whole


class ReceiptPart(models.Model):
    """A part of a receipt's file, of one gzip stream."""

    receipt = models.ForeignKey(Receipt, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["receipt", "number"], name="receipt_part_once")
        ]


class Keeper:
    """Takes a file as it is written and keeps it with its receipt; ``close`` gives size and SHA-256."""

    def __init__(self, receipt: Receipt) -> None:
        receipt.parts.all().delete()  # of an attempt that broke
        self._receipt, self._total, self.size = receipt, hashlib.sha256(), 0
        self._pack, self._held, self._held_bytes, self._number = zlib.compressobj(6, wbits=31), [b""], 0, 0

    def write(self, block: bytes) -> None:
        """Take one more block."""
        self.size += len(block)
        self._total.update(block)
        self._keep(self._pack.compress(block))
        if self._held_bytes >= _PART_BYTES:
            self._store()

    def close(self) -> tuple[int, str]:
        """The end of the file; its size in bytes and SHA-256."""
        self._keep(self._pack.flush())
        self._store()
        return self.size, self._total.hexdigest()

    def _keep(self, packed: bytes) -> None:
        self._held.append(packed)
        self._held_bytes += len(packed)

    def _store(self) -> None:
        ReceiptPart.objects.create(receipt=self._receipt, number=self._number, content=b"".join(self._held))
        self._held, self._held_bytes, self._number = [], 0, self._number + 1


def forget_old(now: datetime) -> int:
    """Remove receipts with their files after seven years; gives how many. What broke half-made goes after a day."""
    broken = Receipt.objects.filter(
        state=ReceiptState.MAKING, job=None, created_at__lt=now - timedelta(days=1)
    )
    broken.delete()
    old = Receipt.objects.filter(created_at__lt=now - KEPT)
    count = old.count()
    old.delete()
    return count
