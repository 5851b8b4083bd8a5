"""Importing a recorded file through the browser, and explaining a pasted telegram."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from avlas.meters.models import Collector, Reading, Telegram
from avlas.simulate import frames, optical, receivers, samples
from avlas.system.models import AuditEvent

pytestmark = pytest.mark.one_database


def recording(sender, count=3):
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=9)
    sent = samples.recording([sender], count, seed=1, start=start, interval_s=3600 * 2)
    return samples.recorded_file(sent, receivers.RtlWmbus())


def upload(client, data, name="inspelning.txt", **more):
    return client.post(reverse("import_file"), {"file": SimpleUploadedFile(name, data), **more})


def test_a_recorded_file_becomes_readings(north, sign_in):
    client = sign_in(north.superuser)
    before = Reading.objects.filter(meter_id=north.meters[0].pk).count()
    data = recording(north.fleet[0])
    answer = upload(client, data)
    assert answer.status_code == 200
    assert answer.context["result"].telegrams == 3
    assert Reading.objects.filter(meter_id=north.meters[0].pk).count() > before
    event = AuditEvent.objects.get(event="telegrams.imported")
    assert (event.target, event.detail["telegrams"], event.user) == ("inspelning.txt", 3, north.superuser)
    collector = Collector.objects.get(utility=north.utility, spec="import")
    assert collector.active is False
    kept = Reading.objects.filter(meter_id=north.meters[0].pk).count()
    upload(client, data)
    assert Reading.objects.filter(meter_id=north.meters[0].pk).count() == kept
    assert Collector.objects.filter(utility=north.utility, spec="import").count() == 1


def test_a_compressed_file_is_unpacked(north, sign_in):
    answer = upload(sign_in(north.superuser), gzip.compress(recording(north.fleet[0])), "x.gz")
    assert answer.context["result"].telegrams == 3


def test_a_bad_line_is_named_and_the_rest_goes_on(north, sign_in):
    good = recording(north.fleet[0], 2).splitlines(keepends=True)
    answer = upload(sign_in(north.superuser), good[0] + b"C1;1;1;gibberish\n" + good[1])
    assert answer.context["result"].telegrams == 2
    assert answer.context["result"].bad == 1
    assert "Rad 2: avhuggen" in answer.content.decode()


@pytest.mark.parametrize("data", [b"Dear diary,\nnothing here\n", b"\x89PNG\r\n\x1a\n" + bytes(300), b" \n"])
def test_what_is_no_recording_is_refused(north, sign_in, data):
    answer = upload(sign_in(north.superuser), data)
    assert answer.status_code == 422
    assert answer.context["form"].errors["file"]


def test_the_future_can_not_be_imported(north, sign_in):
    later = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    answer = upload(sign_in(north.superuser), recording(north.fleet[0]), heard_at=later)
    assert answer.status_code == 422
    assert "heard_at" in answer.context["form"].errors


def telegram(sender):
    now = datetime.now(UTC)
    day, first = samples.month_start(sender, now)
    return sender.telegram(
        samples.values(sender, now, 1),
        now,
        target_at=day,
        target=samples.values(sender, first, 1),
        compact=False,
    )


def explain(client, text, **more):
    return client.post(reverse("explain"), {"telegram": text, **more})


def test_a_pasted_telegram_is_explained_with_a_pasted_key(north, sign_in):
    sender = samples.meters("multical603", 1, 4)[0]
    client = sign_in(north.user)
    frame = telegram(sender)
    answer = explain(client, frame.hex(), key=sender.key.hex())
    assert answer.context["shown"].decoded
    assert sender.identification in answer.content.decode()
    assert "Värmeenergi" in answer.content.decode()
    for text in (frame.hex(" ").upper(), frame.hex(":"), "0x" + frame.hex(), frame.hex("\n", 8)):
        assert explain(client, text, key=sender.key.hex()).context["shown"].decoded, text
    assert explain(client, frames.format_a(frame).hex(), key=sender.key.hex()).context["shown"].decoded


def test_the_kept_key_is_used_when_none_is_given(north, sign_in):
    answer = explain(sign_in(north.user), telegram(north.fleet[0]).hex())
    assert answer.context["shown"].decrypted
    assert north.fleet[0].key.hex() not in answer.content.decode().lower()


def test_missing_and_wrong_keys_are_two_answers(north, sign_in):
    sender = samples.meters("multical603", 1, 4)[0]
    client, frame = sign_in(north.user), telegram(sender).hex()
    missing = explain(client, frame).context["shown"].explanation.title
    wrong = explain(client, frame, key="00" * 16).context["shown"].explanation.title
    assert missing != wrong


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "telegram"),
        ("4", "telegram"),
        ("4G", "telegram"),
        ("räksmörgås", "telegram"),
        ("00" * 2000, "telegram"),
    ],
)
def test_what_is_no_telegram_is_refused_in_words(north, sign_in, text, field):
    answer = explain(sign_in(north.user), text)
    assert answer.status_code == 422
    assert answer.context["form"].errors[field]


@pytest.mark.parametrize("text", ["00", "44", "ff" * 300, "0a442d2c1234567834048d20", "68" * 9])
def test_broken_telegrams_are_explained_as_far_as_they_go(north, sign_in, text):
    for form in ("auto", "a", "a-crc", "b-crc", "wired", "kmp"):
        answer = explain(sign_in(north.user), text, form=form)
        assert answer.status_code == 200
        assert answer.context["shown"].explanation.sections


def test_a_frame_of_an_optical_head_is_explained(north, sign_in):
    frame = optical.frame(0x3F, 0x10, bytes.fromhex("003c 03 04 43 00012fd1"))
    answer = explain(sign_in(north.user), frame.hex(" "), form="kmp")
    assert answer.context["shown"].decoded
    assert answer.context["shown"].explanation.title == "KMP · svar från mätaren · GetRegister"
    assert "77,777 MWh" in answer.content.decode()
    broken = explain(sign_in(north.user), frame[:-1].hex(), form="kmp").content.decode()
    assert "i stället för slutbyten 0D" in broken


def test_nothing_is_kept(north, sign_in):
    before = Telegram.objects.count(), AuditEvent.objects.count()
    explain(sign_in(north.user), telegram(north.fleet[0]).hex())
    assert (Telegram.objects.count(), AuditEvent.objects.count()) == before


def test_a_key_of_the_wrong_length_says_so(north, sign_in):
    answer = explain(sign_in(north.user), "00", key="0A")
    assert "32 hexadecimala siffror" in answer.context["form"].errors["key"][0]
