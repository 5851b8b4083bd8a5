"""A backup put back is the same in every row, on both engines and across them; a damaged one changes nothing."""

from __future__ import annotations

import shutil
import sqlite3
import zipfile
from pathlib import Path

import pytest

from avlas.operation import archive

JOBS_OWN = {"notify_watch", "system_job", "system_jobrun", "system_jobline", "system_auditevent"}

GUARDED = """
import django; django.setup()
from avlas.system.models import AuditEvent
from django.db import DatabaseError
try:
    AuditEvent.objects.all().delete()
except DatabaseError as refused:
    print(refused)
"""
WRITTEN_MEANWHILE = """
import django; django.setup()
from avlas.meters.models import Customer
from avlas.operation import tables
from avlas.system.models import Utility
table = next(table for table in tables.describe() if table.name == "meters_customer")
with tables.snapshot() as before:
    first = tables.total(before, table)
    new = Customer.objects.create(utility=Utility.objects.first(), number="x")
    again = tables.total(before, table)
    with tables.snapshot() as after:
        more = tables.total(after, table).rows - first.rows
new.delete()
same = "the same" if again.hex() == first.hex() else "something else"
print(f"while it is read: {same}, afterwards: {more} more")
"""


def same(ours: dict, theirs: dict, but: tuple[str, ...] = ("system_auditevent",)) -> None:
    """Every table is equal; the audit log has got at most a few events of what was done since."""
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} <= set(but)
    assert 0 <= abs(ours["system_auditevent"][0] - theirs["system_auditevent"][0]) <= 3


def backed_up(installation, folder: Path) -> Path:
    installation.run("backup", "--to", str(folder))
    (path,) = folder.glob("avlas-*.avlas-backup")
    assert path.stat().st_mode & 0o077 == 0
    return path


def test_restored_on_both_engines_and_across(copied, town_backup, town_sums, empty_postgresql, tmp_path):
    assert town_sums["reading"][0] > 1000
    empty_postgresql.run("restore", str(town_backup))  # SQLite -> PostgreSQL
    same(town_sums, empty_postgresql.sums())
    new = empty_postgresql.python(
        "import django; django.setup()\n"
        "from avlas.meters.models import Customer\nfrom avlas.system.models import Utility\n"
        "before = max(Customer.objects.values_list('pk', flat=True))\n"
        "print(Customer.objects.create(utility=Utility.objects.first(), number='x').pk - before)"
    )
    assert int(new) == 1  # numbers go on after the highest there is
    changed = empty_postgresql.sums()

    second = backed_up(empty_postgresql, tmp_path / "second")
    assert "--replace" in copied.run("restore", str(second), status=1)
    untouched = (copied.data / "avlas.db").read_bytes()
    copied.run("restore", str(second), "--replace", status=1, given="n\n")
    assert (copied.data / "avlas.db").read_bytes() == untouched
    copied.run("restore", str(second), "--replace", given="y\n")  # PostgreSQL -> SQLite
    same(changed, copied.sums())
    assert list(copied.data.glob("avlas.db.before-restore-*"))
    empty_postgresql.run("restore", str(town_backup), "--replace", "--yes")
    same(town_sums, empty_postgresql.sums())
    for installation in (copied, empty_postgresql):
        assert "audit" in installation.python(GUARDED)


@pytest.mark.parametrize("harm", ["cut", "altered", "row missing", "no backup"])
def test_a_damaged_backup_changes_nothing(copied, town_backup, tmp_path, harm):
    path = Path(shutil.copy(town_backup, tmp_path))
    before = (copied.data / "avlas.db").read_bytes()
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-5000])
    elif harm == "altered":
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
    elif harm == "row missing":
        shutil.move(path, whole := tmp_path / "whole")
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                new.writestr(
                    name, content.partition(b"\n")[2] if name.endswith("meters_key.jsonl") else content
                )
    else:
        path.write_text("hello")
    said = copied.run("restore", str(path), "--replace", "--yes", status=1)
    assert str(path) in said
    assert (copied.data / "avlas.db").read_bytes() == before
    assert not list(copied.data.glob("*.restoring*"))


def test_what_is_written_meanwhile_is_not_in_it(copied, town_on_postgresql):
    for installation in (copied, town_on_postgresql):
        assert "while it is read: the same, afterwards: 1 more" in installation.python(WRITTEN_MEANWHILE)


def test_old_backups_go_and_other_files_stay(copied, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in range(10, 15):
        (folder / f"avlas-202601{day}-000000.avlas-backup").touch()
    (folder / "mine.avlas-backup").touch()
    copied.run("backup", "--to", str(folder), "--keep", "3")
    left = sorted(path.name for path in folder.iterdir())
    assert left[:2] == ["avlas-20260113-000000.avlas-backup", "avlas-20260114-000000.avlas-backup"]
    assert len(left) == 4
    assert left[3] == "mine.avlas-backup"


def test_restoring_under_a_running_program_is_refused(copied, town_backup):
    running = sqlite3.connect(copied.data / "avlas.db")
    running.execute("SELECT count(*) FROM reading").fetchone()
    try:
        assert "Stop it first" in copied.run("restore", str(town_backup), "--replace", "--yes", status=1)
    finally:
        running.close()


def test_the_master_key_is_kept_and_put_back(copied, tmp_path):
    copied.more["AVLAS_BACKUP_PASSPHRASE"] = "correct horse"
    kept = tmp_path / "key.json"
    original = (copied.data / "master.key").read_text()
    copied.run("backup", "--master-key", str(kept))
    assert original.strip() not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0
    copied.run("backup", "--master-key", str(kept), status=1)  # never overwritten
    copied.run("backup", "--master-key", str(tmp_path / "open"), "--unlocked")
    copied.run("restore", "--master-key", str(kept), status=1)  # there is one
    (copied.data / "master.key").unlink()
    copied.more["AVLAS_BACKUP_PASSPHRASE"] = "wrong horse."
    assert "passphrase" in copied.run("restore", "--master-key", str(kept), status=1)
    copied.more["AVLAS_BACKUP_PASSPHRASE"] = "correct horse"
    copied.run("restore", "--master-key", str(kept))
    assert (copied.data / "master.key").read_text() == original
    (copied.data / "master.key").unlink()
    copied.run("restore", "--master-key", str(tmp_path / "open"))
    assert (copied.data / "master.key").read_text() == original


def test_the_nightly_job_makes_one(copied, town_sums):
    copied.python(
        "import django; django.setup()\nfrom avlas.job_kinds import KINDS\nfrom avlas.system import jobs\n"
        "from avlas.system.models import Job\njobs.ensure_standing(KINDS)\n"
        "Job.objects.exclude(kind='backup').update(active=False)\njobs.run_now(Job.objects.get(kind='backup'), None)"
    )
    copied.run("work", "--once")
    (path,) = (copied.data / "backups").iterdir()
    found = {content.table.name: [content.rows, content.sha256] for content in archive.verify(path).tables}
    assert found.keys() == town_sums.keys()
    assert {name for name in found if found[name] != town_sums[name]} <= JOBS_OWN


ERASE = """
import django; django.setup()
from datetime import UTC, datetime, timedelta
from avlas.meters import erasure
from avlas.meters.keys import Who
from avlas.meters.models import Meter, Reading
newest = Reading.objects.filter(kind=0).order_by("-slot_at").first()
span = newest.slot_at - timedelta(days=9), newest.slot_at - timedelta(days=2)
print(erasure.erase(Meter.objects.get(pk=newest.meter_id), *span, Who())["readings"])
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_was_erased_since_the_backup_is_erased_anew(copied, empty_postgresql, tmp_path, engine):
    path = backed_up(copied, tmp_path / "backup")
    own = copied
    if engine == "postgresql":
        own = empty_postgresql
        own.run("restore", str(path))
    whole = own.sums()["reading"][0]
    erased = int(own.python(ERASE))
    assert erased > 100
    own.run("restore", str(path), "--replace", "--yes")
    sums = own.sums()
    assert sums["reading"][0] == whole - erased
    assert sums["meters_fence"][0] == 1
