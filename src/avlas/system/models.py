"""Who uses the installation and what they did: utilities, users, roles, tokens, audit, master key check.

Times are UTC. The rules that act on these rows stand beside: ``permissions``, ``tokens``, ``audit``,
``secrets``.
"""

from __future__ import annotations

import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models.base import ModelBase


class Utility(models.Model):
    """The organisation that owns meters and users. No row of one is ever visible to another."""

    name = models.CharField(gettext_lazy("name"), max_length=200)
    slug = models.SlugField(gettext_lazy("short name"), max_length=60, unique=True)
    map_tiles = models.CharField(
        max_length=300, blank=True
    )  # address of map tiles: https://.../{z}/{x}/{y}.png
    map_credit = models.CharField(max_length=200, blank=True)  # who made them
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = gettext_lazy("utility")
        verbose_name_plural = gettext_lazy("utilities")

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """The three roles of a person in a utility."""

    USER = "user", gettext_lazy("User")
    SUPERUSER = "superuser", gettext_lazy("Superuser")
    ADMINISTRATOR = "administrator", gettext_lazy("Administrator")


class Permission(models.TextChoices):
    """What a role may do; ``permissions.DEFAULTS`` says which role has which until it is changed."""

    DATA_ACCESS = "data_access", gettext_lazy("Data access")
    READING_MANAGEMENT = "reading_management", gettext_lazy("Reading management")
    DEVICE_AND_CUSTOMER_MANAGEMENT = (
        "device_and_customer_management",
        gettext_lazy("Device and customer management"),
    )
    GROUP_MANAGEMENT = "group_management", gettext_lazy("Group management")
    SYSTEM_CONFIGURATION = "system_configuration", gettext_lazy("System configuration")
    ACCESS_CONTROL = "access_control", gettext_lazy("Access control")


class Language(models.TextChoices):
    SWEDISH = "sv", "Svenska"
    ENGLISH = "en", "English"


def check_time_zone(name: str) -> None:
    """Raises ValidationError unless ``name`` is a time zone of the IANA database."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            _("%(name)s is not a time zone; write it like Europe/Stockholm.") % {"name": name}
        )


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A new, saved user; without a password nobody can sign in as that user until one is set."""
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """A person who signs in. Belongs to exactly one utility; the e-mail address is the sign-in name.

    ``runs_installation`` marks who may make utilities and see to the installation itself. It gives no sight
    of another utility's rows.
    """

    email = models.EmailField(gettext_lazy("e-mail address"), max_length=254, unique=True)
    first_name = models.CharField(gettext_lazy("first name"), max_length=150, blank=True)
    last_name = models.CharField(gettext_lazy("last name"), max_length=150, blank=True)
    utility = models.ForeignKey(Utility, on_delete=models.PROTECT, related_name="users")
    role = models.CharField(gettext_lazy("role"), max_length=20, choices=Role, default=Role.USER)
    language = models.CharField(
        gettext_lazy("language"), max_length=5, choices=Language, default=Language.SWEDISH
    )
    time_zone = models.CharField(
        gettext_lazy("time zone"), max_length=60, default="Europe/Stockholm", validators=[check_time_zone]
    )
    runs_installation = models.BooleanField(gettext_lazy("runs the installation"), default=False)
    is_active = models.BooleanField(
        gettext_lazy("may sign in"),
        default=True,
        help_text=gettext_lazy("Clear this instead of deleting the user, so that the audit log stays whole."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = gettext_lazy("user")
        verbose_name_plural = gettext_lazy("users")
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_is_lower_case"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_is_known"),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    def get_full_name(self) -> str:
        """First and last name with one space, empty when neither is known."""
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        return self.first_name or self.email

    def clean(self) -> None:
        self.email = self.email.strip().lower()
        super().clean()

    def save(
        self,
        *,
        force_insert: bool | tuple[ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        self.email = self.email.strip().lower()
        super().save(
            force_insert=force_insert, force_update=force_update, using=using, update_fields=update_fields
        )


class RolePermission(models.Model):
    """A departure from ``permissions.DEFAULTS`` that a utility's administrator has decided."""

    utility = models.ForeignKey(Utility, on_delete=models.CASCADE, related_name="role_permissions")
    role = models.CharField(max_length=20, choices=Role)
    permission = models.CharField(max_length=40, choices=Permission)
    allowed = models.BooleanField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "role", "permission"], name="one_rule_per_role"),
            models.CheckConstraint(
                condition=~models.Q(role=Role.ADMINISTRATOR), name="administrators_have_everything"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {'+' if self.allowed else '-'}{self.permission}"


class ApiToken(models.Model):
    """A program's access. Only a hash of the token is kept; see ``tokens``."""

    utility = models.ForeignKey(Utility, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(gettext_lazy("name"), max_length=100)
    prefix = models.CharField(max_length=16, unique=True)
    hash = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="api_tokens"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = gettext_lazy("API token")
        verbose_name_plural = gettext_lazy("API tokens")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEvent(models.Model):
    """Who did what and when. Only ever added to, by ``audit.record``; the database refuses everything else.

    ``user`` and ``utility`` are kept as bare numbers with no constraint, so that nothing that happens to
    those rows ever touches this table; ``user_name`` and ``computer`` are as they were at the time.
    The table and its guards are made by hand in migration 0002 (managed = False), because Django's
    SQLite table rebuilds would drop the triggers.
    """

    at = models.DateTimeField()
    utility = models.ForeignKey(
        Utility, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="audit_events"
    )
    user = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="audit_events"
    )
    user_name = models.CharField(max_length=320)
    computer = models.CharField(max_length=255)
    event = models.CharField(max_length=60)
    target = models.CharField(max_length=255)
    detail = models.JSONField(default=dict)

    class Meta:
        managed = False
        db_table = "system_auditevent"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}Z {self.event} {self.target}".rstrip()


class SecretCheck(models.Model):
    """One row (id 1) that tells whether the master key at hand is the one the secrets are sealed with."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    key_id = models.CharField(max_length=8)
    check_value = models.BinaryField()
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="one_secret_check"),
        ]

    def __str__(self) -> str:
        return f"master key {self.key_id}"


class Job(models.Model):
    """Work that is done regularly: what, when, and whom to tell when it fails. See ``jobs``.

    ``utility`` is None for what concerns the whole installation. ``standing`` jobs belong to the program: they
    can be changed and paused but not removed. ``failing_since`` is when the present streak of failures
    began; None when the last run went well.
    """

    utility = models.ForeignKey(Utility, on_delete=models.CASCADE, null=True, related_name="jobs")
    kind = models.CharField(max_length=40)
    name = models.CharField(max_length=100, blank=True)  # empty: called as its kind
    parameters = models.JSONField(default=dict)
    every_minutes = models.PositiveSmallIntegerField(default=0)
    cron = models.CharField(max_length=100, blank=True)
    time_zone = models.CharField(max_length=60, default="Europe/Stockholm", validators=[check_time_zone])
    active = models.BooleanField(default=True)
    standing = models.BooleanField(default=False)
    tell = models.JSONField(default=list)  # e-mail addresses; none: the administrators
    next_due_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind"], condition=models.Q(standing=True), name="one_standing_job_of_a_kind"
            ),
            models.CheckConstraint(
                condition=models.Q(every_minutes=0, cron__gt="") | models.Q(every_minutes__gt=0, cron=""),
                name="job_has_one_schedule",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["next_due_at"], name="job_due")]

    def __str__(self) -> str:
        return self.name or self.kind


class RunStatus(models.TextChoices):
    """How far a run of a job has come."""

    WAITING = "waiting", gettext_lazy("waiting")
    RUNNING = "running", gettext_lazy("running")
    DONE = "done", gettext_lazy("done")
    FAILED = "failed", gettext_lazy("failed")


class JobRun(models.Model):
    """One time that a job is due. A job has at most one unfinished run, and one for each due time.

    Whoever runs it holds it by ``worker`` until ``lease_until`` (the database's clock) and renews that while
    working. ``told`` is the reason of a failure or the last thing logged: {"text", "values"}.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="runs")
    due_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=RunStatus, default=RunStatus.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField()
    worker = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    progress_done = models.PositiveBigIntegerField(null=True)
    progress_total = models.PositiveBigIntegerField(null=True)
    told = models.JSONField(default=dict)
    asked_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "due_at"], name="one_run_a_due_time"),
            models.UniqueConstraint(
                fields=["job"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="one_unfinished_run_a_job",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["not_before"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="jobrun_unfinished",
            )
        ]

    def __str__(self) -> str:
        return f"{self.job_id} {self.due_at:%Y-%m-%d %H:%M}Z {self.status}"


class JobLine(models.Model):
    """A line of a run's log: a text of the program with its values, shown in the reader's language."""

    run = models.ForeignKey(JobRun, on_delete=models.CASCADE, related_name="lines")
    at = models.DateTimeField()
    attempt = models.PositiveSmallIntegerField()
    text = models.TextField()
    values = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.text


class MailSecurity(models.TextChoices):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls", gettext_lazy("STARTTLS (port 587)")
    TLS = "tls", gettext_lazy("TLS (port 465)")
    NONE = "none", gettext_lazy("none (own network)")


class MailServer(models.Model):
    """One row (id 1): where the installation hands in its mail. The password is sealed; see ``outbox``."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=587)
    security = models.CharField(max_length=10, choices=MailSecurity, default=MailSecurity.STARTTLS)
    user = models.CharField(max_length=254, blank=True)
    password = models.BinaryField(null=True)
    sender = models.EmailField(max_length=254)
    site_address = models.URLField(max_length=200, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="one_mail_server"),
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Webhook(models.Model):
    """An address of another system that is told what happens in a utility. The secret is sealed; see ``outbox``."""

    utility = models.ForeignKey(Utility, on_delete=models.CASCADE, related_name="webhooks")
    name = models.CharField(max_length=100)
    url = models.URLField(max_length=500)
    secret = models.BinaryField()
    own_machine = models.BooleanField(default=False)  # may lead to this computer itself and its neighbours
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Road(models.TextChoices):
    """How a message goes out."""

    MAIL = "mail", gettext_lazy("e-mail")
    WEBHOOK = "webhook", gettext_lazy("webhook")


class DeliveryStatus(models.TextChoices):
    """What has become of a message."""

    WAITING = "waiting", gettext_lazy("waiting")
    SENDING = "sending", gettext_lazy("sending")
    SENT = "sent", gettext_lazy("sent")
    UNSURE = "unsure", gettext_lazy("unsure")
    FAILED = "failed", gettext_lazy("given up")


class Delivery(models.Model):
    """A message to one e-mail address or webhook, from the transaction of what it tells about until it is sent.

    ``key`` keeps the same message from being written twice. ``event_id`` is the Message-ID or the event's id and
    never changes. ``handed_over_at`` is set just before the last byte is sent: from then on only the server's
    answer tells whether it arrived. ``told`` is the reason it has not been sent: {"text", "values"}.
    """

    utility = models.ForeignKey(Utility, on_delete=models.CASCADE, null=True, related_name="deliveries")
    key = models.CharField(max_length=150, unique=True)
    event = models.CharField(max_length=60)
    event_id = models.UUIDField(unique=True, default=uuid.uuid4)
    road = models.CharField(max_length=10, choices=Road, default=Road.MAIL)
    webhook = models.ForeignKey(Webhook, on_delete=models.SET_NULL, null=True, related_name="deliveries")
    destination = models.CharField(max_length=500)  # the e-mail address, or the webhook's address at the time
    subject = models.CharField(max_length=250, blank=True)
    body = models.TextField()
    status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    give_up_at = models.DateTimeField()
    worker = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    handed_over_at = models.DateTimeField(null=True)
    sent_again = models.BooleanField(default=False)  # by a person, after it was unsure
    sent_at = models.DateTimeField(null=True)
    told = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(status__in=["waiting", "sending"]),
                name="delivery_unfinished",
            ),
            models.Index(fields=["utility", "-created_at"], name="delivery_of_utility"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.destination} {self.status}"


# These stand on the rows above.
from avlas.system.attachment import Attachment as Attachment  # noqa: E402, PLC0414
from avlas.system.kept_secret import KeptSecret as KeptSecret  # noqa: E402, PLC0414
