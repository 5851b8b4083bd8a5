"""The places' pages: adding each kind, confirming who answers, secrets that never show, and who may."""

from __future__ import annotations

import asyncssh
import pytest
from django.urls import reverse
from tests.transfer.servers import PASSWORD, USER, certificate, https_server, sftp_server

from avlas.system.models import AuditEvent, Delivery, KeptSecret, MailServer
from avlas.transfer.models import Place
from avlas.transfer.places import sftp as sftp_module

pytestmark = pytest.mark.one_database


@pytest.fixture
def root(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path


@pytest.fixture
def runner(north, sign_in):
    return sign_in(north.administrator)  # who runs the installation too


def add(runner, kind, **fields):
    answer = runner.post(
        reverse("place_add"), {"kind": kind, "name": f"Vår {kind}", "archive": "arkiv", **fields}
    )
    assert answer.status_code == 302, answer.content.decode()
    return Place.objects.get(name=f"Vår {kind}")


def by_sftp(runner, server, **fields):
    return add(
        runner, "sftp", host="localhost", port=server.port, user=USER, password=PASSWORD, folder="in",
        own_machine="on", **fields,
    )  # fmt: skip


def test_sftp_from_the_first_test_to_a_changed_host_key(runner, root):
    with sftp_server(root) as server:
        place = by_sftp(runner, server)
        said = runner.post(reverse("place_test", args=[place.pk])).content.decode()
        assert "Så här svarar servern" in said
        assert all(
            not one.get_extra_info("username") for one in server.connections
        )  # nothing was signed in to
        fingerprint = said.split('name="fingerprint" value="')[1].split('"')[0]
        runner.post(reverse("place_pin", args=[place.pk]), {"fingerprint": "SHA256:another"})
        place.refresh_from_db()
        assert place.pinned == ""
        runner.post(reverse("place_pin", args=[place.pk]), {"fingerprint": fingerprint})
        place.refresh_from_db()
        assert place.works
        assert sftp_module.fingerprint(place.pinned) == fingerprint
        shown = runner.get(reverse("place", args=[place.pk])).content.decode()
        assert fingerprint in shown
        assert "Filer kan läsas och skrivas." in shown
        assert PASSWORD not in shown

    other = asyncssh.generate_private_key("ssh-ed25519")
    with sftp_server(root, other) as server:
        Place.objects.filter(pk=place.pk).update(port=server.port)
        said = runner.post(reverse("place_test", args=[place.pk])).content.decode()
        assert "Någon annan svarar än förut" in said
        assert other.export_public_key().decode() not in Place.objects.get(pk=place.pk).pinned
    events = AuditEvent.objects.filter(event__startswith="places.").values_list("event", "detail")
    assert [event for event, _ in events].count("places.pinned") == 1
    assert PASSWORD not in str(list(events))


def test_a_private_key_is_made_and_its_public_part_shown(runner, root):
    with sftp_server(root) as server:
        place = add(
            runner, "sftp", host="localhost", port=server.port, user=USER, by_key="1", own_machine="on"
        )
        shown = runner.get(reverse("place", args=[place.pk])).content.decode()
        line = "ssh-ed25519 " + shown.split("ssh-ed25519 ")[1].split("<")[0]
        assert "PRIVATE" not in shown
        server.allowed_key = asyncssh.import_public_key(line)
        said = runner.post(reverse("place_test", args=[place.pk])).content.decode()
        fingerprint = said.split('name="fingerprint" value="')[1].split('"')[0]
        runner.post(reverse("place_pin", args=[place.pk]), {"fingerprint": fingerprint})
        place.refresh_from_db()
        assert place.works, place.tested


def test_https_with_a_certificate_of_its_own(runner, tmp_path):
    with https_server(certificate(tmp_path)) as server:
        place = add(
            runner, "https", url=f"https://localhost:{server.port}/up", method="PUT", token_header="Authorization",
            token=server.token, own_machine="on",
        )  # fmt: skip
        said = runner.post(reverse("place_test", args=[place.pk])).content.decode()
        fingerprint = said.split('name="fingerprint" value="')[1].split('"')[0]
        runner.post(reverse("place_pin", args=[place.pk]), {"fingerprint": fingerprint})
        assert Place.objects.get(pk=place.pk).works


def test_a_folder_among_those_allowed(runner, root, settings, north):
    settings.TRANSFER_FOLDERS = [str(root / "{utility}")]
    own = root / north.utility.slug / "ut"
    own.mkdir(parents=True)
    for wrong in (str(root), str(root / "söderby"), f"{own}/../../in"):
        answer = runner.post(
            reverse("place_add"), {"kind": "folder", "name": "x", "archive": "arkiv", "folder": wrong}
        )
        assert answer.status_code == 422, wrong
    place = add(runner, "folder", folder=str(own))
    runner.post(reverse("place_test", args=[place.pk]))
    assert Place.objects.get(pk=place.pk).works


def test_mail_goes_through_the_outbox_with_its_file(runner):
    place = add(runner, "mail", to="kontor@nordby.example\nekonomi@nordby.example")
    runner.post(reverse("place_test", args=[place.pk]))
    assert not Place.objects.get(pk=place.pk).works  # no mail server yet
    MailServer.objects.create(host="mail.example", sender="avlas@nordby.example")
    runner.post(reverse("place_test", args=[place.pk]))
    assert Place.objects.get(pk=place.pk).works
    waiting = Delivery.objects.filter(event="file.sent")
    assert [one.destination for one in waiting.order_by("pk")] == [
        "kontor@nordby.example",
        "ekonomi@nordby.example",
    ]
    assert bytes(waiting.first().attachments.get().content) == b"Avlas\n"


def test_a_stored_password_never_goes_to_another_server(runner, root):
    with sftp_server(root) as server:
        place = by_sftp(runner, server)
        kept = KeptSecret.objects.count()
        fields = {
            "name": place.name, "host": "localhost", "port": server.port, "user": USER, "folder": "in",
            "archive": "arkiv", "own_machine": "on",
        }  # fmt: skip
        url = reverse("place_edit", args=[place.pk])
        assert runner.post(url, fields | {"folder": "annan"}).status_code == 302
        place.refresh_from_db()
        assert place.open_secret() == PASSWORD
        assert runner.post(url, fields | {"host": "evil.example"}).status_code == 422
        assert runner.post(url, fields | {"host": "ny.example", "password": "nytt"}).status_code == 302
        place.refresh_from_db()
        assert (place.open_secret(), place.pinned) == ("nytt", "")
        assert KeptSecret.objects.count() == kept
    assert runner.post(reverse("place_delete", args=[place.pk])).status_code == 302
    assert KeptSecret.objects.count() == kept - 1


def test_only_who_configures_the_system(north, sign_in):
    runner = sign_in(north.user)
    for name in ("places", "place_add"):
        assert runner.get(reverse(name)).status_code == 403


def test_only_who_runs_the_installation_lets_a_place_lead_to_this_computer(south, sign_in):
    runner = sign_in(south.administrator)
    south.administrator.runs_installation = False
    south.administrator.save()
    place = add(runner, "sftp", host="localhost", port=22, user="x", password="y", own_machine="on")
    assert not place.own_machine
    runner.post(reverse("place_test", args=[place.pk]))
    place.refresh_from_db()
    assert "closest surroundings" in place.tested[0]["text"]
