"""``avlas check`` says what is wrong with an installation and how to mend it, whatever is wrong; it never falls over."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.utils import translation

from avlas.operation.check import forecast, installation
from avlas.operation.check.finding import Asked, Level
from avlas.system.models import AuditEvent

TODAY = date(2026, 11, 25)


def looked_over(here, status: int) -> dict[str, list[tuple[str, str, str]]]:
    """The findings of ``avlas check --json`` by area."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for line in here.run("check", "--json", status=status).splitlines():
        one = json.loads(line)
        found.setdefault(one["area"], []).append((one["level"], one["sentence"], one["advice"]))
    return found


def test_what_is_wrong_is_said_with_its_cure(copied):
    found = looked_over(copied, 1)
    assert found["Database"][0][0] == "ok"
    assert found["Receivers"][0][0] == "bad", "nothing listens to the town's receivers"
    assert "./run" in found["Receivers"][0][2]
    assert found["Backup"][0][:2] == ("warning", "There is no backup yet.")
    assert found["Meter keys"][0][0] == "ok"
    key = copied.data / "master.key"
    key.chmod(0o644)
    assert ("bad", f"chmod 600 {key}") in [
        (level, cure) for level, _, cure in looked_over(copied, 1)["Files"]
    ]
    key.chmod(0o600)
    copied.run("backup")
    assert looked_over(copied, 1)["Backup"][0][0] == "ok"
    kept = key.read_bytes()
    key.unlink()
    lost = looked_over(copied, 1)
    assert lost["Master key"][0][0] == "bad"
    assert "Check-up" not in lost, "no check fell over"
    key.write_bytes(kept)
    key.chmod(0o600)


def test_without_a_database_it_says_so_and_what_can_be_seen(copied):
    (copied.data / "avlas.db").unlink()
    found = looked_over(copied, 1)
    assert found["Database"][0][0] == "bad"
    assert "no database" in found["Database"][0][1]
    assert not (copied.data / "avlas.db").exists(), "looking makes nothing"


def test_for_people_in_swedish(copied):
    copied.more["AVLAS_LANGUAGE"] = "sv"
    text = copied.run("check", status=1)
    assert "Databasen svarar" in text
    assert "→ " in text
    assert "Fel: " in text


def test_when_the_disk_is_full():
    days = {TODAY - timedelta(days=n): 1e9 - n * 10e6 for n in range(10)}
    assert forecast.growth(days) == pytest.approx(10e6)
    assert forecast.full_on(days, 1e9, TODAY) == TODAY + timedelta(days=100)
    one_import = days | {TODAY - timedelta(days=4): 5e9}
    assert forecast.growth(one_import) == pytest.approx(10e6, rel=0.2), "one large day doesn't bend the line"
    assert forecast.full_on({TODAY: 1e9}, 1e9, TODAY) is None, "too little is known"
    shrinking = {TODAY - timedelta(days=n): 1e9 + n for n in range(5)}
    assert forecast.full_on(shrinking, 1e9, TODAY) is None
    assert forecast.full_on(days, 0, TODAY) == TODAY


def test_the_forecast_lives_on_what_backups_noted(db):
    now = datetime.now(UTC)
    for days in range(1, 5):
        AuditEvent.objects.create(
            at=now - timedelta(days=days), event="backup.made", detail={"database_bytes": 10**13 * (5 - days)}
        )
    with translation.override("en"):
        found = {one.area: one for one in installation.disk(Asked(now))}
    said = found["Disk forecast"]
    if connection.vendor == "postgresql":  # whose disk may be another machine's
        assert said.level == Level.OK
        assert "grows by 10.0\xa0TB a day" in said.sentence
        return
    assert said.level == Level.BAD
    assert said.sentence.startswith("By estimate the disk is full on")
    assert said.advice.startswith("Make room")


def test_a_backup_notes_what_the_database_takes(copied):
    copied.run("backup")
    noted = copied.python(
        "import django; django.setup(); from avlas.system.models import AuditEvent as A;"
        "print(A.objects.get(event='backup.made').detail['database_bytes'])"
    )
    assert int(noted) > 100_000
