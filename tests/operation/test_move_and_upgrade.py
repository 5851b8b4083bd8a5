"""A move survives being killed and carries everything; an upgrade that fails leaves all as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.operation.test_backup import backed_up, same

SMALL_PIECES = """
import sys
from avlas.cli import main
from avlas.operation import commands
prepare = commands._prepare_target
def small(source):
    from avlas.operation import move
    put = move._put_piece
    def slowly(*given):
        put(*given)
        print("piece", flush=True)
        if len(sys.argv) > 2:
            sys.stdin.readline()
    move._put_piece, move.PIECE = slowly, 250
    prepare(source)
commands._prepare_target = small
sys.exit(main(["move", sys.argv[1]]))
"""

HAVE_OPEN = """
import sqlite3, sys
own = sqlite3.connect(sys.argv[1])
own.execute("SELECT count(*) FROM reading").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


def test_a_move_that_is_killed_goes_on_and_carries_everything(copied, empty_postgresql):
    import psycopg

    before = copied.sums()
    target = empty_postgresql.database
    command = [sys.executable, "-c", SMALL_PIECES, target]
    killed = subprocess.Popen(
        [*command, "wait"], env=copied.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for _ in range(4):
        assert killed.stdout.readline() == "piece\n"
        killed.stdin.write("\n")
        killed.stdin.flush()
    killed.kill()
    killed.wait()

    # what was copied changes: a row altered, one gone, one older than all others
    copied.python(
        "import django; django.setup()\nfrom django.db import connection\nc = connection.cursor()\n"
        "c.execute('UPDATE reading SET quality = 4 WHERE (meter_id, slot_at) IN"
        " (SELECT meter_id, slot_at FROM reading ORDER BY 1, 2 LIMIT 1 OFFSET 7)')\n"
        "c.execute('DELETE FROM reading WHERE (meter_id, slot_at) IN"
        " (SELECT meter_id, slot_at FROM reading ORDER BY 1, 2 LIMIT 1 OFFSET 300)')\n"
        "c.execute('UPDATE reading SET slot_at = slot_at - 86400 WHERE (meter_id, slot_at) IN"
        " (SELECT meter_id, slot_at FROM reading ORDER BY 1, 2 LIMIT 1)')"
    )
    changed = copied.sums()
    assert changed["reading"] != before["reading"]

    # while Avläs runs, all but the last part
    running = subprocess.Popen(
        [sys.executable, "-c", HAVE_OPEN, str(copied.data / "avlas.db")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout.readline() == "open\n"
    try:
        done = subprocess.run(command, env=copied.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 3, done.stdout + done.stderr
        pieces = done.stdout.count("piece")
        assert pieces > 10
    finally:
        running.communicate("")
    done = subprocess.run(command, env=copied.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "piece" not in done.stdout  # nothing was copied twice
    assert "AVLAS_DATABASE" in done.stdout
    assert not (copied.data / "avlas.db").exists()
    assert (copied.data / "avlas.db.moved").exists()

    moved = type(copied)(copied.data, target)
    same(changed, moved.sums())
    with psycopg.connect(target) as server:
        assert server.execute("SELECT to_regclass('avlas_move')").fetchone() == (None,)
        with pytest.raises(psycopg.errors.RaiseException, match="audit"):
            server.execute("DELETE FROM system_auditevent")
    moved.python(
        "import django; django.setup()\nfrom avlas.meters.models import Key\nfrom avlas.system import secrets\n"
        "for key in Key.objects.all(): secrets.decrypt(key.sealed, key.context())\n"
        "from django.core.management import call_command\ncall_command('check')"
    )


def test_a_move_into_another_installation_is_refused(copied, town, empty_postgresql, tmp_path):
    empty_postgresql.run("restore", str(backed_up(copied, tmp_path / "backup")))
    there = empty_postgresql.sums()
    assert "empty" in copied.run("move", empty_postgresql.database, status=1)
    assert empty_postgresql.sums() == there


def failing(installation) -> type:
    """The same installation with a newer program, one of whose migrations fails."""
    here = str(Path(__file__).parent)
    newer = type(installation)(installation.data, installation.database, "failing_settings")
    environment = newer.environment()
    newer.more = {"PYTHONPATH": here + os.pathsep + environment["PYTHONPATH"]}
    return newer


def test_a_failed_upgrade_is_undone_on_both_engines(copied, empty_postgresql, tmp_path):
    empty_postgresql.run("restore", str(backed_up(copied, tmp_path / "backup")))
    (tmp_path / "upgrades").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "upgrades" / f"before-upgrade-{number}.avlas-backup").touch()
    for installation in (copied, empty_postgresql):
        assert "up to date" in installation.run("upgrade")
        before = installation.sums()
        said = failing(installation).run("upgrade", "--to", str(tmp_path / "upgrades"), status=1)
        assert "no_such_table" in said
        assert "as it was before" in said
        same(before, installation.sums())
        assert "up to date" in installation.run("upgrade")
    assert len(list((tmp_path / "upgrades").iterdir())) == 3 + 2, "nothing is removed while it fails"


def test_an_old_installation_is_upgraded(copied, tmp_path):
    """From before the jobs: their tables are undone, the backup is of that age, and it can be put back now."""
    copied.python(
        "import django; django.setup()\nfrom django.core.management import call_command\n"
        "call_command('migrate', 'system', '0002', verbosity=0)"
    )
    before = copied.sums()
    assert "system_job" not in before
    others = [tmp_path / f"before-upgrade-{n}.avlas-backup" for n in (2, 9, 10)]
    others += [
        tmp_path / "before-upgrade-1.avlas-backup.mine",
        tmp_path / "avlas-20200101-000000.avlas-backup",
    ]
    for other in others:
        other.touch()
    said = copied.run("upgrade", "--to", str(tmp_path))
    assert f"Removed, as old: {others[0]}" in said
    assert [other.exists() for other in others] == [False, True, True, True, True]
    after = copied.sums()
    assert "system_job" in after
    assert after["reading"] == before["reading"]
    path = tmp_path / "before-upgrade-11.avlas-backup"
    copied.run("restore", str(path), "--replace", "--yes")
    assert copied.sums()["reading"] == before["reading"]
