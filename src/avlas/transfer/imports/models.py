"""Imports: the file, how it is understood, its rows in staging, and what was done, so that it can be undone."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy

from avlas.system.models import Job, KeptSecret, User, Utility


class ImportKind(models.TextChoices):
    """What an imported table is about."""

    REGISTER = "register", gettext_lazy("Customers, metering points and meters")
    READINGS = "readings", gettext_lazy("Readings")
    MONTH = "month", gettext_lazy("A month of another system, only to be compared")


class ImportStatus(models.TextChoices):
    """How far an import has come. CHECK, TAKE_IN and UNDO wait for the worker or are being done."""

    COLUMNS = "columns", gettext_lazy("columns to be chosen")
    CHECK = "check", gettext_lazy("being checked")
    CHECKED = "checked", gettext_lazy("checked, nothing taken in yet")
    TAKE_IN = "take_in", gettext_lazy("being taken in")
    DONE = "done", gettext_lazy("taken in")
    UNDO = "undo", gettext_lazy("being undone")
    UNDONE = "undone", gettext_lazy("undone again")
    FAILED = "failed", gettext_lazy("stopped by an error")
    COMPARED = "compared", gettext_lazy("compared, nothing taken in")


class Verdict(IntEnum):
    """What becomes of a row."""

    NEW = 1  # something is added
    CHANGED = 2  # something that is there is changed, nothing is added
    SAME = 3  # all of it is there already
    REFUSED = 4


class ImportMapping(models.Model):
    """How a utility reads one kind of file. ``settings``: see ``settings.Settings``."""

    utility = models.ForeignKey(Utility, models.CASCADE, related_name="import_mappings")
    kind = models.CharField(max_length=12, choices=ImportKind)
    name = models.CharField(max_length=80)
    settings = models.JSONField(default=dict)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "name"], name="import_mapping_name")
        ]

    def __str__(self) -> str:
        return self.name


class Import(models.Model):
    """One file that comes in.

    ``settings``: see ``settings.Settings``. ``whole``: all rows or none. ``counts``: of rows by verdict ("new", ...)
    and of things ("customers_added", ...). ``told``: why it failed or what a person must know: {"text", "values"}.
    The file itself lies in ImportFile as long as it is needed; name, size and checksum stay.
    """

    utility = models.ForeignKey(Utility, models.CASCADE, related_name="imports")
    kind = models.CharField(max_length=12, choices=ImportKind)
    name = models.CharField(max_length=200)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    mapping = models.ForeignKey(ImportMapping, models.SET_NULL, null=True, blank=True)
    settings = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=ImportStatus, default=ImportStatus.COLUMNS)
    whole = models.BooleanField(default=True)
    counts = models.JSONField(default=dict)
    told = models.JSONField(default=dict)
    progress_done = models.IntegerField(default=0)
    progress_total = models.IntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    # Brought by a job from a place: which, and in which of its runs; that run checks it and takes it in.
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    run_id = models.BigIntegerField(default=0)
    done_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["utility", "-created_at"], name="import_newest"),
            models.Index(
                fields=["id"],
                condition=models.Q(status__in=["check", "take_in", "undo"]),
                name="import_waiting",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ImportFile(models.Model):
    """The bytes of an import's file, compressed (zlib)."""

    of = models.OneToOneField(Import, models.CASCADE, primary_key=True, related_name="file")
    packed = models.BinaryField()


class ImportRow(models.Model):
    """A row in staging: what it says, and what would become of it. Gone once it is taken in.

    ``record``: what it says (``register_row.Record``); ``faults``: why it is refused (``register_row.Fault``);
    ``effects``: what it would do (``register_plan``).
    """

    of = models.ForeignKey(Import, models.CASCADE, related_name="rows")
    line = models.IntegerField()
    verdict = models.SmallIntegerField()
    record = models.JSONField(default=dict)
    faults = models.JSONField(default=list)
    effects = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["of", "line"], name="import_row_line")]
        indexes: ClassVar = [models.Index(fields=["of", "verdict", "line"], name="import_row_verdict")]


class ImportDeed(models.Model):
    """What some rows did, so that it can be undone (see ``undoing``). Gone a month later.

    ``done``: pairs of a line and its deeds. ``kept``: once it was undone, what could not be and why: lines with told
    texts.
    """

    of = models.ForeignKey(Import, models.CASCADE, related_name="deeds")
    rows = models.IntegerField()
    done = models.JSONField(default=list)
    kept = models.JSONField(null=True)  # null: not undone


class KeyFilePassword(models.Model):
    """A password that key files of a utility are opened with by a job."""

    utility = models.ForeignKey(Utility, models.CASCADE, related_name="key_file_passwords")
    name = models.CharField(max_length=100)  # which files it is for, in a person's words
    secret = models.ForeignKey(KeptSecret, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "name"], name="key_file_password_name")
        ]

    def __str__(self) -> str:
        return self.name


class KeyFileSeen(models.Model):
    """A key file that a job found at a place: a refused one is told once, and one that stays isn't read twice.

    ``passwords``: the newest password that was tried; a newer one gives a refused file another chance. ``told``: why it
    is refused; empty: it was taken in.
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    run_id = models.BigIntegerField()
    passwords = models.BigIntegerField(default=0)
    told = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "name", "sha256"], name="key_file_seen_once")
        ]
