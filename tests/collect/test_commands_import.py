"""``avlas import`` from the command line to the tables, on both databases."""

from __future__ import annotations

import gzip
import os
import pty
import sqlite3
import threading
import time
from datetime import UTC, datetime

import pytest
from django.db import connection

from avlas import cli
from avlas.meters.models import Collector, Kind, MeterState, Reading, Telegram
from avlas.simulate import samples
from avlas.simulate.receivers import HexLines, RtlWmbus, SimulationLines
from avlas.system.models import Utility


def live() -> list[tuple]:
    rows = Reading.objects.filter(kind=Kind.LIVE).order_by("meter_id", "slot_at")
    return list(rows.values_list("meter_id", "slot_at", "heard_at", "energy_heat_kwh", "volume_m3"))


def test_rtl_wmbus_recording(town, lately, tmp_path, capsys):
    sent = town.telegrams(lately, 24, strangers=True)
    path = tmp_path / "night.txt"
    path.write_bytes(samples.recorded_file(sent, RtlWmbus()))
    assert cli.main(["import", str(path)]) == 0
    out = capsys.readouterr().out
    assert "Telegrams: 120" in out
    assert "read: 96" in out
    assert "not adopted: 24" in out
    assert "Meters of yours heard: 4" in out
    assert "Adopt them under Heard" in out
    assert "no times of its own" not in out
    assert "problems" not in out
    readings = live()
    assert len(readings) == 4 * 24
    first = min(sent, key=lambda one: (one.meter.identification != town.meters[0].identification, one.at))
    energy = Reading.objects.filter(meter__serial=first.meter.identification, kind=Kind.LIVE).earliest(
        "slot_at"
    )
    assert energy.energy_heat_kwh == int(samples.values(first.meter, first.at, 5)["energy_heat_kwh"])
    assert energy.heard_at == first.at.replace(microsecond=0)

    # the same once more, packed and together with the first: nothing changes but the counts
    again = tmp_path / "night.txt.gz"
    again.write_bytes(gzip.compress(path.read_bytes()))
    telegrams = Telegram.objects.count()
    assert cli.main(["import", str(path), str(again)]) == 0
    assert (
        "more of the same from a meter within its interval, or known already: 192" in capsys.readouterr().out
    )
    assert live() == readings
    assert Telegram.objects.count() == telegrams
    assert Collector.objects.get().spec == "import"


def test_file_without_times_takes_its_own_date_and_stays_idempotent(town, lately, tmp_path, capsys):
    path = tmp_path / "lines.hex"
    path.write_bytes(samples.recorded_file(town.telegrams(lately, 1), HexLines()))
    os.utime(path, (lately.timestamp() + 900, lately.timestamp() + 900))
    assert cli.main(["import", str(path)]) == 0
    out = capsys.readouterr().out
    assert "has no times of its own for 4 telegrams" in out
    assert "last changed" in out
    before = live()
    assert [(slot_at, heard_at) for _, slot_at, heard_at, *_ in before] == [
        (lately, lately.replace(minute=15))
    ] * 4
    assert cli.main(["import", str(path)]) == 0
    assert live() == before


def test_heard_at_is_given(town, lately, tmp_path, capsys):
    path = tmp_path / "simulation_night.txt"
    path.write_bytes(b"# invented\n" + samples.recorded_file(town.telegrams(lately, 3), SimulationLines()))
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert cli.main(["import", str(path), "--heard-at", "2026-03-01T13:00+01:00"]) == 0
    assert "no times of its own" not in capsys.readouterr().out  # +seconds since the beginning
    assert {slot_at.hour for _, slot_at, *_ in live()} == {12, 13, 14}
    assert min(heard_at for _, _, heard_at, *_ in live()) == at


@pytest.mark.parametrize(("language", "said"), [("sv", "är ingen tidpunkt"), ("en", "is no date and time")])
def test_bad_time(town, capsys, monkeypatch, language, said):
    monkeypatch.setenv("AVLAS_LANGUAGE", language)
    assert cli.main(["import", "x", "--heard-at", "noon"]) == 1
    assert said in capsys.readouterr().err
    assert cli.main(["import", "x", "--heard-at", "2999-01-01"]) == 1


def test_malformed_lines_name_file_and_line_and_the_rest_goes_on(town, lately, tmp_path, capsys):
    lines = samples.recorded_file(town.telegrams(lately, 2), HexLines()).splitlines()
    lines[1:1] = [b"rubbish"] * 25
    lines.append(lines[0][:-2])
    bad, good = tmp_path / "bad.hex", tmp_path / "good.hex"
    bad.write_bytes(b"\n".join(lines))
    good.write_bytes(b"\n".join(lines[-3:-1]))
    missing, other = tmp_path / "missing.hex", tmp_path / "picture.png"
    other.write_bytes(b"\x89PNG...")
    assert cli.main(["import", str(missing), str(other), str(bad), str(good)]) == 0
    out = capsys.readouterr().out
    assert "Telegrams: 10" in out
    assert "Lines with problems: 28" in out
    assert f"{missing} can't be read: No such file or directory" in out
    assert f"{other}: no telegrams are recognised in it" in out
    assert f"{bad}:2: r is no hexadecimal digit" in out
    assert f"{bad}:19: r" in out
    assert f"{bad}:20: r" not in out
    assert "... and 8 more" in out


def test_damaged_telegrams_of_a_radio_are_counted(town, lately, tmp_path, capsys):
    rtl = RtlWmbus()
    sent = town.telegrams(lately, 1)
    path = tmp_path / "rtl.txt"
    path.write_bytes(
        b"".join(
            rtl.transmit(one.frame, -70, at=one.at, intact=number > 1) for number, one in enumerate(sent)
        )
    )
    assert cli.main(["import", str(path)]) == 0
    out = capsys.readouterr().out
    assert "Telegrams: 2" in out
    assert "wrong checksum, not used: 2" in out


def test_swedish(town, lately, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AVLAS_LANGUAGE", "sv")
    path = tmp_path / "lines.hex"
    path.write_bytes(samples.recorded_file(town.telegrams(lately, 1), HexLines()) + b"rubbish\n")
    assert cli.main(["import", str(path)]) == 0
    out = capsys.readouterr().out
    assert "Telegram: 4" in out
    assert f"{path}:5: r är ingen hexadecimal siffra" in out


def test_nothing_taken_in(town, tmp_path, capsys):
    assert cli.main(["import", str(tmp_path / "none")]) == 1


def test_which_utility(town, lately, tmp_path, capsys):
    path = tmp_path / "lines.hex"
    path.write_bytes(samples.recorded_file(town.telegrams(lately, 1), HexLines()))
    other = Utility.objects.create(name="Vätterns Energi", slug="vattern")
    assert cli.main(["import", str(path)]) == 1
    assert "--utility: norrtuna, vattern" in capsys.readouterr().err
    assert cli.main(["import", str(path), "--utility", "vätterns energi"]) == 0
    assert cli.main(["import", str(path), "--utility", "VATTERN"]) == 0
    assert MeterState.objects.filter(utility=other).count() == 4
    Utility.objects.all().delete()
    assert cli.main(["import", str(path)]) == 1
    assert "avlas createadmin" in capsys.readouterr().err


def test_progress_on_a_terminal(town, lately, tmp_path, monkeypatch):
    path = tmp_path / "lines.hex"
    path.write_bytes(samples.recorded_file(town.telegrams(lately, 1), HexLines()) * 1000)
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        assert cli.main(["import", str(path)]) == 0
    shown = os.read(master, 100_000).decode()
    assert "lines.hex [" in shown
    assert "%" in shown
    assert shown.endswith("\x1b[K")
    os.close(master)


def test_an_import_waits_for_a_locked_database(town, lately, tmp_path, capsys):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL waits for its locks by itself")
    path = tmp_path / "lines.hex"
    path.write_bytes(samples.recorded_file(town.telegrams(lately, 2), HexLines()))
    connection.settings_dict["OPTIONS"]["timeout"] = 0.1
    connection.close()
    holding = threading.Event()

    def hold() -> None:
        other = sqlite3.connect(connection_name, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        holding.set()
        time.sleep(1.2)
        other.execute("ROLLBACK")
        other.close()

    connection_name = connection.settings_dict["NAME"]
    Collector.objects.create(utility=town.utility, name="import", spec="import")
    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    try:
        assert cli.main(["import", str(path)]) == 0
    finally:
        thread.join()
        connection.settings_dict["OPTIONS"]["timeout"] = 20
        connection.close()
    said = capsys.readouterr()
    assert "database is locked" in said.err
    assert "Telegrams: 8" in said.out


def test_many_telegrams_of_a_meter_without_times_are_not_taken_for_replays(town, lately, tmp_path, capsys):
    # All of them get the file's one time; each class of telegram is read once, none is mistrusted.
    sent = list(samples.recording(town.meters, 40, seed=5, start=lately, interval_s=16))
    path = tmp_path / "lines.hex"
    path.write_bytes(samples.recorded_file(sent, HexLines()))
    assert cli.main(["import", str(path)]) == 0
    out = capsys.readouterr().out
    assert "Telegrams: 160" in out
    assert "not trusted" not in out
    assert "read: 8" in out
