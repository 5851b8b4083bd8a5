"""The machine and what lies on it: database, disk, files, master key, clock, backups, settings."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avlas.meters.models import MeterState
from avlas.operation import upgrade
from avlas.operation.check import forecast
from avlas.operation.check.finding import Finding, bad, moment, number, ok, size, warning
from avlas.operation.size import database_bytes
from avlas.system import secrets, syslog
from avlas.system.models import AuditEvent, Job, JobRun, MailServer, Utility

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from avlas.operation.check.finding import Asked

LEAST_FREE: Final = 100_000_000  # with less /health says that the disk is full
LITTLE_FREE: Final = 1_000_000_000
FULL_SOON: Final = timedelta(days=90)
FULL_VERY_SOON: Final = timedelta(days=14)
REMEMBERED: Final = timedelta(days=90)  # what older backups took says little about today's growth
BACKUP_AFTER: Final = timedelta(days=2)
CLOCK_MAY_DIFFER: Final = timedelta(minutes=2)
DATABASE_CLOCK_MAY_DIFFER: Final = timedelta(seconds=5)  # leases of 60 seconds are judged by it
OLDEST_POSTGRESQL: Final = 14
OLDEST_SQLITE: Final = (3, 35)
SHORTEST_SECRET: Final = 32
PATIENCE_SECONDS: Final = 3.0
_NETWORK_DISKS: Final = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs"}


def _database_file() -> Path | None:
    """SQLite's file; None on PostgreSQL."""
    return Path(str(connection.settings_dict["NAME"])) if connection.vendor == "sqlite" else None


def database(_asked: Asked) -> Iterator[Finding]:
    """Whether the database answers, and has the tables of this version. When it is bad nothing else can be seen."""
    area = _("Database")
    file = _database_file()
    if file is not None and not file.exists():  # to connect would make it
        yield bad(
            area,
            _("There is no database %(file)s.") % {"file": file},
            _("Start Avläs once with ./run, or say with AVLAS_DATA or AVLAS_DATABASE where it is."),
        )
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if upgrade.needed():
            yield bad(
                area,
                _("The database is of an older version than the program."),
                _("Stop Avläs and run: ./run upgrade"),
            )
            return
        taken = size(database_bytes())
    except DatabaseError as problem:
        yield bad(
            area,
            _("The database can't be used: %(problem)s") % {"problem": str(problem).strip()},
            _("See that the database runs, that AVLAS_DATABASE is right and that the file may be read."),
        )
        return
    yield ok(area, _("The database answers and has all its tables; it takes %(size)s.") % {"size": taken})


def version(_asked: Asked) -> Iterator[Finding]:
    """Whether the database engine is new enough, and stands where it is safe."""
    area = _("Database version")
    file = _database_file()
    if file is None:
        major, minor = divmod(connection.pg_version, 10000)  # type: ignore[attr-defined]
        said = f"PostgreSQL {major}.{minor}"
        too_old = major < OLDEST_POSTGRESQL
    else:
        said = f"SQLite {sqlite3.sqlite_version}"
        too_old = sqlite3.sqlite_version_info < OLDEST_SQLITE
        kind = _file_system(file)
        if kind in _NETWORK_DISKS:
            yield bad(
                area,
                _("The database lies on a network disk (%(kind)s), where SQLite can be damaged.")
                % {"kind": kind},
                _("Move the data folder to a disk of this machine, or move to PostgreSQL: ./run move"),
            )
    if too_old:
        yield bad(area, _("%(version)s is too old.") % {"version": said}, _("Install a newer version of it."))
    else:
        yield ok(area, _("%(version)s is new enough.") % {"version": said})


def _file_system(file: Path) -> str:
    """The kind of the file system that a file lies on; empty where that isn't told (only Linux tells)."""
    try:
        mounts = [
            line.split()[1:3] for line in Path("/proc/mounts").read_text("utf-8", "replace").splitlines()
        ]
    except OSError:
        return ""
    whole = str(file.resolve())
    over = [(len(at), kind) for at, kind in mounts if whole.startswith(at.rstrip("/") + "/")]
    return max(over, default=(0, ""))[1]


def disk(asked: Asked) -> Iterator[Finding]:
    """Room in the data folder, and when it is full if it goes on like this."""
    area = _("Disk")
    folder = Path(settings.DATA)
    advice = _(
        "Make room (old backups, avlas.db.before-restore-…), or move the data folder to a larger disk."
    )
    file = _database_file()
    free = {place: shutil.disk_usage(place).free for place in {folder, file.parent if file else folder}}
    for place, left in free.items():
        values = {"free": size(left), "folder": place}
        if left < LEAST_FREE:
            yield bad(area, _("The disk is full: %(free)s free in %(folder)s.") % values, advice)
        elif left < LITTLE_FREE:
            yield warning(area, _("Only %(free)s free in %(folder)s.") % values, advice)
        else:
            yield ok(area, _("%(free)s free in %(folder)s.") % values)
    yield from _forecast(asked, None if file is None else free[file.parent], advice)


def _forecast(asked: Asked, free: int | None, advice: str) -> Iterator[Finding]:
    area = _("Disk forecast")
    today = asked.now.date()
    used = database_by_day(asked.now)
    a_day = forecast.growth(used)
    if a_day is None:
        yield ok(area, _("After some nights' backups it can be estimated here when the disk will be full."))
        return
    grows = _("By estimate the database grows by %(size)s a day.") % {"size": size(max(a_day, 0))}
    if free is None:
        yield ok(area, grows + " " + _("Its disk can't be seen from here; watch it where PostgreSQL runs."))
        return
    day = forecast.full_on(used, free, today)
    if day is None:
        yield ok(area, _("By estimate the disk will not be filled: the database hardly grows."))
        return
    said = _("By estimate the disk is full on %(day)s if the database goes on growing by %(size)s a day.") % {
        "day": day.isoformat(),
        "size": size(a_day),
    }
    if day <= today + FULL_VERY_SOON:
        yield bad(area, said, advice)
    elif day <= today + FULL_SOON:
        yield warning(area, said, advice)
    else:
        yield ok(area, said)


def database_by_day(now: datetime) -> dict[date, float]:
    """What the database took on earlier days, as the backups noted it, and what it takes today."""
    used: dict[date, float] = {}
    noted = AuditEvent.objects.filter(event="backup.made", at__gte=now - REMEMBERED).order_by("at")
    for at, detail in noted.values_list("at", "detail"):
        if isinstance(taken := detail.get("database_bytes"), int):
            used[at.date()] = taken
    return used | {now.date(): database_bytes()}


def files(_asked: Asked) -> Iterator[Finding]:
    """Whether the data folder and what lies in it are their owner's alone, and can be written."""
    area = _("Files")
    data = Path(settings.DATA)
    if not data.is_dir() or not os.access(data, os.W_OK):
        yield bad(
            area,
            _("The data folder %(folder)s can't be written.") % {"folder": data},
            _("See that it exists and belongs to the account that Avläs runs under."),
        )
        return
    if os.name != "posix":
        return
    found = list(_open_to_others(data))
    yield from found
    if not found:
        yield ok(area, _("The data folder and what lies in it are open to nobody else."))


def _open_to_others(data: Path) -> Iterator[Finding]:
    area = _("Files")
    file = _database_file()
    beside = [file.with_name(file.name + end) for end in ("", "-wal", "-shm")] if file else []
    secret = [data / "master.key", data / "master.key.new", data / "signing.secret"]
    secret += data.glob("master.key.old-*")
    for path in [data, data / "backups", *beside, *secret]:
        try:
            mode = path.stat().st_mode & 0o777
        except FileNotFoundError:
            continue
        if not mode & 0o077:
            continue
        right = 0o700 if path.is_dir() else 0o600
        grave = path in secret
        yield (bad if grave else warning)(
            area,
            _("%(path)s is open to others on this machine (%(mode)s).")
            % {"path": path, "mode": f"{mode:04o}"},
            f"chmod {right:o} {path}",
        )


def master_key(_asked: Asked) -> Iterator[Finding]:
    """Whether the master key is there and is the right one, and when it was last copied."""
    area = _("Master key")
    try:
        key = secrets.inspect()
    except secrets.SecretError as problem:
        yield bad(area, str(problem), _("See the manual's page Operation, The master key."))
        return
    if key is None:
        yield ok(area, _("Nothing is sealed yet; the master key is made when the first key is stored."))
        return
    yield ok(area, _("The master key %(id)s is there and opens what is sealed.") % {"id": key.id})
    if secrets.ENVIRONMENT in os.environ:
        return  # whoever set it keeps it elsewhere
    kept = (
        AuditEvent.objects.filter(event="backup.master_key_kept").order_by("-at").values_list("at", "detail")
    )
    at = next((at for at, detail in kept if detail.get("key") == key.id), None)
    if at is None:
        yield warning(
            area,
            _("The master key has never been copied: if this disk dies, no backup's meter keys can be read."),
            _("Keep a copy apart from the data: ./run backup --master-key FILE"),
        )
    else:
        yield ok(area, _("The master key was copied %(when)s.") % {"when": moment(at)})


def clock(asked: Asked) -> Iterator[Finding]:
    """Whether this machine's clock goes right, judged by what is stored and by the database's clock."""
    area = _("Clock")
    advice = _("Set the clock, and let the system keep it (timedatectl set-ntp true).")
    wrong = False
    newest = _newest_row()
    if newest is not None and newest > asked.now + CLOCK_MAY_DIFFER:
        wrong = True
        yield bad(
            area,
            _("This machine's clock says %(now)s, but something was stored %(newest)s.")
            % {"now": moment(asked.now), "newest": moment(newest)},
            advice,
        )
    heard = MeterState.objects.aggregate(newest=Max("last_heard_at"))["newest"]
    if heard is not None and heard > asked.now + CLOCK_MAY_DIFFER:
        wrong = True
        yield bad(
            area,
            _("Telegrams come from the future: the newest is of %(newest)s.") % {"newest": moment(heard)},
            _("Set the clock of the receiver's computer, and of this one if it is behind."),
        )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            before = datetime.now(UTC)
            cursor.execute("SELECT clock_timestamp()")
            (theirs,) = cursor.fetchone()
        if abs(theirs - before) > DATABASE_CLOCK_MAY_DIFFER:
            wrong = True
            yield warning(
                area,
                _("The database's clock differs from this machine's by %(seconds)s seconds.")
                % {"seconds": number(round(abs((theirs - before).total_seconds())))},
                advice,
            )
    if not wrong:
        yield ok(area, _("The clock is not behind anything stored: %(now)s.") % {"now": moment(asked.now)})


def _newest_row() -> datetime | None:
    """When this program itself last wrote something down."""
    written = [
        AuditEvent.objects.order_by("-pk").values_list("at", flat=True).first(),
        JobRun.objects.order_by("-pk").values_list("started_at", flat=True).first(),
    ]
    return max((at for at in written if at is not None), default=None)


def backups(asked: Asked) -> Iterator[Finding]:
    """When the newest backup was made, and whether it is still there."""
    area = _("Backup")
    by_hand = _("See the job Backup on the page Jobs, or make one now: ./run backup")
    newest = AuditEvent.objects.filter(event="backup.made").order_by("-at").first()
    first = Utility.objects.order_by("created_at").values_list("created_at", flat=True).first()
    if newest is None:
        new = first is None or asked.now - first < BACKUP_AFTER
        yield (warning if new else bad)(area, _("There is no backup yet."), by_hand)
    elif asked.now - newest.at > BACKUP_AFTER:
        days = (asked.now - newest.at).days
        said = ngettext(
            "The newest backup is %(n)s day old.", "The newest backup is %(n)s days old.", days
        ) % {"n": number(days)}
        yield bad(area, said, by_hand)
    elif not Path(newest.target).exists():
        yield warning(
            area,
            _("The newest backup, %(file)s, is not there (or on another machine).") % {"file": newest.target},
            _("See that its folder is reachable, or make a new one: ./run backup"),
        )
    else:
        yield ok(
            area,
            _("The newest backup is of %(when)s: %(file)s")
            % {"when": moment(newest.at), "file": newest.target},
        )
    if Job.objects.filter(kind="backup", standing=True, active=False).exists():
        yield warning(area, _("The nightly backup is paused."), _("Let it run again on the page Jobs."))


def set_up(_asked: Asked) -> Iterator[Finding]:
    """Whether the settings are safe."""
    area = _("Settings")
    found = []
    if settings.DEBUG:
        found.append(
            bad(
                area,
                _("AVLAS_DEBUG is on: errors show the program's inside to everybody."),
                _("Start Avläs without AVLAS_DEBUG."),
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            warning(
                area,
                _("AVLAS_ALLOWED_HOSTS lets every name through."),
                _("Name the host names people use, with commas between."),
            )
        )
    if len(settings.SECRET_KEY) < SHORTEST_SECRET:
        found.append(
            bad(
                area,
                _("AVLAS_SECRET is so short that it can be guessed."),
                _("Give it at least 50 random characters, or leave it out."),
            )
        )
    if any(network.prefixlen == 0 for network in settings.TRUSTED_PROXIES):
        found.append(
            bad(
                area,
                _("AVLAS_TRUSTED_PROXIES believes everybody about where requests come from."),
                _("Name only your proxies' own addresses."),
            )
        )
    if not settings.HTTPS and _seen_from_outside():
        found.append(
            warning(
                area,
                _("Without AVLAS_HTTPS passwords and cookies may travel in clear."),
                _("Put a proxy with HTTPS in front and set AVLAS_HTTPS=1; see the manual's page Operation."),
            )
        )
    yield from found or [ok(area, _("The settings are safe."))]


def audit_copy(_asked: Asked) -> Iterator[Finding]:
    """Whether the syslog server that the audit is copied to can be reached."""
    if not settings.SYSLOG:
        return
    area = _("Syslog")
    try:
        syslog.opened(settings.SYSLOG, PATIENCE_SECONDS).close()
    except OSError as problem:
        yield warning(
            area,
            _("The audit log can't be copied to %(where)s: %(problem)s")
            % {"where": settings.SYSLOG, "problem": problem.strerror or str(problem)},
            _(
                "See that the syslog server runs and that AVLAS_SYSLOG is right. The database has every event."
            ),
        )
    else:
        yield ok(area, _("The audit log is copied to %(where)s.") % {"where": settings.SYSLOG})


def _seen_from_outside() -> bool:
    """Whether somebody has said that these pages are reached from other machines."""
    server = MailServer.objects.filter(pk=1).first()
    https = server is not None and server.site_address.startswith("https:")
    return https or bool(os.environ.get("AVLAS_ALLOWED_HOSTS"))
