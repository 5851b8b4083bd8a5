"""An administrator lets people in, decides what roles may do, gives programs tokens and reads the audit log."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from avlas.system import audit, people, permissions, tokens
from avlas.system.models import ApiToken, AuditEvent, Delivery, MailServer, Role, User

ANNA = {
    "email": "Anna.Ek@nordby.example", "first_name": "Anna", "last_name": "Ek", "role": "superuser",
    "language": "sv", "time_zone": "Europe/Stockholm",
}  # fmt: skip


def link_in(answer) -> str:
    return re.search(r"http://testserver(/account/password/[^<\s]+)", answer.content.decode())[1]


def events(name: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event=name).order_by("pk"))


# -- people ---------------------------------------------------------------------------------------------------------


def test_a_new_colleague_chooses_a_password_by_the_link_and_signs_in(north, sign_in, client):
    answer = sign_in(north.administrator).post(reverse("user_add"), ANNA)
    link = link_in(answer)
    assert answer["Cache-Control"] == "no-store"
    anna = User.objects.get(email="anna.ek@nordby.example")
    assert anna.utility == north.utility
    assert not anna.has_usable_password()
    listed = sign_in(north.administrator).get(reverse("users")).content.decode()
    assert "har inte valt lösenord än" in listed
    client.logout()
    assert "anna.ek@nordby.example" in client.get(link).content.decode()
    short = client.post(link, {"password": "kort", "again": "kort"})
    assert short.status_code == 422
    unlike = client.post(link, {"password": "fyra ord i en rad", "again": "fyra ord i en rad!"})
    assert unlike.status_code == 422
    done = client.post(link, {"password": "fyra ord i en rad", "again": "fyra ord i en rad"})
    assert done.url == reverse("account_login")
    assert client.get(link).status_code == 403, "a link works once"
    entered = client.post(reverse("account_login"), {"login": ANNA["email"], "password": "fyra ord i en rad"})
    assert entered.status_code == 302
    assert client.get(reverse("jobs")).status_code == 200, "a superuser"
    assert client.get(reverse("users")).status_code == 403
    told = " ".join(str(event.detail) + event.target for event in AuditEvent.objects.all())
    assert "fyra ord" not in told
    assert link.rsplit("/", 2)[1] not in told


def test_a_link_is_worth_nothing_once_it_is_old_or_the_account_closed(north, sign_in, client, settings):
    link = link_in(sign_in(north.administrator).post(reverse("user_add"), ANNA))
    anna = User.objects.get(email="anna.ek@nordby.example")
    people.change(anna, {"is_active": False}, by=north.administrator)
    assert client.get(link).status_code == 403
    people.change(anna, {"is_active": True}, by=north.administrator)
    assert client.get(link).status_code == 200
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert client.get(link).status_code == 403
    settings.PASSWORD_RESET_TIMEOUT = 259_200
    wrong = link[:-3] + ("aa/" if link[-3:-1] != "aa" else "bb/")
    assert client.get(wrong).status_code == 403
    assert client.get(reverse("choose_password", args=["!!", "x"])).status_code == 403


def test_a_mail_server_sends_the_link_to_its_owner_in_the_owners_language(north, sign_in):
    MailServer.objects.create(host="mail.example", port=25, sender="avlas@nordby.example")
    answer = sign_in(north.administrator).post(reverse("user_add"), {**ANNA, "language": "en"})
    mail = Delivery.objects.get(event="access.password_link")
    assert mail.destination == "anna.ek@nordby.example"
    assert "Choose your password" in mail.body
    assert link_in(answer) in mail.body


def test_an_address_is_taken_once_in_the_whole_installation(north, south, sign_in):
    taken = {**ANNA, "email": south.user.email}
    answer = sign_in(north.administrator).post(reverse("user_add"), taken)
    assert answer.status_code == 422
    assert "Det finns redan ett konto" in answer.content.decode()
    assert User.objects.filter(email=south.user.email).count() == 1


def test_somebody_remains_who_can_give_permissions(north, sign_in):
    client = sign_in(north.administrator)
    address = reverse("user_edit", args=[north.administrator.pk])
    kept = {"first_name": "N", "last_name": "A", "language": "sv", "time_zone": "Europe/Stockholm",
            "runs_installation": "on"}  # fmt: skip
    answer = client.post(address, {**kept, "role": "user", "is_active": "on"})
    assert answer.status_code == 422
    assert "Någon måste vara kvar" in answer.content.decode()
    assert client.post(address, {**kept, "role": "administrator"}).status_code == 422, "nor closed"
    people.change(north.superuser, {"role": Role.ADMINISTRATOR}, by=north.administrator)
    assert client.post(address, {**kept, "role": "user", "is_active": "on"}).status_code == 302
    north.administrator.refresh_from_db()
    assert north.administrator.role == "user"
    last = events("access.user_changed")[-1]
    assert last.detail["role"] == ["administrator", "user"]


def test_a_closed_account_can_do_nothing_from_the_next_page_on(north, sign_in):
    client = sign_in(north.superuser)
    assert client.get(reverse("meters")).status_code == 200
    people.change(north.superuser, {"is_active": False}, by=north.administrator)
    assert client.get(reverse("meters")).status_code == 302


# -- roles ----------------------------------------------------------------------------------------------------------


def test_the_matrix_is_the_requirements_and_a_change_holds_at_once(north, south, sign_in):
    text = sign_in(north.administrator).get(reverse("roles")).content.decode()
    ticked = set(re.findall(r'name="([a-z]+\.[a-z_]+)"[^>]* checked', text))
    assert ticked == {
        "user.data_access", "superuser.data_access", "superuser.reading_management",
        "superuser.device_and_customer_management", "superuser.group_management",
        "superuser.system_configuration",
    }  # fmt: skip
    assert sign_in(north.user).get(reverse("import_file")).status_code == 403
    sign_in(north.administrator).post(
        reverse("roles"), dict.fromkeys(ticked | {"user.reading_management"}, "on")
    )
    assert sign_in(north.user).get(reverse("import_file")).status_code == 200
    assert sign_in(south.user).get(reverse("import_file")).status_code == 403, "another utility's own matter"
    assert events("access.role_changed")[-1].detail == {"given": ["reading_management"], "taken": []}
    sign_in(north.administrator).post(reverse("roles"), {"administrator.data_access": ""})
    assert permissions.has(north.administrator, "access_control"), "administrators keep everything"


# -- tokens ---------------------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_works_and_is_revoked(north, sign_in):
    client = sign_in(north.administrator)
    answer = client.post(reverse("api_token_add"), {"name": "Tornet", "scopes": ["telegrams:write"]})
    token = re.search(r"avlas_[0-9a-f]{8}_[0-9a-f]{64}", answer.content.decode())[0]
    assert tokens.verify(token, "telegrams:write").utility == north.utility
    assert token not in client.get(reverse("api_tokens")).content.decode()
    row = ApiToken.objects.get(name="Tornet")
    client.post(reverse("api_token_revoke", args=[row.pk]))
    assert tokens.verify(token, "telegrams:write") is None
    assert client.post(reverse("api_token_add"), {"name": "", "scopes": []}).status_code == 422


# -- the audit log --------------------------------------------------------------------------------------------------


def test_the_log_says_who_what_when_and_from_where_for_a_period(north, south, sign_in):
    client = sign_in(north.administrator)
    client.post(reverse("api_token_add"), {"name": "Tornet", "scopes": ["telegrams:write"]})
    text = client.get(reverse("audit_log")).content.decode()
    assert "Skapade en API-nyckel" in text
    assert "Tornet" in text
    assert "127.0.0.1" in text
    assert "Söderby" not in text
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    later = client.get(reverse("audit_log"), {"from": tomorrow, "to": tomorrow}).content.decode()
    assert "Tornet" not in later
    backwards = client.get(reverse("audit_log"), {"from": "2026-02-02", "to": "2026-01-01"})
    assert "slutar innan den börjar" in backwards.content.decode()
    assert client.get(reverse("audit_log"), {"from": "x", "to": "9999-12-31", "area": "y"}).status_code == 200
    found = client.get(reverse("audit_log"), {"q": "api-nyckel"}).content.decode()
    assert "Tornet" in found, "events are found by their words"
    assert "Tornet" not in client.get(reverse("audit_log"), {"area": "keys"}).content.decode()


def test_the_log_is_exported_and_that_is_logged(north, sign_in):
    client = sign_in(north.administrator)
    client.post(reverse("api_token_add"), {"name": "=cmd", "scopes": ["telegrams:write"]})
    answer = client.get(reverse("audit_export"))
    text = answer.content.decode().removeprefix("\ufeff")
    rows = list(csv.reader(io.StringIO(text), delimiter=";"))
    assert rows[0][:3] == ["Tid", "Händelse", "Kod"]
    mine = next(row for row in rows if row[2] == "access.token_created" and "=cmd" in row[5])
    assert mine[5].startswith("'"), "no spreadsheet takes it for a formula"
    assert events("access.log_exported")


@pytest.mark.django_db
def test_every_event_the_program_writes_has_words():
    from pathlib import Path

    from avlas.web.audit_words import AREAS, EVENTS

    source = Path(audit.__file__).parents[1]
    written = set()
    for path in source.rglob("*.py"):
        if path.name == "audit_words.py":
            continue
        written |= set(re.findall(r'record\(\s*(?:request,\s*)?"([a-z_]+\.[a-z_]+)"', path.read_text()))
    assert len(written) > 25
    assert written - set(EVENTS) == set()
    assert {name.partition(".")[0] for name in EVENTS} == set(AREAS)


def test_who_runs_the_installation_hands_it_over(north, south, sign_in):
    """Only who has it gives it, and somebody always has it."""
    User.objects.filter(pk=north.administrator.pk).update(runs_installation=True)
    client = sign_in(User.objects.get(pk=north.administrator.pk))
    fields = {"role": "administrator", "language": "sv", "time_zone": "Europe/Stockholm", "is_active": "on"}
    own = reverse("user_edit", args=[north.administrator.pk])
    answer = client.post(own, fields)  # the box is cleared
    assert answer.status_code == 422
    assert "Någon måste driva installationen" in answer.content.decode()
    other = reverse("user_edit", args=[north.superuser.pk])
    assert client.post(other, {**fields, "role": "superuser", "runs_installation": "on"}).status_code == 302
    assert User.objects.get(pk=north.superuser.pk).runs_installation
    assert client.post(own, fields).status_code == 302
    assert not User.objects.get(pk=north.administrator.pk).runs_installation
    boss = sign_in(south.administrator)
    sixth = reverse("user_edit", args=[south.superuser.pk])
    assert "runs_installation" not in boss.get(sixth).content.decode()
    assert boss.post(sixth, {**fields, "role": "superuser", "runs_installation": "on"}).status_code == 302
    assert not User.objects.get(pk=south.superuser.pk).runs_installation


def test_every_section_leads_somewhere_one_may_go(north, sign_in):
    for person in (north.user, north.superuser, north.administrator):
        client = sign_in(person)
        sections = client.get(reverse("home")).context["sections"]
        assert len(sections) == 5
        for section in sections:
            for entry in section.entries:
                assert client.get(reverse(entry.name)).status_code == 200, (person.role, entry.name)
