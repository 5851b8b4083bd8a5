"""The whole of the API at once: whatever its description allows, it answers as it says; nobody sees another's rows."""

from __future__ import annotations

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from avlas.meters.models import Meter
from avlas.web.api.routes import api

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]
EXAMPLES = 3
FEW = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


def real_ids(north) -> dict[str, int]:
    """Rows that are there, so that more than 404 is tried."""
    from avlas.meters.models import Exchange, Group, ValveRequest
    from avlas.transfer.models import ExportTemplate, Receipt

    return {
        "meters": north.meters[0].pk,
        "points": north.point.pk,
        "customers": north.customer.pk,
        "groups": Group.objects.get(utility=north.utility).pk,
        "valve-requests": ValveRequest.objects.get(utility=north.utility).pk,
        "exchanges": Exchange.objects.get(utility=north.utility).pk,
        "exports": ExportTemplate.objects.get(utility=north.utility).pk,
        "export-files": Receipt.objects.get(utility=north.utility).pk,
    }


@pytest.fixture
def _connection_stays():
    """The test's transaction is the program's too, as with Django's own test client."""
    kept = [(signal, close_old_connections) for signal in (request_started, request_finished)]
    for signal, receiver in kept:
        signal.disconnect(receiver)
    yield
    for signal, receiver in kept:
        signal.connect(receiver)


@pytest.mark.usefixtures("_connection_stays")
def test_whatever_is_sent_is_answered_as_described(north, billing, settings):
    settings.API_CALLS_PER_MINUTE = 10**9
    app = get_wsgi_application()
    schema = schemathesis.openapi.from_wsgi(reverse("api:openapi-json"), app)
    ids = real_ids(north)
    tried = 0
    for found in schema.get_all_operations():
        _try_out(found.ok(), ids, billing.token)
        tried += 1
    assert tried == sum(len(methods) for methods in api.get_openapi_schema()["paths"].values())


def _try_out(operation, ids: dict[str, int], token: str) -> None:
    kind = operation.path.split("/")[3]

    @FEW
    @given(case=operation.as_strategy())
    def one(case):
        if "pk" in case.path_parameters and len(str(case.path_parameters["pk"])) % 3:
            case.path_parameters["pk"] = ids.get(kind, 1)
        with transaction.atomic():
            answer = case.call(headers={"Authorization": f"Bearer {token}"})
            transaction.set_rollback(True)
        # a stream is refused here, where no ASGI server runs: 503, as it is described
        case.validate_response(answer, checks=CHECKS[1:] if kind == "events" else CHECKS)

    one()


def test_another_utilitys_rows_are_not_there(north, south, theirs):
    ids = real_ids(north)
    before = list(Meter.objects.order_by("pk").values())
    for path, methods in api.get_openapi_schema()["paths"].items():
        if "{pk}" not in path:
            continue
        kind = path.split("/")[3]
        for method, told in methods.items():
            address = path.removeprefix("/api/v1").replace("{pk}", str(ids[kind]))
            body = example(told, ids)
            query = "?" + "&".join(
                f"{one['name']}={VALUES[one['name']]}"
                for one in told["parameters"]
                if one["required"] and one["in"] == "query"
            )
            answer = theirs(method.upper(), address + query, body)
            assert answer.status_code == 404, (method, path, answer.content)
    assert list(Meter.objects.order_by("pk").values()) == before
    for path in ("/meters", "/points", "/customers", "/readings/latest", "/info-codes", "/exchanges",
                 "/collectors", "/performance", "/groups", "/valve-requests", "/changes?cursor=0"):  # fmt: skip
        told = theirs("GET", path).content.decode()
        assert north.mark not in told
        assert not [meter for meter in north.meters if meter.serial in told], path


VALUES = {
    "start": "2026-01-01T00:00:00Z",
    "end": "2026-01-02T00:00:00Z",
    "interval": "day",
    "registers": "energy_heat_kwh",
    "at": "2026-01-01T00:00:00Z",
}
FIGURES = [{"code": "energy_heat_kwh", "figure": "1"}]
BODIES = {
    "InstallIn": lambda ids: {"point_id": ids["points"]},
    "TakeDownIn": lambda _: {"reason": "x"},
    "MoveIn": lambda ids: {"customer_id": ids["customers"]},
    "ReadingIn": lambda _: {"figures": FIGURES},
    "VoidIn": lambda _: {"slot_at": VALUES["start"], "reason": "x"},
    "CarryOutIn": lambda _: {
        "at": VALUES["at"],
        "new_meter": {"id": 1},
        "old_figures": None,
        "new_figures": FIGURES,
    },
    "UndoIn": lambda _: {"reason": "x"},
    "PeriodIn": lambda _: {"first": "2026-01-01", "last": "2026-01-02"},
}


def example(told, ids):
    """A body that would be fine for an own row."""
    if "requestBody" not in told:
        return None
    name = told["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return BODIES.get(name, lambda _: {})(ids)


def test_every_operation_names_its_scope_and_lacks_it_without(north, may):
    poor = may(north, "telegrams:write")
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, told in methods.items():
            if told["x-scope"] == "telegrams:write":
                continue
            address = path.removeprefix("/api/v1").replace("{pk}", "1")
            assert poor.refused(method.upper(), address, {}) == (403, "missing_scope"), (method, path)
            poor_nobody = type(poor)("")
            assert poor_nobody.refused(method.upper(), address, {})[0] == 401


def test_what_is_nothing_is_a_problem_too(billing):
    assert billing.refused("GET", "/nothing/here")[0] == 404
    answer = billing("PUT", "/meters")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, POST")
    assert billing.refused("POST", "/meters", "{")[0] == 400


def test_the_reference_needs_nothing_from_elsewhere(client):
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    assert "http://" not in page.content.decode()
    assert "https://" not in page.content.decode()
    assert client.get("/api/v1/openapi.json").json()["openapi"].startswith("3.")


def test_too_many_calls(north, may, settings):
    settings.API_CALLS_PER_MINUTE = 3
    hasty, other = may(north), may(north)
    assert [hasty("GET", "/groups").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert 1 <= int(hasty("GET", "/groups")["Retry-After"]) <= 20
    assert other("GET", "/groups").status_code == 200
    assert Client().get("/api/v1/groups").status_code == 401
