"""A group that was deleted meanwhile and a period the wrong way round: every page that is asked for one says so."""

from __future__ import annotations

import pytest
from django.urls import reverse

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


@pytest.fixture
def client(north, sign_in):
    north.user.language = "en"
    north.user.save(update_fields=["language"])
    return sign_in(north.user)


def test_a_group_that_is_not_there_is_told(client):
    for name in (
        "meters", "map", "info_codes", "performance", "heat_report", "consumption_report", "consumption_report_map",
        "water_loss",
    ):  # fmt: skip
        answer = client.get(reverse(name), {"group": "g999999"})
        assert answer.status_code == 200, name
        assert "roup is no longer there" in answer.content.decode(), name
        assert "roup is no longer there" not in client.get(reverse(name)).content.decode(), name


def test_a_chart_of_days_the_wrong_way_round(north, client):
    address = reverse("meter", args=[north.meters[0].pk])
    for unit in ("hour", "day", "month", "year"):
        wrong = client.get(address, {"unit": unit, "from": "2026-03-20", "to": "2026-03-01"})
        right = client.get(address, {"unit": unit, "from": "2026-03-01", "to": "2026-03-20"})
        assert "The period ends before it begins." in wrong.content.decode(), unit
        assert "The period ends before it begins." not in right.content.decode(), unit
