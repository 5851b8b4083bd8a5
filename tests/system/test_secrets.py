"""Sealing under the master key: made once, never replaced silently, changed safely."""

from __future__ import annotations

import base64
import os
import pickle
import stat
import threading

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from avlas.system import secrets
from avlas.system.models import SecretCheck
from avlas.system.secrets import (
    MasterKey,
    MasterKeyMissing,
    MasterKeyUnusable,
    MasterKeyWrong,
    SecretDamaged,
)

pytestmark = pytest.mark.django_db
CONTEXT = b"key/1/KAM/61000001"


def folder(settings):
    return settings.DATA


@given(plain=st.binary(max_size=100), context=st.binary(max_size=40))
def test_what_is_sealed_opens_again(plain, context):
    key = MasterKey(bytes(32))
    sealed = key.encrypt(plain, context)
    assert key.decrypt(sealed, context) == plain
    assert key.decrypt(memoryview(sealed), context) == plain
    assert len(plain) < 4 or plain not in sealed


@given(position=st.integers(0, 60), bit=st.integers(0, 7))
def test_any_changed_bit_is_noticed(position, bit):
    key = MasterKey(bytes(32))
    sealed = bytearray(key.encrypt(b"0123456789ABCDEF", CONTEXT))
    sealed[position % len(sealed)] ^= 1 << bit
    with pytest.raises((SecretDamaged, MasterKeyWrong)):
        key.decrypt(bytes(sealed), CONTEXT)


def test_a_value_works_in_its_own_row_only():
    key = MasterKey(bytes(32))
    sealed = key.encrypt(b"secret", CONTEXT)
    with pytest.raises(SecretDamaged):
        key.decrypt(sealed, b"key/2/KAM/61000001")
    for cut in range(33):
        with pytest.raises((SecretDamaged, MasterKeyWrong)):
            key.decrypt(sealed[:cut], CONTEXT)


def test_the_same_value_is_sealed_differently_each_time():
    key = MasterKey(bytes(32))
    assert len({key.encrypt(b"x", CONTEXT) for _ in range(100)}) == 100


def test_the_master_key_shows_itself_nowhere():
    raw = bytes(range(32))
    key = MasterKey(raw)
    for shown in (repr(key), str(key), f"{key}", str([key])):
        assert raw.hex() not in shown
        assert repr(raw) not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_first_use_makes_a_key_for_the_owner_alone(settings):
    sealed = secrets.encrypt(b"secret", CONTEXT)
    path = folder(settings) / "master.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(base64.b64decode(path.read_text())) == 32
    secrets.forget()
    assert secrets.decrypt(sealed, CONTEXT) == b"secret"
    assert [file.name for file in folder(settings).iterdir()] == ["master.key"]


def test_a_lost_master_key_is_refused_and_never_made_anew(settings):
    secrets.check_master_key()
    path = folder(settings) / "master.key"
    saved = path.read_text()
    path.unlink()
    secrets.forget()
    with pytest.raises(MasterKeyMissing, match=r"master\.key") as caught:
        secrets.check_master_key()
    assert SecretCheck.objects.get().key_id in str(caught.value)
    assert not path.exists()
    path.touch(0o600)
    path.write_text(saved)
    secrets.check_master_key()


def test_another_master_key_is_refused(settings, monkeypatch):
    secrets.check_master_key()
    secrets.forget()
    monkeypatch.setenv(secrets.ENVIRONMENT, "ab" * 32)
    with pytest.raises(MasterKeyWrong, match="id") as caught:
        secrets.check_master_key()
    assert secrets.ENVIRONMENT in str(caught.value)
    assert "abab" not in str(caught.value)


@pytest.mark.parametrize("text", ["11" * 32, base64.b64encode(b"\x11" * 32).decode(), f"  {'11' * 32}\n"])
def test_the_key_can_come_from_the_environment(settings, monkeypatch, text):
    monkeypatch.setenv(secrets.ENVIRONMENT, text)
    sealed = secrets.encrypt(b"secret", CONTEXT)
    assert MasterKey(b"\x11" * 32).decrypt(sealed, CONTEXT) == b"secret"
    assert not folder(settings).exists()


@pytest.mark.parametrize(
    "text", ["", "hemligt", "11" * 31, "11" * 33, base64.b64encode(bytes(16)).decode(), "é" * 32]
)
def test_a_malformed_key_is_refused_without_being_shown(monkeypatch, text):
    monkeypatch.setenv(secrets.ENVIRONMENT, text)
    with pytest.raises(MasterKeyUnusable, match=secrets.ENVIRONMENT) as caught:
        secrets.check_master_key()
    assert not text or text not in str(caught.value)


def test_a_key_file_open_to_others_is_refused(settings):
    secrets.check_master_key()
    (folder(settings) / "master.key").chmod(0o644)
    secrets.forget()
    with pytest.raises(MasterKeyUnusable, match="chmod 600"):
        secrets.check_master_key()


@pytest.mark.parametrize("content", [b"", b"garbage\n", b"\xff\xfe\x00" * 20])
def test_a_damaged_key_file_is_refused(settings, content):
    secrets.check_master_key()
    (folder(settings) / "master.key").write_bytes(content)
    secrets.forget()
    with pytest.raises(MasterKeyUnusable, match=r"master\.key"):
        secrets.check_master_key()


def test_a_data_folder_that_is_a_file_is_refused(settings, tmp_path):
    settings.DATA = tmp_path / "file"
    settings.DATA.write_text("")
    with pytest.raises(MasterKeyUnusable, match="file"):
        secrets.check_master_key()


def test_many_processes_beginning_at_once_agree_on_one_key(settings):
    made: list[str] = []
    start = threading.Barrier(8)

    def begin() -> None:
        start.wait()
        made.append(secrets._make().id)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert [file.name for file in folder(settings).iterdir()] == ["master.key"]


class Values:
    """Sealed values as a table would hold them."""

    def __init__(self, count: int = 3) -> None:
        self.sealed = {n: secrets.encrypt(f"secret {n}".encode(), b"%d" % n) for n in range(count)}

    def seal_again(self, old: MasterKey, new: MasterKey) -> int:
        self.sealed = {n: new.encrypt(old.decrypt(s, b"%d" % n), b"%d" % n) for n, s in self.sealed.items()}
        return len(self.sealed)

    def all_open(self) -> bool:
        secrets.forget()
        return all(secrets.decrypt(s, b"%d" % n) == f"secret {n}".encode() for n, s in self.sealed.items())


def test_rotation_changes_the_key_and_keeps_the_old_one_for_old_backups(settings):
    values = Values()
    backup = dict(values.sealed)
    old_id = SecretCheck.objects.get().key_id
    new_id, count, kept = secrets.rotate(values.seal_again)
    assert (count, SecretCheck.objects.get().key_id) == (3, new_id)
    assert new_id != old_id
    assert values.all_open()
    secrets.check_master_key()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    old = secrets.parse(kept.read_text(), "test")
    assert old.decrypt(backup[0], b"0") == b"secret 0"
    assert sorted(file.name for file in folder(settings).iterdir()) == [
        "master.key",
        f"master.key.old-{old_id}",
    ]


def test_rotation_stopped_before_its_commit_changes_nothing():
    values = Values()

    def power_failure(old: MasterKey, new: MasterKey) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        secrets.rotate(power_failure)
    assert values.all_open()
    assert secrets.rotate(values.seal_again)[1] == 3
    assert values.all_open()


def test_rotation_stopped_right_after_its_commit_is_finished_by_the_next_process(settings):
    values = Values()
    path = folder(settings) / "master.key"
    before = path.read_text()
    new_id, _, kept = secrets.rotate(values.seal_again)
    # the files as they are when the machine stops between the commit and the renaming
    secrets._new_path().touch(0o600)
    secrets._new_path().write_text(path.read_text())
    path.write_text(before)
    kept.unlink()
    assert values.all_open()
    secrets.check_master_key()
    assert secrets.parse(path.read_text(), "test").id == new_id
    assert kept.exists()
    assert not secrets._new_path().exists()


def test_a_process_that_remembers_the_old_key_reads_the_new_one(settings):
    values = Values()
    secrets.check_master_key()
    remembered = secrets._known
    secrets.rotate(values.seal_again)
    secrets._remember(remembered)
    assert secrets.decrypt(values.sealed[1], b"1") == b"secret 1"
    secrets._remember(remembered)
    assert secrets.writing_key().id == SecretCheck.objects.get().key_id


def test_rotation_with_the_key_from_the_environment(monkeypatch, settings):
    monkeypatch.setenv(secrets.ENVIRONMENT, "11" * 32)
    values = Values()
    with pytest.raises(MasterKeyUnusable, match=secrets.NEW_ENVIRONMENT):
        secrets.rotate(values.seal_again)
    monkeypatch.setenv(secrets.NEW_ENVIRONMENT, "11" * 32)
    with pytest.raises(MasterKeyUnusable, match="same"):
        secrets.rotate(values.seal_again)
    monkeypatch.setenv(secrets.NEW_ENVIRONMENT, "22" * 32)
    assert secrets.rotate(values.seal_again)[1:] == (3, None)
    monkeypatch.setenv(secrets.ENVIRONMENT, "22" * 32)
    assert values.all_open()
    assert not folder(settings).exists()


def test_sealing_outside_a_transaction_is_refused(transactional_db):
    with pytest.raises(RuntimeError, match="transaction"):
        secrets.encrypt(b"secret", CONTEXT)


def test_the_folder_is_made_for_the_owner_alone(settings):
    secrets.check_master_key()
    if os.name == "posix":
        assert stat.S_IMODE(folder(settings).stat().st_mode) == 0o700


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time anyway")
def test_a_value_sealed_during_a_rotation_gets_the_new_key(transactional_db):
    secrets.check_master_key()
    rotating, sealed_with = threading.Event(), []

    def seal_slowly(old: MasterKey, new: MasterKey) -> int:
        rotating.set()
        importer.join(1)  # it must still be waiting for the check row after this
        assert not sealed_with
        return 0

    def import_a_key() -> None:
        rotating.wait()
        with transaction.atomic():
            sealed_with.append(secrets.writing_key().id)
        connection.close()

    importer = threading.Thread(target=import_a_key)
    importer.start()
    new_id, _, _ = secrets.rotate(seal_slowly)
    importer.join()
    assert sealed_with == [new_id]
