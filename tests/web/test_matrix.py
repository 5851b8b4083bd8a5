"""Every address of the program, asked by everybody in every way, held against the table in ``who_may``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.urls import reverse

from avlas.meters.models import Exchange, Group, ValveRequest
from avlas.system import permissions, tokens
from avlas.transfer.models import ExportTemplate, Receipt
from avlas.web.api.routes import api

from . import who_may
from .asking import EVERY, NO_ROW, PAGES, address_of, ask, bare, signed_in
from .who_may import ANYBODY, API, API_OPEN, CHANGE, LOOK, OF_INSTALLATION, OF_ONESELF, SIGNED_IN

if TYPE_CHECKING:
    from django.http import HttpResponse

pytestmark = pytest.mark.one_database
OTHERS = ("DELETE", "OPTIONS")  # methods that no page knows
NOTHING_HERE = {"live", "map_area", "billing_corrections_file"}  # no such area, and nothing billed yet
OWN_OR_ALL = {
    "notification_edit",
    "notification_test",
    "notification_delete",
}  # one's own; who configures: all
NOT_MADE = {"/export-files/{pk}"}  # the file is not there yet
NOBODY = 2**53  # a number no row has
API_PREFIX = "/api/v1"
API_ROWS = {
    "meters": lambda world: world.meters[0].pk,
    "points": lambda world: world.point.pk,
    "customers": lambda world: world.customer.pk,
    "groups": lambda world: Group.objects.filter(utility=world.utility).first().pk,
    "exchanges": lambda world: Exchange.objects.filter(utility=world.utility).first().pk,
    "exports": lambda world: ExportTemplate.objects.get(utility=world.utility).pk,
    "export-files": lambda world: Receipt.objects.get(utility=world.utility).pk,
    "valve-requests": lambda world: ValveRequest.objects.filter(utility=world.utility).first().pk,
}
"""The row that an API address is asked about, by its first part."""


def test_every_address_stands_in_the_table_and_nothing_else_does():
    assert {namespace for namespace, _name, _blanks in EVERY} == {"", "api"}
    assert set(PAGES) == set.union(*LOOK.values()), "say in who_may.LOOK who may see a page"
    assert set.union(*CHANGE.values()) <= set(PAGES)
    described = api.get_openapi_schema()["paths"].items()
    served = {
        (path.removeprefix(API_PREFIX), method.upper()) for path, methods in described for method in methods
    }
    declared = {(path, method) for path, methods in API.items() for method in methods}
    assert served == declared, "say in who_may.API which scope an API address asks for"
    asked = {scope for methods in API.values() for scope in methods.values()}
    assert asked == set(tokens.SCOPES), "a scope that opens nothing, or a route no token opens"
    for name in PAGES:
        who_may.permission(LOOK, name)
        who_may.permission(CHANGE, name)


def has(user, need: str, name: str) -> bool:
    """Whether ``user`` should be let through by the role."""
    if name in OF_INSTALLATION and not user.runs_installation:
        return False
    return need in (ANYBODY, SIGNED_IN) or permissions.has(user, need)


def test_every_page_for_every_role_in_every_way(north, south):
    anonymous = Client(raise_request_exception=False)
    people = [(user, signed_in(user)) for user in (north.administrator, north.superuser, north.user)]
    south_boss = signed_in(south.administrator)
    wrong = []

    def expect(what: str, answer: HttpResponse, *, ok: bool) -> None:
        if not ok:
            wrong.append(f"{what}: {answer.status_code} {answer.get('Location', '')}")

    for name, blanks in PAGES.items():
        look, change = who_may.permission(LOOK, name), who_may.permission(CHANGE, name)
        if look == ANYBODY:
            continue
        address = address_of(north, name)
        for method in ("GET", "POST"):
            answer = ask(anonymous, method, address)
            ok = answer.status_code == 302 and answer["Location"].startswith(reverse("account_login"))
            expect(f"nobody {method} {name}", answer, ok=ok)
        for user, client in people:
            answer = ask(client, "GET", address)
            if name in OWN_OR_ALL and not permissions.has(user, "system_configuration"):
                expect(f"{user.role} GET {name}", answer, ok=answer.status_code == 404)
                answer = ask(client, "POST", address)
                expect(f"{user.role} POST {name}", answer, ok=answer.status_code in (403, 404))
                continue
            if name in OF_ONESELF and client is not people[0][1]:
                expect(f"{user.role} GET {name}", answer, ok=answer.status_code == 404)
                continue
            if has(user, look, name):
                found = answer.status_code in (200, 302) or name in NOTHING_HERE
                expect(f"{user.role} GET {name}", answer, ok=found)
            else:
                expect(f"{user.role} GET {name}", answer, ok=answer.status_code == 403)
            answer = ask(client, "POST", address)
            if change is None:
                expect(f"{user.role} POST {name}", answer, ok=answer.status_code == 405)
            elif has(user, change, name) and has(user, look, name):
                expect(
                    f"{user.role} POST {name}",
                    answer,
                    ok=answer.status_code in (200, 204, 302, 400, 409, 422),
                )
            else:
                expect(f"{user.role} POST {name}", answer, ok=answer.status_code == 403)
        for method in OTHERS:
            if name != "account_change_password":  # the library's own view answers OPTIONS
                answer = ask(people[0][1], method, address)
                expect(f"administrator {method} {name}", answer, ok=answer.status_code == 405)
        if name in OF_INSTALLATION:
            expect(
                f"foreign GET {name}", answer := ask(south_boss, "GET", address), ok=answer.status_code == 403
            )
        if blanks and name not in NO_ROW:
            nowhere = reverse(name, kwargs=dict.fromkeys(blanks, NOBODY))
            for method in ("GET", *(["POST"] if change else [])):
                foreign, unknown = ask(south_boss, method, address), ask(south_boss, method, nowhere)
                expect(f"foreign {method} {name}", foreign, ok=foreign.status_code == 404)
                expect(f"unknown {method} {name}", unknown, ok=unknown.status_code == 404)
                told = [bare(answer, where) for answer, where in ((foreign, address), (unknown, nowhere))]
                expect(f"told apart {method} {name}", foreign, ok=told[0] == told[1])
    assert not wrong, "\n".join(wrong)


def test_open_pages_answer_everybody_and_change_nothing(north):
    anonymous = Client(raise_request_exception=False)
    for name in LOOK[ANYBODY]:
        for method in ("GET", "POST", *OTHERS):
            answer = ask(anonymous, method, address_of(north, name))
            assert answer.status_code in (200, 302, 403, 404, 405, 422), (name, method, answer.status_code)
            assert north.mark not in answer.content.decode(), name


def test_what_is_ones_own_needs_no_permission(north):
    """Who may do nothing at all still changes the password and sets up the second factor."""
    permissions.change(north.utility, "user", [], user=north.administrator)
    client = signed_in(north.user)
    for name in PAGES:
        look = who_may.permission(LOOK, name)
        if look != ANYBODY and name not in OF_ONESELF:
            allowed = ask(client, "GET", address_of(north, name)).status_code in (200, 302)
            assert allowed == (look == SIGNED_IN), name


def test_every_api_route_for_every_token(north, south):
    client = Client(raise_request_exception=False)
    made = {
        scope: tokens.create(north.utility, scope, [scope], created_by=None)[1] for scope in tokens.SCOPES
    }
    foreign = {
        scope: tokens.create(south.utility, scope, [scope], created_by=None)[1] for scope in tokens.SCOPES
    }
    row, revoked = tokens.create(north.utility, "old", list(tokens.SCOPES), created_by=None)
    tokens.revoke(row, user=None)
    boss = signed_in(north.administrator)

    def by_token(method: str, address: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return ask(client, method, address, content_type="application/json", headers=headers).status_code

    for name in API_OPEN:
        assert client.get(f"{API_PREFIX}/{name}").status_code == 200, name
    for path, methods in API.items():
        address = API_PREFIX + path
        if "{pk}" in path:
            address = address.replace("{pk}", str(API_ROWS[path.split("/")[1]](north)))
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            scope = methods.get(method)
            what = (path, method)
            if scope is None:
                assert by_token(method, address, made[min(made)]) in (403, 404, 405), what
                continue
            for nothing in ("", "avlas_00000000_" + "0" * 64, revoked):
                assert by_token(method, address, nothing) == 401, what
            assert ask(boss, method, address, content_type="application/json").status_code == 401, what
            for held, token in made.items():
                status = by_token(method, address, token)
                allowed = (200, 201, 204, 400, 409, 422, 503) if held == scope else (403,)
                if held == scope and path in NOT_MADE:
                    allowed = (404,)
                assert status in allowed, (*what, held, status)
            if "{pk}" in path:
                assert by_token(method, address, foreign[scope]) in (404, 400, 422), what
