"""Keys in the database: taken in, sealed, opened for ingest, tried on telegrams, and sealed anew."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avlas.meters import command_keys, keys
from avlas.meters.adopt import adopt
from avlas.meters.ingest import TelegramBatch, ingest
from avlas.meters.kem import PasswordNeeded, WrongPassword
from avlas.meters.key_text import KeyEntry, KeyFileError
from avlas.meters.keys import KeyTest, Who
from avlas.meters.models import Collector, Generation, Key, MeterState, Reading, State, Telegram
from avlas.simulate import kem as simulated
from avlas.simulate import samples
from avlas.system import secrets
from avlas.system.models import AuditEvent, Utility

pytestmark = pytest.mark.django_db

KEY, KEY2 = (
    bytes.fromhex("0F1E2D3C4B5A69788796A5B4C3D2E1F0"),
    bytes.fromhex("00112233445566778899AABBCCDDEEFF"),
)
WHO = Who(computer="192.0.2.7")
START = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_data_folder(settings, tmp_path, monkeypatch):
    settings.DATA = tmp_path / "data"
    monkeypatch.delenv(secrets.ENVIRONMENT, raising=False)
    secrets.forget()
    yield
    secrets.forget()


@pytest.fixture
def utility():
    return Utility.objects.create(name="Vätterns Energi", slug="vattern")


@pytest.fixture
def other():
    return Utility.objects.create(name="Annan Energi", slug="annan")


def csv(*rows: tuple[str, bytes]) -> bytes:
    return "\n".join(f"{number};{key.hex()}" for number, key in rows).encode()


def take(utility: Utility, *rows: tuple[str, bytes], name: str = "nycklar.csv") -> keys.Stored:
    return keys.import_file(utility, name, csv(*rows), None, WHO)


def key_of(utility: Utility, number: str, maker: str = "KAM") -> bytes | None:
    return keys.keys_for(utility.pk, [(maker, number)])[maker, number]


def test_a_key_is_sealed_in_the_database_and_opened_for_ingest(utility):
    assert take(utility, ("61000001", KEY)).added == 1
    row = Key.objects.get()
    assert KEY not in bytes(row.sealed)
    assert keys.open_key(row) == KEY
    assert keys.keys_for(utility.pk, [("KAM", "61000001"), ("KAM", "61000002")]) == {
        ("KAM", "61000001"): KEY,
        ("KAM", "61000002"): None,
    }


def test_two_utilities_never_see_each_others_keys(utility, other):
    take(utility, ("61000001", KEY))
    take(other, ("61000001", KEY2))
    assert key_of(utility, "61000001") == KEY
    assert key_of(other, "61000001") == KEY2
    mine, theirs = Key.objects.get(utility=utility), Key.objects.get(utility=other)
    Key.objects.filter(pk=mine.pk).update(sealed=theirs.sealed)  # nor by moving sealed bytes about
    assert key_of(utility, "61000001") is None


def test_the_same_again_changes_nothing_and_another_key_replaces(utility):
    take(utility, ("61000001", KEY), ("61000002", KEY))
    before = dict(Key.objects.values_list("identification", "sealed"))
    again = take(utility, ("61000001", KEY), ("61000002", KEY2))
    assert (again.added, again.replaced, again.unchanged) == (0, 1, 1)
    after = dict(Key.objects.values_list("identification", "sealed"))
    assert bytes(after["61000001"]) == bytes(before["61000001"])
    assert (key_of(utility, "61000001"), key_of(utility, "61000002")) == (KEY, KEY2)


def test_every_change_is_told_to_other_processes(utility):
    def generation() -> int:
        return Generation.objects.get(utility=utility).number

    take(utility, ("61000001", KEY))
    first = generation()
    take(utility, ("61000001", KEY2))
    second = generation()
    keys.remove(Key.objects.get(), WHO)
    assert first < second < generation()
    assert key_of(utility, "61000001") is None


def test_a_maker_makes_keys_exact_and_none_fits_all(utility):
    keys.store(
        utility, [KeyEntry("KAM", "61000001", KEY), KeyEntry("", "61000002", KEY2)], source="x", who=WHO
    )
    assert key_of(utility, "61000001", "KAM") == KEY
    assert key_of(utility, "61000001", "KAW") == KEY  # the same maker's water meters
    assert key_of(utility, "61000001", "LUG") is None
    assert key_of(utility, "61000002", "LUG") == KEY2
    keys.store(utility, [KeyEntry("LUG", "61000002", KEY)], source="y", who=WHO)  # now the maker is known
    assert key_of(utility, "61000002", "LUG") == KEY
    assert key_of(utility, "61000002", "KAM") is None


def test_a_list_without_makers_corrects_the_key_that_is_there(utility):
    keys.store(utility, [KeyEntry("KAM", "61000001", KEY)], source="x", who=WHO)
    assert take(utility, ("61000001", KEY2)).replaced == 1
    assert Key.objects.get().manufacturer == "KAM"
    assert key_of(utility, "61000001") == KEY2


def test_a_list_with_makers_names_the_key_that_is_there(utility):
    take(utility, ("61000001", KEY))
    stored = keys.store(utility, [KeyEntry("KAM", "61000001", KEY)], source="x", who=WHO)
    assert (stored.added, stored.replaced, stored.unchanged) == (0, 0, 1)
    assert Key.objects.get().manufacturer == "KAM"
    assert key_of(utility, "61000001") == KEY


def test_a_key_for_one_of_several_makers_must_say_which(utility):
    for maker in ("KAM", "LUG"):
        keys.store(utility, [KeyEntry(maker, "61000001", KEY)], source="x", who=WHO)
    stored = take(utility, ("61000001", KEY2), ("61000002", KEY2))
    assert stored.added == 1
    assert "maker" in str(stored.problems[0].error)
    assert keys.add(utility, "LUG61000001", KEY2.hex(), WHO).replaced == 1
    assert (key_of(utility, "61000001", "KAM"), key_of(utility, "61000001", "LUG")) == (KEY, KEY2)


def test_one_key_by_hand_is_checked(utility):
    assert keys.add(utility, " 61 00 00 01/W1/26", KEY.hex(" "), WHO, "kam").added == 1
    assert Key.objects.get().manufacturer == "KAM"
    for number, key, maker in (
        ("mätare", KEY.hex(), ""),
        ("61000001", KEY.hex()[:-2], ""),
        ("61000001", "", ""),
        ("61000001", KEY.hex(), "Kamstrup"),
    ):
        with pytest.raises(KeyFileError):
            keys.add(utility, number, key, WHO, maker)
    assert Key.objects.count() == 1


def test_the_audit_log_tells_everything_but_the_key(utility):
    take(utility, ("61000001", KEY), ("61000002", KEY))
    take(utility, ("61000001", KEY2))
    keys.add(utility, "61000003", KEY.hex(), WHO)
    keys.remove(Key.objects.get(identification="61000003"), WHO)
    events = list(AuditEvent.objects.filter(utility=utility).order_by("pk"))
    assert [(event.event, event.target) for event in events] == [
        ("keys.imported", "nycklar.csv"),
        ("keys.imported", "nycklar.csv"),
        ("keys.added", "61000003"),
        ("keys.removed", "61000003"),
    ]
    assert events[0].detail == {"added": ["61000001", "61000002"], "replaced": [], "unchanged": 0}
    assert events[1].detail == {"added": [], "replaced": ["61000001"], "unchanged": 0}
    everything = str(list(AuditEvent.objects.filter(utility=utility).values())).lower()
    assert KEY.hex() not in everything
    assert KEY2.hex() not in everything


def test_bad_lines_are_told_in_the_readers_language_and_the_good_go_in(utility):
    stored = keys.import_file(utility, "x.csv", csv(("61000001", KEY), ("x", KEY)), None, WHO)
    assert stored.added == 1
    assert keys.explain(stored.problems[0]).startswith(("Line 2: ", "Rad 2: "))
    assert "“x”" in keys.explain(stored.problems[0])


def test_a_file_that_cannot_be_read_changes_nothing(utility):
    data = simulated.kem_file([simulated.KemMeter("61000001", KEY, "MC403", "403")], "lösen")
    with pytest.raises(PasswordNeeded):
        keys.import_file(utility, "x.kem", data, None, WHO)
    with pytest.raises(WrongPassword):
        keys.import_file(utility, "x.kem", data, "fel", WHO)
    assert not Key.objects.exists()
    assert not AuditEvent.objects.filter(utility=utility).exists()
    assert keys.import_file(utility, "x.kem", data, "lösen", WHO).added == 1


def test_ten_thousand_keys_go_in_in_chunks(utility):
    entries = [KeyEntry("KAM", f"{n:08}", n.to_bytes(16, "big")) for n in range(10_000)]
    assert keys.store(utility, entries, source="stor.csv", who=WHO).added == 10_000
    found = keys.keys_for(utility.pk, [("KAM", f"{n:08}") for n in range(0, 10_000, 7)])
    assert found == {("KAM", f"{n:08}"): n.to_bytes(16, "big") for n in range(0, 10_000, 7)}
    assert AuditEvent.objects.filter(utility=utility).count() == 5


entry = st.builds(
    KeyEntry,
    manufacturer=st.sampled_from(["", "KAM"]),
    identification=st.sampled_from(["61000001", "61000002", "61000003"]),
    key=st.sampled_from([KEY, KEY2]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(entry, max_size=6), max_size=4))
def test_the_last_key_said_for_a_meter_counts(utility, batches):
    """With one maker alone: whatever order and whether the maker is said, the newest key is the one used."""
    Key.objects.all().delete()
    last: dict[str, bytes] = {}
    for batch in batches:
        keys.store(utility, batch, source="x", who=WHO)
        last |= {entry.identification: entry.key for entry in batch}
    for number, key in last.items():
        assert key_of(utility, number) == key
    wanted = {("KAM", number) for number in last}
    assert {pair for pair, key in keys.keys_for(utility.pk, wanted).items() if key} == wanted


def test_rotation_seals_every_utilitys_keys_anew(utility, other):
    take(utility, *((f"{n:08}", bytes([n % 256]) * 16) for n in range(3000)))
    take(other, ("61000001", KEY2))
    before = {bytes(sealed) for sealed in Key.objects.values_list("sealed", flat=True)}
    _, count, _ = secrets.rotate(keys.seal_all_again)
    secrets.forget()
    assert count == 3001
    assert not before & {bytes(sealed) for sealed in Key.objects.values_list("sealed", flat=True)}
    assert key_of(utility, "00000999") == bytes([999 % 256]) * 16
    assert key_of(other, "61000001") == KEY2


def test_rotation_killed_at_any_moment_loses_no_key(transactional_db, settings, tmp_path):
    utility = Utility.objects.create(name="Vätterns Energi", slug="vattern")
    take(utility, *((f"{n:08}", bytes([n]) * 16) for n in range(200)))
    endless = (
        "import django; django.setup()\n"
        "from avlas.meters.keys import seal_all_again\n"
        "from avlas.system import secrets\n"
        "while True: print(secrets.rotate(seal_all_again)[0], flush=True)\n"
    )
    environment = os.environ | {"AVLAS_DATA": str(settings.DATA)}
    rotations = set()
    for seconds in (0.0, 0.013, 0.04, 0.11, 0.17):
        with subprocess.Popen(
            [sys.executable, "-c", endless], env=environment, stdout=subprocess.PIPE
        ) as process:
            rotations.add(process.stdout.readline())
            time.sleep(seconds)
            process.kill()
        secrets.forget()
        secrets.check_master_key()
        assert keys.keys_for(utility.pk, [("KAM", f"{n:08}") for n in range(200)]) == {
            ("KAM", f"{n:08}"): bytes([n]) * 16 for n in range(200)
        }
    assert len(rotations - {b""}) == 5
    connection.close()


def test_one_damaged_key_stops_neither_ingest_nor_rotation_nor_its_own_correction(utility, caplog):
    take(utility, ("61000001", KEY), ("61000002", KEY2))
    row = Key.objects.get(identification="61000001")
    Key.objects.filter(pk=row.pk).update(sealed=bytes(row.sealed)[:-1] + bytes([bytes(row.sealed)[-1] ^ 1]))
    assert (key_of(utility, "61000001"), key_of(utility, "61000002")) == (None, KEY2)
    assert "61000001" in caplog.text
    assert secrets.rotate(keys.seal_all_again)[1] == 1
    assert key_of(utility, "61000002") == KEY2
    assert take(utility, ("61000001", KEY)).replaced == 1
    assert key_of(utility, "61000001") == KEY


def test_a_lost_master_key_is_said_not_taken_for_missing_keys(utility, settings):
    take(utility, ("61000001", KEY))
    (settings.DATA / "master.key").unlink()
    secrets.forget()
    with pytest.raises(secrets.MasterKeyMissing):
        key_of(utility, "61000001")
    with pytest.raises(secrets.MasterKeyMissing):
        take(utility, ("61000002", KEY))
    assert Key.objects.count() == 1


# Telegrams already heard.


@pytest.fixture
def meter():
    return samples.meters("multical403", 1, seed=7)[0]


def hear(utility: Utility, meter, hours: int = 3) -> None:
    """``hours`` telegrams of ``meter``, an hour apart."""
    collector, _ = Collector.objects.get_or_create(utility=utility, name="Tak", defaults={"spec": "import"})
    times = [START + timedelta(hours=n) for n in range(hours)]
    ingest(
        TelegramBatch(
            collector.pk,
            [samples.next_telegram(meter, at, seed=7) for at in times],
            np.array([at.timestamp() for at in times]),
            np.full(hours, np.nan, np.float32),
        )
    )


def test_a_key_is_tried_on_telegrams_of_a_meter_not_adopted_yet(utility, meter):
    assert keys.try_key(utility.pk, meter.identification, meter.key) == KeyTest()
    hear(utility, meter)
    assert keys.try_key(utility.pk, meter.identification, meter.key) == KeyTest(opens=3)
    assert keys.try_key(utility.pk, f"KAM{meter.identification}", meter.key) == KeyTest(opens=3)
    assert keys.try_key(utility.pk, meter.identification, KEY) == KeyTest(wrong=3)
    assert keys.try_key(utility.pk, f"LUG{meter.identification}", meter.key) == KeyTest()


def test_telegrams_in_clear_say_nothing_about_a_key(utility):
    clear = samples.meters("multical403", 1, seed=8)[0]
    clear.key = None
    hear(utility, clear)
    assert keys.try_key(utility.pk, clear.identification, KEY) == KeyTest(cannot_say=3)


def test_another_utility_hears_nothing_of_it(utility, other, meter):
    hear(utility, meter)
    assert keys.try_key(other.pk, meter.identification, meter.key) == KeyTest()


def test_a_key_lets_the_telegrams_that_waited_be_read(utility, meter):
    hear(utility, meter)
    adopt(utility, MeterState.objects.filter(utility=utility), None)
    hear(utility, meter)
    assert not Reading.objects.exists()
    waiting = Telegram.objects.filter(state=State.NO_KEY).count()
    assert waiting
    assert keys.try_key(utility.pk, meter.identification, meter.key).opens == waiting
    keys.add(utility, meter.identification, meter.key.hex(), WHO)
    assert Reading.objects.filter(meter__utility=utility).exists()
    assert not Telegram.objects.filter(state=State.NO_KEY).exists()
    assert keys.try_key(utility.pk, meter.identification, meter.key).opens
    assert keys.try_key(utility.pk, meter.identification, KEY).wrong


def test_a_wrong_key_corrected_lets_them_be_read_too(utility, meter):
    keys.add(utility, meter.identification, KEY.hex(), WHO)
    hear(utility, meter)
    adopt(utility, MeterState.objects.filter(utility=utility), None)
    hear(utility, meter)
    assert not Reading.objects.exists()
    assert keys.add(utility, meter.identification, meter.key.hex(), WHO).replaced == 1
    assert Reading.objects.filter(meter__utility=utility).exists()


# The command.


def command(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command_keys.add_arguments(parser)
    return command_keys.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture(autouse=True)
def _english(monkeypatch):
    monkeypatch.setenv("AVLAS_LANGUAGE", "en")
    monkeypatch.delenv(command_keys.PASSWORD_ENVIRONMENT, raising=False)


def test_the_command_imports_lists_and_rotates_without_ever_showing_a_key(
    utility, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "leverans.zip.kem"
    path.write_bytes(simulated.kem_file([simulated.KemMeter("61000001", KEY, "MC403", "403")], "lösen"))
    assert command("import", path) == 1
    assert "password" in capsys.readouterr().err
    assert command("import", path, "--password", "fel") == 1
    assert "wrong" in capsys.readouterr().err
    monkeypatch.setenv(command_keys.PASSWORD_ENVIRONMENT, "lösen")
    assert command("import", path) == 0
    assert command("add", "61000002", KEY2.hex(), "--manufacturer", "KAM") == 0
    assert command("list") == 0
    assert command("rotate") == 0
    told = capsys.readouterr()
    assert "KAM 61000001" in told.out
    assert "leverans.zip.kem" in told.out
    assert "2 keys in Vätterns Energi" in told.out
    assert "master.key.old-" in told.out
    for key in (KEY, KEY2):
        assert key.hex() not in (told.out + told.err).lower()
    assert key_of(utility, "61000002") == KEY2
    assert AuditEvent.objects.filter(utility=None, event="keys.rotated").exists()


def test_the_command_tells_bad_lines_and_bad_keys(utility, tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_bytes(csv(("61000001", KEY), ("x", KEY)))
    assert command("import", path) == 0
    told = capsys.readouterr()
    assert "1 new" in told.out
    assert "Line 2" in told.err
    assert command("add", "61000001", "ABC") == 1
    assert "32" in capsys.readouterr().err


def test_the_command_asks_for_the_utility_when_it_cannot_know(capsys):
    assert command("list") == 1
    assert "createadmin" in capsys.readouterr().err
    for slug in ("norr", "soder"):
        Utility.objects.create(name=slug, slug=slug)
    assert command("list") == 1
    assert "norr, soder" in capsys.readouterr().err
    assert command("list", "--utility", "norr") == 0
    assert command("list", "--utility", "vaster") == 1
