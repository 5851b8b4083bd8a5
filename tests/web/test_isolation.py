"""Nobody sees another utility's rows, by whatever address; everybody sees only what the role allows."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.urls import URLPattern, get_resolver, reverse

from avlas.meters.models import (
    Collector,
    Customer,
    Exchange,
    Group,
    Key,
    Meter,
    MeteringPoint,
    MeterState,
    Reading,
    Telegram,
)
from avlas.reports.models import SavedReport
from avlas.system.models import ApiToken, AuditEvent, Delivery, Job, JobRun, User, Webhook
from avlas.transfer.imports.models import Import, ImportMapping, KeyFilePassword
from avlas.transfer.models import ExportTemplate, Place, Receipt

# Pages anybody may see, and those that are not about a utility's rows.
OPEN = {
    "account_login", "account_logout", "account_inactive", "signin_link", "set_language", "theme",
    "account_change_password", "choose_password", "map_area", "help_page",
    "account_second_factor", "account_forgotten",
}  # fmt: skip
POST_ONLY = {"heard_adopt", "receiver_switch", "key_test", "job_run_now", "job_switch", "message_send_again",
             "webhook_test", "webhook_new_secret", "user_link", "meter_let_in", "meter_use",
             "meters_act", "info_codes_acknowledge", "exchange_undo",
             "import_take_in", "import_throw_away", "mapping_remove", "password_remove",

             "place_test", "place_pin", "receipt_download", "receipt_send", "export_copy"}  # fmt: skip


def pages() -> list[tuple[str, list[str]]]:
    """Every named page of the program with the names of its blanks."""
    found = []

    def walk(patterns):
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                found.append((pattern.name, list(pattern.pattern.converters)))
            elif getattr(pattern, "namespace", None) is None:
                walk(pattern.url_patterns)

    walk(get_resolver("avlas.web.urls").url_patterns)
    return [(name, blanks) for name, blanks in found if name not in OPEN]


def blanks_of(world, name: str) -> dict[str, int]:
    """What to put into the blanks of a page so that it shows a row of ``world``."""
    if name == "meter_telegram":
        telegram = Telegram.objects.filter(meter_id=world.meters[0].pk).first()
        slot = int(telegram.slot_at.timestamp())
        return {"pk": world.meters[0].pk, "slot": slot, "code": telegram.class_code}
    if name == "map_heard":
        return {"pk": world.collector.pk}
    if name == "meter_reading_void":
        reading = Reading.objects.filter(meter_id=world.meters[0].pk, kind=0).first()
        return {"pk": world.meters[0].pk, "slot": int(reading.slot_at.timestamp()), "kind": 0}
    if name.startswith("meter"):
        return {"pk": world.meters[0].pk}
    if name == "job_run":
        run = JobRun.objects.filter(job__utility=world.utility).first()
        return {"pk": run.job_id, "run": run.pk}
    model = {"point": MeteringPoint, "customer": Customer, "exchange": Exchange, "heard": MeterState, "receiver": Collector,
             "key": Key, "job": Job, "message": Delivery, "webhook": Webhook, "privacy": Customer, "user": User, "api": ApiToken,
             "group": Group, "report": SavedReport, "import": Import, "mapping": ImportMapping, "password": KeyFilePassword, "place": Place,
             "export": ExportTemplate, "receipt": Receipt}[name.partition("_")[0]]  # fmt: skip
    found = model.objects.filter(utility=world.utility)
    return {"pk": (found.filter(meter=None) if model is MeterState else found).first().pk}


WITH_BLANKS = [name for name, blanks in pages() if blanks]
WITHOUT = [name for name, blanks in pages() if not blanks]


def test_every_kind_of_row_has_a_page():
    assert {"meter", "meter_telegram", "heard_one", "receiver_edit", "key_delete"} <= set(WITH_BLANKS)
    assert {"home", "meters", "heard", "receivers", "keys", "meters_export"} <= set(WITHOUT)


def counts():
    models = (Collector, Group, Key, Meter, Job, JobRun, Webhook, Delivery, Exchange)
    return [model.objects.count() for model in models]


def test_another_utilitys_rows_are_not_there(north, south, sign_in):
    client = sign_in(north.administrator)
    for name in WITH_BLANKS:
        address = reverse(name, kwargs=blanks_of(south, name))
        own = reverse(name, kwargs=blanks_of(north, name))
        if name not in POST_ONLY:
            assert client.get(own).status_code == 200, own
        assert client.get(address).status_code == 404, address
        before = counts()
        assert client.post(address, {"active": "0"}).status_code in (404, 405), address
        assert before == counts()


def test_lists_show_only_the_own_utility(north, south, sign_in):
    client = sign_in(north.administrator)
    foreign = [south.mark, quote(south.mark), *(sender.identification for sender in south.fleet)]
    for name in WITHOUT:
        for query in ("", "?q=S%C3%B6derby", f"?q={south.fleet[0].identification}"):
            response = client.get(reverse(name) + query, follow=True)
            assert response.status_code == 200, name
            text = (b"".join(response) if response.streaming else response.content).decode(errors="replace")
            if query:  # what was asked for stands in the search field and in links
                text = text.replace(south.mark, "", text.count(f'value="{south.mark}"'))
                shown = [word for word in foreign[2:] if f"/{word}" in text or f">{word}<" in text]
                assert not shown, (name, query)
                assert f"{south.mark} Öberg" not in text
            else:
                assert not [word for word in foreign if word in text], name


def test_adopting_another_utilitys_address_does_nothing(north, south, sign_in):
    client = sign_in(north.administrator)
    state = MeterState.objects.get(utility=south.utility, meter=None)
    client.post(reverse("heard_adopt"), {"state": [state.pk], "one": str(state.pk)})
    state.refresh_from_db()
    assert state.meter_id is None
    assert not Meter.objects.filter(utility=north.utility, serial=state.identification).exists()


def test_a_key_of_another_utility_never_opens_a_pasted_telegram(north, south, sign_in):
    frame = bytes(Telegram.objects.filter(meter_id=south.meters[0].pk).first().frame).hex()
    answer = sign_in(north.administrator).post(reverse("explain"), {"telegram": frame, "form": "a"})
    assert answer.context["shown"].decoded is False
    answer = sign_in(south.administrator).post(reverse("explain"), {"telegram": frame, "form": "a"})
    assert answer.context["shown"].decoded is True


def test_who_is_not_signed_in_sees_the_sign_in_page(north, client):
    for name, blanks in pages():
        address = reverse(name, kwargs=blanks_of(north, name) if blanks else {})
        answer = client.get(address)
        assert answer.status_code == 302, address
        assert answer.url.startswith(reverse("account_login")), address


CHANGES = ["heard_adopt", "receiver_add", "receiver_edit", "receiver_switch", "receiver_delete", "import_file",
           "key_import", "key_add", "key_test", "key_delete", "job_run_now", "job_switch", "job_add", "job_edit",
           "job_delete", "message_send_again", "mail_server", "webhook_add", "webhook_edit", "webhook_test",
           "webhook_new_secret", "webhook_delete", "user_add", "user_edit", "user_link", "user_second_factor", "roles",
           "api_token_add", "api_token_revoke", "meter_let_in", "meter_add", "meter_edit", "meter_delete",
           "meter_use", "meter_install", "meter_take_down", "meter_revisions", "revision_periods",
           "point_add", "point_edit", "point_move", "customer_add", "customer_edit",
           "group_add", "group_edit", "group_delete",
           "meter_case", "info_codes_acknowledge", "performance_level", "privacy_customer",
           "heat_report", "heat_levels", "consumption_report", "water_loss", "report_save", "report_edit",
           "meter_exchange", "exchange", "exchange_undo", "import_add", "import_columns", "import_take_in", "import_undo", "import_throw_away",
           "mapping_remove", "key_passwords", "password_remove", "meter_reading_add", "meter_reading_void"]  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_user_looks_but_changes_nothing(north, sign_in, name):
    client = sign_in(north.user)
    blanks = dict(pages())[name]
    address = reverse(name, kwargs=blanks_of(north, name) if blanks else {})
    events = AuditEvent.objects.count()
    assert client.post(address, {"one": "1", "name": "x", "active": "0"}).status_code == 403
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize(
    "name",
    [
        "users",
        "user_edit",
        "roles",
        "api_tokens",
        "api_token_revoke",
        "audit_log",
        "audit_export",
        "privacy",
        "privacy_customer",
        "privacy_export",
    ],
)
def test_access_is_the_administrators_alone(north, sign_in, name):
    blanks = dict(pages())[name]
    address = reverse(name, kwargs=blanks_of(north, name) if blanks else {})
    assert sign_in(north.superuser).get(address).status_code == 403
    assert sign_in(north.administrator).get(address).status_code == 200


def test_a_user_sees_no_buttons_that_would_be_refused(north, sign_in):
    client = sign_in(north.user)
    for name in ("home", "meters", "heard", "receivers", "keys"):
        text = client.get(reverse(name)).content.decode()
        for change in ("receiver_add", "key_import", "key_add", "heard_adopt"):
            assert f'href="{reverse(change)}"' not in text, (name, change)
            assert f'action="{reverse(change)}"' not in text, (name, change)


def test_changes_need_the_forms_own_token(north):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(north.administrator, backend="allauth.account.auth_backends.AuthenticationBackend")
    key = Key.objects.filter(utility=north.utility).first()
    answer = client.post(reverse("key_delete", args=[key.pk]))
    assert answer.status_code == 403
    assert "Formuläret har gått ut" in answer.content.decode()
    assert Key.objects.filter(pk=key.pk).exists()


@pytest.mark.parametrize("role", ["user", "superuser"])
def test_a_role_with_one_permission_sees_the_pages_of_that_one_alone(north, sign_in, role):
    from avlas.system import permissions
    from avlas.system.models import Permission
    from avlas.web.context import SECTIONS

    entries = [entry for section in SECTIONS for entry in section.entries if not entry.of_installation]
    for only in Permission.values:
        permissions.change(north.utility, role, [only], user=north.administrator)
        client = sign_in(getattr(north, role))
        seen = {entry.name for entry in entries if client.get(reverse(entry.name)).status_code == 200}
        assert seen == {entry.name for entry in entries if entry.needs == only}, only
