"""Reports that were sent to consumers: what was sent when, and taking them back out of the outbox.

The outbox keeps a message with its attachment for three months. When the customer is made nameless, or readings that
a report tells of are erased, the report goes too: the message is emptied, and given up if it has not left yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from avlas.system.models import Attachment, Delivery, DeliveryStatus, User, Utility
from avlas.system.told import told

if TYPE_CHECKING:
    from datetime import datetime

    from avlas.meters.models import Customer, Meter

_WITHDRAWN = gettext_noop("The report was erased: the customer has been forgotten or the readings erased.")


class SentReport(models.Model):
    """That a report about days ``first`` to ``last`` (standard time) was put into the outbox."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    customer = models.ForeignKey("meters.Customer", models.SET_NULL, null=True, related_name="reports")
    points = models.ManyToManyField("meters.MeteringPoint", related_name="reports")
    meters = models.ManyToManyField("meters.Meter", related_name="reports")
    delivery = models.ForeignKey(Delivery, models.SET_NULL, null=True, related_name="+")
    first = models.DateField()
    last = models.DateField()
    language = models.CharField(max_length=5)
    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        app_label = "meters"
        indexes: ClassVar = [models.Index(fields=["utility", "-at"], name="sent_report_newest")]


def withdraw_from(customer: Customer) -> None:
    """Empty the messages of all reports sent to a customer (caller's transaction)."""
    _empty(SentReport.objects.filter(customer=customer))


def withdraw_readings(meter: Meter, from_at: datetime, to_at: datetime) -> None:
    """Empty the messages of reports that tell of a meter between two moments (caller's transaction)."""
    touching = Q(first__lte=to_at.date(), last__gte=from_at.date())
    _empty(SentReport.objects.filter(touching, meters=meter))


def _empty(reports: models.QuerySet[SentReport]) -> None:
    ids = list(reports.exclude(delivery=None).values_list("delivery_id", flat=True))
    Attachment.objects.filter(delivery_id__in=ids).delete()
    mails = Delivery.objects.filter(pk__in=ids)
    mails.filter(status__in=(DeliveryStatus.WAITING, DeliveryStatus.SENDING)).update(
        status=DeliveryStatus.FAILED, told=told(_WITHDRAWN, {})
    )
    mails.update(destination="", subject="", body="")
