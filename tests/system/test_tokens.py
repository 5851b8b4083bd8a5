"""API tokens: shown once, kept hashed, limited and revocable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avlas.system import tokens
from avlas.system.models import ApiToken, AuditEvent

SCOPE = "telegrams:write"


@pytest.fixture
def made(utility, administrator):
    return tokens.create(utility, " Mottagare Norr ", [SCOPE], created_by=administrator)


def test_the_token_opens_what_its_scope_says(made, utility):
    row, token = made
    found = tokens.verify(token, SCOPE)
    assert found == row
    assert found.utility == utility
    assert found.name == "Mottagare Norr"
    assert tokens.verify(token, "keys:read") is None


def test_the_token_itself_is_nowhere_in_the_database(made, utility):
    row, token = made
    secret = token.rsplit("_", 1)[1]
    kept = ApiToken.objects.filter(pk=row.pk).values().get()
    assert secret not in str(kept)
    assert secret not in str(list(AuditEvent.objects.filter(utility=utility).values()))
    assert secret not in repr(row)


def test_two_tokens_are_never_alike(utility):
    assert len({tokens.create(utility, "x", [SCOPE], created_by=None)[1] for _ in range(20)}) == 20


def test_a_revoked_token_opens_nothing_and_is_revoked_once(made, administrator, utility):
    row, token = made
    tokens.revoke(row, user=administrator)
    tokens.revoke(row, user=administrator)
    assert tokens.verify(token, SCOPE) is None
    assert AuditEvent.objects.filter(utility=utility, event="access.token_revoked").count() == 1


def test_last_use_is_noted_but_not_written_each_time(made, django_assert_num_queries):
    row, token = made
    tokens.verify(token, SCOPE)
    row.refresh_from_db()
    assert datetime.now(UTC) - row.last_used_at < timedelta(minutes=1)
    with django_assert_num_queries(1):
        tokens.verify(token, SCOPE)
    ApiToken.objects.update(last_used_at=datetime.now(UTC) - timedelta(hours=1))
    tokens.verify(token, SCOPE)
    row.refresh_from_db()
    assert datetime.now(UTC) - row.last_used_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("name", "scopes"), [("", [SCOPE]), ("  ", [SCOPE]), ("x", []), ("x", ["everything"])]
)
def test_what_makes_no_token(utility, name, scopes):
    with pytest.raises(ValueError):
        tokens.create(utility, name, scopes, created_by=None)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_nothing_else_opens(made, data):
    _, token = made
    position = data.draw(st.integers(0, len(token) - 1))
    changed = token[:position] + data.draw(st.characters()) + token[position + 1 :]
    guess = data.draw(st.sampled_from([changed, changed[:-1], token + " ", token.upper(), "", "avlas_"]))
    assert (tokens.verify(guess, SCOPE) is not None) == (guess == token)
