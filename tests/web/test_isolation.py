"""Nobody sees another utility's rows, by whatever address, even when both have the same meters and customers.

Who may see and do what in the own utility stands in ``test_matrix``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import unified_diff
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import time_machine
from django.apps import apps
from django.urls import resolve, reverse

from avlas.meters.models import Key, Meter, MeterState, Occupancy, Telegram
from avlas.system import tokens
from avlas.system.models import Utility

from .asking import NO_ROW, PAGES, Forms, address_of, ask, bare, signed_in, text_of, undone
from .conftest import make_twin
from .who_may import ANYBODY, LOOK, OF_INSTALLATION

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpResponse

    from .conftest import World

SHOWN = sorted(set(PAGES) - LOOK[ANYBODY] - OF_INSTALLATION - set(NO_ROW))
NEW_EACH_TIME = {"second_factor_on", "passkey_add"}  # with a new secret on them
OF_CONSUMERS = {"meter", "point", "customer"}  # whose reports are PDFs
NOT_SENT = {"account_logout", "set_language", "theme", "signin_link"}


def words(world: World) -> list[str]:
    """What only this utility's people may read."""
    return [world.mark.lower(), quote(world.mark).lower(), "multical 603"]


def traces(answer: HttpResponse, world: World) -> list[str]:
    """Which of the other utility's words stand in an answer: page, file, workbook, headers."""
    text = text_of(answer).lower()
    return [word for word in words(world) if word in text]


def period() -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "period": "dates", "from": f"{now - timedelta(days=10):%Y-%m-%d}", "to": f"{now + timedelta(days=1):%Y-%m-%d}",
    }  # fmt: skip


def queries(name: str, world: World) -> list[str]:
    """Ways to ask a page: as it is, for the other's rows, and as files."""
    rows = {key: value for key, value in foreign(world).items() if key not in ("kind", "one")}
    asked: list[dict[str, Any]] = [{}, {**period(), **rows}]
    if name.endswith(("_file", "_export")) or name in ("performance", "info_codes"):
        asked += [{**period(), "file": kind} for kind in ("csv", "xlsx", "pdf")]
    if not PAGES[name]:
        asked += [{"q": world.meters[0].serial}, {"q": world.named}]
    return ["", *("?" + urlencode(one, doseq=True) for one in asked if one)]


def foreign(world: World) -> dict[str, Any]:
    """Values for fields that name a row, all of ``world``."""
    meters = [meter.pk for meter in world.meters]
    group, report = world.utility.group_set.get().pk, world.utility.savedreport_set.get().pk
    state = MeterState.objects.get(utility=world.utility, meter=None).pk
    return {
        "meter": meters, "meters": meters, "ids": ",".join(map(str, meters)), "chosen": ",".join(map(str, meters)),
        "line": [f"{meters[0]}.energy_heat_kwh"], "group": group, "list": group, "in": group, "to": group,
        "report": report, "point": world.point.pk, "customer": world.customer.pk, "state": state, "one": state,
        "occupancy": Occupancy.objects.get(point=world.point).pk, "assigned_to": world.user.pk,
        "receiver": world.collector.pk, "zone": group, "of": meters[0], "kind": "",
    }  # fmt: skip


@pytest.mark.one_database
def test_the_own_words_are_found_in_every_pdf(north):
    """Else not finding the twin's in them would mean nothing."""
    client = signed_in(north.administrator)
    asked = [(name, {**period(), "file": "pdf"}) for name in SHOWN if name.endswith("_file")]
    asked += [(name, {}) for name in SHOWN if name.endswith("_report") and name.split("_")[0] in OF_CONSUMERS]
    found = {}
    for name, query in asked:
        answer = ask(client, "GET", f"{address_of(north, name)}?{urlencode(query)}")
        if answer.headers.get("Content-Type") == "application/pdf":
            found[name] = text_of(answer)
    assert len(found) >= 8, sorted(found)
    assert not [name for name, text in found.items() if north.utility.name not in text]
    assert north.point.address in found["consumption_report_file"]
    assert north.meters[0].serial in found["consumption_report_file"]
    assert north.point.address in found["point_report"]


# -- a twin: everything that has a name is called the same ----------------------------------------------------------


@pytest.mark.one_database
def test_no_page_and_no_file_tells_of_a_twin(north, twin):
    client = signed_in(north.administrator)
    found = []
    for name in SHOWN:
        own = address_of(north, name)
        for query in queries(name, twin):
            answer = ask(client, "GET", own + query)
            assert answer.status_code < 500, own + query
            found += [f"{own}{query}: {trace}" for trace in traces(answer, twin)]
        if PAGES[name]:
            answer = ask(client, "GET", address_of(twin, name))
            assert answer.status_code == 404, name
            found += [f"{name} of the twin: {trace}" for trace in traces(answer, twin)]
    assert not found, "\n".join(found)


@pytest.mark.one_database
def test_no_page_changes_because_there_is_a_twin(north):
    client = signed_in(north.administrator)
    with time_machine.travel(datetime.now(UTC), tick=False):

        def everything() -> dict[str, str]:
            shown = {}
            for name in SHOWN:
                if name not in NEW_EACH_TIME:
                    address = address_of(north, name)
                    if address.startswith("/analysis/"):
                        address += "?" + urlencode(period())
                    shown[address] = bare(ask(client, "GET", address))
            return shown

        before = everything()
        make_twin(north)
        after = everything()
    differ = [address for address in before if before[address] != after[address]]
    shown = {
        address: list(unified_diff(before[address].splitlines(), after[address].splitlines(), n=0))[:12]
        for address in differ
    }
    assert not differ, "\n".join(f"{address}: {lines}" for address, lines in shown.items())


def rows_of(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that belongs to a utility in some way, also by what it points at."""
    found = {}
    for model in apps.get_models():
        if model.__module__.startswith("avlas."):
            for path in paths(model, 3):
                kept = model._default_manager.filter(**{path: world.utility.pk})
                found[f"{model.__name__} {path}"] = sorted(map(repr, kept.values_list()))
    return found


def paths(model: type[Model], deep: int) -> list[str]:
    """The ways from a model to its utility."""
    if model is Utility:
        return ["pk"]
    found = []
    for field in model._meta.fields:
        if field.is_relation and field.related_model and field.related_model is not model and deep:
            found += [f"{field.name}__{way}" for way in paths(field.related_model, deep - 1)]
    return found


@pytest.mark.one_database
def test_no_form_reaches_into_a_twin(north, twin):
    """Each form of each page is sent as it stands, and with the twin's rows wherever it names a row."""
    client = signed_in(north.administrator)
    kept = rows_of(twin)
    assert sum(map(len, kept.values())) > 60
    sent, found = 0, []
    for name in SHOWN:
        shown = ask(client, "GET", address_of(north, name))
        for action, fields in Forms(shown.content.decode(errors="replace"), address_of(north, name)).found:
            if resolve(urlsplit(action).path).url_name in NOT_SENT:
                continue
            theirs = {key: value for key, value in foreign(twin).items() if key in fields}
            for more in ({}, theirs) if theirs else ({},):
                with undone():
                    answer = client.post(action, {**fields, **more}, follow=True)
                    sent += 1
                    found += [f"{action} {more}: {trace}" for trace in traces(answer, twin)]
                    if answer.status_code >= 500:
                        found.append(f"{action} {more}: {answer.status_code}")
                    found += [
                        f"{action} {more} changed {what}" for what, rows in rows_of(twin).items() if rows != kept[what]
                    ]  # fmt: skip
    assert sent > 60
    assert not found, "\n".join(found)


ADDED = {
    "group_add": lambda twin: {"name": f"{twin.named} ost"},
    "customer_add": lambda twin: {"number": f"{twin.named}-2", "name": "x"},
    "point_add": lambda twin: {"facility_id": "990099", "address": "x", "system": "WGS 84"},
    "meter_add": lambda twin: {"serial": "99887766", "manufacturer": "KAM", "medium": "heat"},
    "receiver_add": lambda twin: {
        "name": f"{twin.named} hus", "driver": "im871a", "where": "/dev/ttyTvilling", "link_mode": "c1t1",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ADDED)
def test_a_name_the_twin_has_taken_is_free_here(north, twin, name):
    """An error that tells it is taken would tell what another utility has."""
    sent = ADDED[name](twin)
    with undone():
        first = signed_in(twin.administrator).post(reverse(name), sent)
        second = signed_in(north.administrator).post(reverse(name), sent)
        assert (first.status_code, second.status_code) == (302, 302)
        again = signed_in(north.administrator).post(reverse(name), sent)
        assert again.status_code in (200, 302, 422)
        assert not traces(again, twin)


def test_the_api_never_tells_of_a_twin(north, twin, client):
    _row, token = tokens.create(north.utility, "torn", ["telegrams:write"], created_by=None)
    frame = bytes(Telegram.objects.filter(meter_id=twin.meters[0].pk).first().frame).hex()
    kept = rows_of(twin)
    for body in (
        {"collector": twin.collector.name, "telegrams": [{"frame": frame}]},
        {"collector": twin.collector.name, "telegrams": [{"frame": "zz"}, 7, {"heard_at": "never"}]},
        {"telegrams": "x"},
    ):
        answer = client.post(
            "/api/v1/telegrams", body, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
        )  # fmt: skip
        assert answer.status_code in (200, 422)
        assert not traces(answer, twin)
    assert rows_of(twin) == kept


# -- and by hand ----------------------------------------------------------------------------------------------------


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
