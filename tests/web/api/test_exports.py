"""A billing system has an export made, and fetches its file."""

from __future__ import annotations

import hashlib

import pytest

from avlas.system.models import AuditEvent
from avlas.transfer.models import ExportTemplate

pytestmark = pytest.mark.django_db


def test_an_export_is_made_and_fetched(north, billing, theirs):
    own = ExportTemplate.objects.get(utility=north.utility)
    assert [one["id"] for one in billing.get("/exports")["items"]] == [own.pk]
    days = {"first": "2026-10-01", "last": "2026-10-31"}
    made = billing.post(f"/exports/{own.pk}/make", days, 201)
    assert made["size"] > 0
    assert not made["again"]
    answer = billing("GET", f"/export-files/{made['id']}")
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == made["sha256"]
    assert made["name"] in answer["Content-Disposition"]
    assert billing.get("/export-files?limit=1")["items"][0]["id"] == made["id"]
    assert billing.post(f"/exports/{own.pk}/make", days, 201)["again"]
    assert {"exports.made", "data.exported"} <= set(AuditEvent.objects.values_list("event", flat=True))
    assert theirs("GET", f"/export-files/{made['id']}").status_code == 404
    assert theirs("POST", f"/exports/{own.pk}/make", days).status_code == 404


def test_what_can_not_be_made_is_told(north, billing):
    own = ExportTemplate.objects.get(utility=north.utility)
    assert (
        billing.refused("POST", f"/exports/{own.pk}/make", {"first": "2026-10-02", "last": "2026-10-01"})[0]
        == 422
    )
    assert billing.refused("POST", f"/exports/{own.pk}/make", {"first": "x"})[0] == 422
    assert (
        billing.refused("GET", f"/export-files/{north.utility.receipts.get().pk}")[0] == 404
    )  # not made yet
