"""Rows inserted and changed column by column are as if Django had made them, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, transaction
from django.forms import model_to_dict

from avlas.meters import model_rows
from avlas.meters.models import Meter
from avlas.system.models import Utility

pytestmark = pytest.mark.django_db
COLUMNS = {
    "serial": ["1", "2"],
    "qp_m3h": [0.6, None],
    "revision_due": [None, date(2031, 12, 31)],
    "config": [{"type": "Å\t\\n"}, {}],
    "retired_at": [datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), None],
}


def test_they_are_as_if_made_one_by_one():
    ours, others = (Utility.objects.create(name=name, slug=name) for name in ("ours", "others"))
    ids = model_rows.insert(Meter, COLUMNS, {"utility_id": ours.pk, "manufacturer": "KAM"})
    for pk, *values in zip(ids, *COLUMNS.values(), strict=True):
        alike = Meter.objects.create(
            utility=others, manufacturer="KAM", **dict(zip(COLUMNS, values, strict=True))
        )
        row = Meter.objects.get(pk=pk)
        assert model_to_dict(row) | {"id": 0, "utility": 0} == model_to_dict(alike) | {"id": 0, "utility": 0}
        assert abs(alike.created_at - row.created_at).total_seconds() < 600
        assert alike.pk not in ids
    model_rows.change(Meter, ids, {"revision_due": [date(2030, 1, 1), None], "note": ["x", "Ö"]})
    rows = Meter.objects.filter(utility=ours).order_by("pk")
    assert list(rows.values_list("revision_due", "note")) == [(date(2030, 1, 1), "x"), (None, "Ö")]
    assert not Meter.objects.filter(utility=others).exclude(note="").exists()


def test_nothing_is_inserted_twice():
    ours = Utility.objects.create(name="ours", slug="ours")
    assert model_rows.insert(Meter, {"serial": []}, {"utility_id": ours.pk}) == []
    alike = {"utility_id": ours.pk, "manufacturer": "KAM"}
    model_rows.insert(Meter, {"serial": ["1"]}, alike)
    with pytest.raises(IntegrityError), transaction.atomic():
        model_rows.insert(Meter, {"serial": ["2", "1"]}, alike)
    assert Meter.objects.count() == 1
