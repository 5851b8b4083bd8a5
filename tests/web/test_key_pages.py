"""Keys on the pages: importing files, typing one in, testing, removing; never shown."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from avlas.meters.models import Key, MeterState, Reading, State
from avlas.simulate.kem import KemMeter, kem_file
from avlas.system.models import AuditEvent

pytestmark = pytest.mark.one_database

PASSWORD = "Hemligt-2026"


@pytest.fixture
def without_key(north):
    """The adopted meter whose key is missing."""
    return north.fleet[2]


def upload(client, data, password="", name="nycklar.kem"):
    return client.post(
        reverse("key_import"), {"file": SimpleUploadedFile(name, data), "password": password}, follow=True
    )


def kem(sender, password=PASSWORD):
    return kem_file([KemMeter.of(sender)], password)


def test_a_kem_file_makes_waiting_telegrams_readings(north, sign_in, without_key):
    client = sign_in(north.superuser)
    assert not Reading.objects.filter(meter_id=north.meters[2].pk).exists()
    answer = upload(client, kem(without_key), PASSWORD)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "Filen är importerad" in text
    assert "1 av mätarna har hörts; 1 kan läsas nu." in text
    assert Reading.objects.filter(meter_id=north.meters[2].pk).exists()
    event = AuditEvent.objects.filter(event="keys.imported", user=north.superuser).get()
    assert event.target == "nycklar.kem"
    again = upload(client, kem(without_key), PASSWORD)
    assert again.context["result"].unchanged == 1


@pytest.mark.parametrize(
    ("password", "field", "said"),
    [("fel", "password", "Lösenordet är fel"), ("", "password", "Filen är låst")],
)
def test_a_wrong_password_says_so_beside_its_field(north, sign_in, without_key, password, field, said):
    before = Key.objects.count()
    answer = upload(sign_in(north.superuser), kem(without_key), password)
    assert answer.status_code == 422
    assert said in answer.context["form"].errors[field][0]
    assert Key.objects.count() == before


@pytest.mark.parametrize("data", [b"", b"\x00\xff\x00", b"PK\x03\x04 broken", b"<xml>no keys</xml>"])
def test_files_that_hold_no_keys_are_refused(north, sign_in, data):
    before = Key.objects.count()
    answer = upload(sign_in(north.superuser), data, PASSWORD)
    assert answer.status_code == 422
    assert answer.context["form"].errors["file"]
    assert Key.objects.count() == before


def test_bad_lines_are_told_with_their_number_and_the_rest_goes_in(north, sign_in):
    lines = "meter;key\n55500001;" + "0A" * 16 + "\n55500002;KORT\n55500003;" + "0B" * 16 + "\n"
    answer = upload(sign_in(north.superuser), lines.encode(), name="lista.csv")
    assert answer.context["result"].added == 2
    assert len(answer.context["problems"]) == 1
    assert "Rad 3" in answer.content.decode()


def test_typing_in_a_key(north, sign_in, without_key):
    client = sign_in(north.superuser)
    post = {"number": without_key.identification, "maker": "kam", "key": without_key.key.hex(" ")}
    answer = client.post(reverse("key_add"), post, follow=True)
    assert "Nyckeln är tillagd." in answer.content.decode()
    assert MeterState.objects.get(meter=north.meters[2]).state == State.READ
    answer = client.post(reverse("key_add"), post, follow=True)
    assert "Samma nyckel fanns redan" in answer.content.decode()


@pytest.mark.parametrize(
    ("post", "field"),
    [
        ({"number": "x", "key": "0A" * 16}, "number"),
        ({"number": "12345678", "key": "0A" * 15}, "key"),
        ({"number": "12345678", "key": "not a key"}, "key"),
        ({"number": "12345678", "key": "0A" * 16, "maker": "1"}, "maker"),
        ({"number": ""}, "number"),
    ],
)
def test_what_is_no_key_is_refused_beside_its_field(north, sign_in, post, field):
    before = Key.objects.count()
    answer = sign_in(north.superuser).post(reverse("key_add"), post)
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert Key.objects.count() == before


def test_a_key_can_be_tried_before_it_is_added(north, sign_in, without_key):
    client, before = sign_in(north.superuser), Key.objects.count()
    post = {"number": without_key.identification, "maker": "KAM", "test": "1"}
    right = client.post(reverse("key_add"), post | {"key": without_key.key.hex()})
    assert "Nyckeln öppnar" in right.content.decode()
    wrong = client.post(reverse("key_add"), post | {"key": "00" * 16})
    assert "Nyckeln är fel" in wrong.content.decode()
    unheard = client.post(reverse("key_add"), post | {"number": "99999999", "key": "00" * 16})
    assert "att prova nyckeln på" in unheard.content.decode()
    assert Key.objects.count() == before


def test_testing_a_kept_key(north, sign_in):
    client = sign_in(north.superuser)
    good = Key.objects.get(utility=north.utility, identification=north.fleet[0].identification)
    answer = client.post(reverse("key_test", args=[good.pk]), follow=True)
    assert f"Nyckeln till KAM{north.fleet[0].identification} öppnar" in answer.content.decode()
    client.post(
        reverse("key_add"), {"number": north.fleet[2].identification, "maker": "KAM", "key": "00" * 16}
    )
    bad = Key.objects.get(utility=north.utility, identification=north.fleet[2].identification)
    answer = client.post(reverse("key_test", args=[bad.pk]), follow=True)
    assert f"Nyckeln till KAM{north.fleet[2].identification} är fel" in answer.content.decode()


def test_the_list_tells_which_keys_open_telegrams(north, sign_in):
    client = sign_in(north.superuser)
    client.post(
        reverse("key_add"), {"number": north.fleet[2].identification, "maker": "KAM", "key": "00" * 16}
    )
    client.post(reverse("key_add"), {"number": "55566677", "maker": "KAM", "key": "01" * 16})
    use = {key.identification: use for key, use, _state in client.get(reverse("keys")).context["rows"]}
    assert use[north.fleet[0].identification] == "yes"
    assert use[north.fleet[2].identification] == "no"
    assert use["55566677"] == "unheard"


def test_removing_a_key_asks_first(north, sign_in):
    client = sign_in(north.superuser)
    key = Key.objects.filter(utility=north.utility).first()
    address = reverse("key_delete", args=[key.pk])
    assert "Ta bort nyckeln till" in client.get(address).content.decode()
    assert Key.objects.filter(pk=key.pk).exists()
    client.post(address)
    assert not Key.objects.filter(pk=key.pk).exists()
    assert AuditEvent.objects.filter(event="keys.removed", user=north.superuser).count() == 1


def test_no_page_ever_shows_a_key(north, sign_in, without_key):
    client = sign_in(north.administrator)
    secret = without_key.key.hex()
    pages = [
        client.post(reverse("key_add"), {"number": without_key.identification, "key": secret}, follow=True),
        upload(client, kem(without_key), PASSWORD),
        *(client.get(reverse(name)) for name in ("home", "keys", "heard", "meters")),
        client.get(reverse("meter", args=[north.meters[2].pk])),
    ]
    for answer in pages:
        assert secret not in answer.content.decode().lower().replace(" ", "")
        assert PASSWORD not in answer.content.decode()
    assert not [event for event in AuditEvent.objects.all() if secret in str(event.detail).lower()]
