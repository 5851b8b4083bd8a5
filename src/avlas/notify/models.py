"""Who is told of what, what waits to be told, and what was told; consumption alerts; consumers' own choices."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy

from avlas.meters.models import Customer, Meter
from avlas.meters.utc_seconds import UtcSecondsField
from avlas.system.models import Delivery, Language, Road, User, Utility, Webhook, check_time_zone


class SentSms(models.Model):
    """A text message that was handed over: how many parts it took, and what the service says became of it."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="sms")
    utility = models.ForeignKey(Utility, models.CASCADE, related_name="+")
    day = models.DateField()  # whose limit it counts towards
    at = models.DateTimeField()
    parts = models.PositiveSmallIntegerField()
    reference = models.CharField(max_length=100, blank=True)  # the service's own name for it
    said = models.CharField(max_length=100, blank=True)
    arrived = models.BooleanField(null=True)
    looks = models.PositiveSmallIntegerField(default=0)
    look_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["utility", "day"], name="sms_of_day"),
            models.Index(fields=["look_at"], condition=Q(look_at__isnull=False), name="sms_to_look_at"),
        ]


class Reader(models.TextChoices):
    """Who gets a notification."""

    USER = "user", gettext_lazy("a user")
    ADDRESS = "address", gettext_lazy("an address or a number")
    CONSUMER = "consumer", gettext_lazy("the meter's customer")
    WEBHOOK = "webhook", gettext_lazy("a webhook")


class Notification(models.Model):
    """Who is told of which info codes and consumption alerts of which meters, when and how: one recipient a row.

    ``codes`` names the info codes that are told; empty: all from ``severity`` on. ``group`` is a choice of
    ``meters.groups``. ``daily_due_at`` is when the next summary is due.
    """

    utility = models.ForeignKey(Utility, models.CASCADE, related_name="notifications")
    who = models.CharField(max_length=10, choices=Reader)
    road = models.CharField(max_length=10, choices=Road)
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="notifications")
    address = models.CharField(max_length=254, blank=True)
    webhook = models.ForeignKey(Webhook, models.CASCADE, null=True, related_name="notifications")
    language = models.CharField(max_length=5, choices=Language, default=Language.SWEDISH)
    active = models.BooleanField(default=True)
    subject = models.CharField(max_length=100, blank=True)
    group = models.CharField(max_length=20, default="all")
    info_codes = models.BooleanField(default=True)
    alerts = models.BooleanField(default=False)
    severity = models.PositiveSmallIntegerField(default=1)
    codes = models.JSONField(default=list)
    ended = models.BooleanField(default=False)  # told as well when it is over
    immediately = models.BooleanField(default=True)
    daily_at = models.TimeField(null=True)
    time_zone = models.CharField(max_length=60, default="Europe/Stockholm", validators=[check_time_zone])
    daily_due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(immediately=True) | Q(daily_at__isnull=False), name="notification_has_a_time"
            ),
            models.CheckConstraint(
                condition=Q(who="user", user__isnull=False)
                | Q(who="address")
                | Q(who="consumer")
                | Q(who="webhook", webhook__isnull=False, road="webhook"),
                name="notification_has_a_reader",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["daily_due_at"], name="notification_daily")]

    def __str__(self) -> str:
        return str(self.webhook or self.address or self.user or self.get_who_display())


class Told(models.Model):
    """One message of a notification, to one reader. Stays when its delivery is forgotten after three months."""

    notification = models.ForeignKey(Notification, models.CASCADE, related_name="told")
    customer = models.ForeignKey(Customer, models.CASCADE, null=True, related_name="told")
    delivery = models.ForeignKey(Delivery, models.SET_NULL, null=True, related_name="told_by")
    at = models.DateTimeField()
    daily = models.BooleanField(default=False)
    test = models.BooleanField(default=False)
    notices = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["notification", "-at"], name="told_newest")]


class Notice(models.Model):
    """Something that a notification has to tell of a meter: that an info code began, or that an alert fired.

    ``what`` is the code's name, or "alert/" and the alert's number. ``at_once``, ``daily`` and ``over`` say what still
    waits: a message, the summary, and the message that it has ended. A code that ends and comes back soon is the same
    notice: ``times`` counts, and nothing new is told.
    """

    notification = models.ForeignKey(Notification, models.CASCADE, related_name="notices")
    meter = models.ForeignKey(Meter, models.CASCADE, related_name="notices")
    customer = models.ForeignKey(Customer, models.CASCADE, null=True, related_name="notices")
    what = models.CharField(max_length=60)
    began_at = UtcSecondsField()
    last_at = UtcSecondsField()  # when it began the last time
    ended_at = UtcSecondsField(null=True)
    times = models.PositiveIntegerField(default=1)
    info_code = models.BigIntegerField(default=0)  # of the meter's family, for the words
    detail = models.JSONField(default=dict)  # of an alert: what was used and the ceiling
    created_at = models.DateTimeField()
    at_once = models.BooleanField(default=False)
    daily = models.BooleanField(default=False)
    over = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["notification", "meter", "what", "began_at"], name="notice_once")
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["notification", "customer"],
                condition=Q(at_once=True) | Q(daily=True) | Q(over=True),
                name="notice_waiting",
            ),
            models.Index(fields=["meter", "what"], name="notice_of_meter"),
            models.Index(fields=["created_at"], name="notice_by_age"),
        ]


class Period(models.TextChoices):
    """Over what a consumption ceiling holds."""

    HOUR = "hour", gettext_lazy("an hour")
    DAY = "day", gettext_lazy("a day")
    MONTH = "month", gettext_lazy("a month")
    TOTAL = "total", gettext_lazy("in all, since the beginning")


class Alert(models.Model):
    """A ceiling on what a meter uses. ``ceiling`` is in the register's canonical unit.

    ``reset_at``: from then on what is used in all is counted. While ``fired_at`` is set it stands with its symbol;
    reset, it can fire again.
    """

    utility = models.ForeignKey(Utility, models.CASCADE, related_name="alerts")
    meter = models.ForeignKey(Meter, models.CASCADE, related_name="alerts")
    register = models.CharField(max_length=30)
    period = models.CharField(max_length=10, choices=Period)
    ceiling = models.FloatField()
    from_at = models.DateTimeField()
    to_at = models.DateTimeField(null=True)
    reset_at = models.DateTimeField(null=True)
    fired_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["meter", "register", "period"], name="alert_once"),
            models.CheckConstraint(condition=Q(ceiling__gt=0), name="alert_ceiling"),
            models.CheckConstraint(
                condition=Q(to_at__isnull=True) | Q(to_at__gt=F("from_at")), name="alert_order"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["utility", "meter"], condition=Q(fired_at__isnull=False), name="alert_fired")
        ]


class Firing(models.Model):
    """That an alert fired, from then until it was reset; later periods above the ceiling count here meanwhile."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="firings")
    start_at = UtcSecondsField()  # of the period that was the first above the ceiling
    fired_at = models.DateTimeField()
    ceiling = models.FloatField()
    used = models.FloatField()  # the most in a period
    used_at = UtcSecondsField()  # the beginning of that period
    last_at = UtcSecondsField()  # the beginning of the newest period above the ceiling
    times = models.PositiveIntegerField(default=1)
    reset_at = models.DateTimeField(null=True)
    reset_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["alert", "start_at", "ceiling"], name="firing_once"),
            models.UniqueConstraint(
                fields=["alert"], condition=Q(reset_at__isnull=True), name="firing_open_once"
            ),
        ]


class AlertLimit(models.Model):
    """How many meters of a utility may be watched at the same time; where no row is, USUAL."""

    USUAL: ClassVar = 5000

    utility = models.OneToOneField(Utility, models.CASCADE, primary_key=True, related_name="alert_limit")
    meters = models.PositiveIntegerField(default=5000)


class Watch(models.Model):
    """How far the journal of readings and info codes has been looked through, by whom: one row for each looker."""

    name = models.CharField(max_length=20, primary_key=True)
    cursor = models.BigIntegerField(default=0)
    looked_at = models.DateTimeField(null=True)


class ConsumerChoice(models.Model):
    """What a customer wants to be told, chosen by the customer alone through a link. No row: as the utility has it.

    ``refused``: info codes (and "alerts") that are not told. ``link_number`` makes all earlier links invalid.
    """

    utility = models.ForeignKey(Utility, models.CASCADE, related_name="+")
    customer = models.OneToOneField(Customer, models.CASCADE, related_name="choice")
    language = models.CharField(max_length=5, choices=Language, default=Language.SWEDISH)
    mail = models.BooleanField(default=True)
    sms = models.BooleanField(default=True)
    refused = models.JSONField(default=list)
    link_number = models.PositiveIntegerField(default=1)
    chosen_at = models.DateTimeField(null=True)  # by the customer
