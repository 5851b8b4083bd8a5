"""Letting in the telegrams of a meter whose counter started again: who may, what is asked, what comes of it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.urls import reverse
from django.utils import translation

from avlas.meters.ingest import TelegramBatch, ingest
from avlas.meters.models import State, Telegram
from avlas.meters.states import Freshness
from avlas.simulate import samples
from avlas.system.models import AuditEvent
from avlas.web import words


@pytest.fixture
def restarted(north):
    """The world's first meter after its module was exchanged: two telegrams that look like old ones."""
    new = replace(north.fleet[0], counter=0)
    at = [datetime.now(UTC) + timedelta(hours=hours) for hours in (2, 3)]
    frames = [new.telegram(samples.values(new, a, 1), a - timedelta(days=900), compact=False) for a in at]
    seconds = np.array([a.timestamp() for a in at])
    ingest(TelegramBatch(north.collector.pk, frames, seconds, np.full(2, -71, np.float32)))
    assert Telegram.objects.filter(meter_id=north.meters[0].pk, state=State.DOWNGRADED).count() == 2
    return reverse("meter", args=[north.meters[0].pk]), reverse("meter_let_in", args=[north.meters[0].pk])


def page_text(client, address):
    return re.sub(r"\s+", " ", client.get(address).content.decode().replace("\u00a0", " "))


def test_the_page_says_how_many_and_leads_to_the_question(north, sign_in, restarted):
    meter_page, question = restarted
    text = page_text(sign_in(north.superuser), meter_page)
    assert "2 telegram sparas men används inte" in text
    assert "upprepat" in text  # why, in Swedish
    assert question in text
    asked = page_text(sign_in(north.superuser), question)
    assert "Släppa in 2 telegram?" in asked
    assert "Senaste avläsning" in asked


def test_letting_in_needs_a_reason_and_is_audited(north, sign_in, restarted):
    meter_page, question = restarted
    client = sign_in(north.superuser)
    assert client.post(question, {"reason": "  "}).status_code == 422
    assert not AuditEvent.objects.filter(event="meter.let_in").exists()
    answer = client.post(question, {"reason": "Modul bytt"}, follow=True)
    assert answer.redirect_chain == [(meter_page, 302)]
    assert "2 telegram är insläppta och lästa" in answer.content.decode().replace("\u00a0", " ")
    event = AuditEvent.objects.get(event="meter.let_in")
    assert (event.user_id, event.detail["reason"]) == (north.superuser.pk, "Modul bytt")
    assert not Telegram.objects.filter(state=State.DOWNGRADED).exists()
    assert question not in page_text(client, meter_page)
    assert client.get(question, follow=True).redirect_chain == [(meter_page, 302)]  # nothing is left


def test_who_may_not_is_not_offered_it_and_is_refused(north, south, sign_in, restarted):
    meter_page, question = restarted
    text = page_text(sign_in(north.user), meter_page)
    assert "används inte" in text
    assert question not in text
    for user, status in ((north.user, 403), (south.administrator, 404)):
        client = sign_in(user)
        assert client.get(question).status_code == status
        assert client.post(question, {"reason": "mine now"}).status_code == status
    assert Telegram.objects.filter(state=State.DOWNGRADED).count() == 2
    assert not AuditEvent.objects.filter(event="meter.let_in").exists()


def test_why_a_telegram_is_not_trusted_is_said_in_swedish():
    fresh = Freshness(2, 700, 1_000)
    reasons = [fresh.judge(1, None, 5_000)[0], fresh.judge(2, 699, 5_000)[0]]
    assert all(reasons)
    with translation.override("sv"):
        for reason in reasons:
            assert words.problem(reason) != reason
        assert "699" in words.problem(reasons[1])
    with translation.override("en"):
        assert [words.problem(reason) for reason in reasons] == reasons
