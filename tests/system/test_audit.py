"""The audit log says who, what, when and where from, and can only be added to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from avlas.system import audit
from avlas.system.models import AuditEvent


def refused(statement: str, *values: object) -> None:
    with (
        pytest.raises(DatabaseError, match="audit events"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, values)


@pytest.fixture
def event(utility, administrator):
    return audit.record(
        "keys.imported",
        utility=utility,
        user=administrator,
        computer="192.0.2.7",
        target="leverans 4711.kem",
        detail={"added": ["KAM61000001"], "å": [1, None]},
    )


def test_an_event_tells_who_what_when_and_where(event, utility, administrator):
    kept = AuditEvent.objects.get(utility=utility)
    assert (kept.event, kept.user_name, kept.computer) == ("keys.imported", "Anna Ek", "192.0.2.7")
    assert (kept.user, kept.utility, kept.target) == (administrator, utility, "leverans 4711.kem")
    assert kept.detail == {"added": ["KAM61000001"], "å": [1, None]}
    assert abs(datetime.now(UTC) - kept.at) < timedelta(minutes=1)


def test_what_the_program_does_itself_names_the_account_and_the_computer(utility):
    event = audit.record("keys.rotated", utility=None)
    assert event.user_name.startswith("avlas (")
    assert event.computer
    assert AuditEvent.objects.filter(utility=None, pk=event.pk).exists()


def test_long_texts_are_cut_to_fit(utility):
    assert (
        audit.record("keys.added", utility=utility, target="x" * 999, computer="y" * 999).target == "x" * 255
    )


@pytest.mark.parametrize("name", ["", "keys", "Keys.Imported", "keys.imported!", "keys imported"])
def test_event_names_have_one_form(utility, name):
    with pytest.raises(ValueError, match="event name"):
        audit.record(name, utility=utility)


def test_an_event_cannot_be_changed(event):
    refused("UPDATE system_auditevent SET user_name = 'nobody' WHERE id = %s", event.pk)
    event.target = "something else"
    with pytest.raises(DatabaseError, match="audit events"), transaction.atomic():
        event.save()
    assert AuditEvent.objects.get(pk=event.pk).target == "leverans 4711.kem"


def test_an_event_cannot_be_deleted(event):
    refused("DELETE FROM system_auditevent")
    with pytest.raises(DatabaseError, match="audit events"), transaction.atomic():
        event.delete()
    if connection.vendor == "postgresql":
        refused("TRUNCATE system_auditevent")
    assert AuditEvent.objects.filter(utility=event.utility).count() == 1


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_an_event_cannot_be_replaced(event):
    refused(
        "INSERT OR REPLACE INTO system_auditevent (id, at, user_name, computer, event, target, detail)"
        " VALUES (%s, '2026-01-01', 'nobody', '', 'a.b', '', '{}')",
        event.pk,
    )


def test_the_log_stands_when_its_user_and_utility_are_gone(event, utility, administrator):
    user_id, utility_id = administrator.pk, utility.pk
    administrator.delete()
    utility.delete()
    kept = AuditEvent.objects.get(pk=event.pk)
    assert (kept.user_name, kept.user_id, kept.utility_id) == ("Anna Ek", user_id, utility_id)


def test_the_event_goes_with_the_deed(utility):
    def deed_that_fails() -> None:
        with transaction.atomic():
            audit.record("keys.added", utility=utility)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        deed_that_fails()
    assert not AuditEvent.objects.filter(utility=utility).exists()


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_a_transaction_is_refused():
    with pytest.raises(RuntimeError, match="transaction"):
        audit.record("keys.added", utility=None)
    with transaction.atomic():
        audit.record("keys.added", utility=None)
