"""Health, metrics and proxies, as other programs see them."""

from __future__ import annotations

import ipaddress
import re
import shutil

import pytest
from django.db import connection
from django.test import Client, RequestFactory

from avlas.meters.models import Collector
from avlas.system.models import Utility
from avlas.web import monitoring, proxies

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),  # what the client wrote itself doesn't count
        ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("::1", "2001:db8::5", "2001:db8::5"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("198.51.100.9", "127.0.0.1", "198.51.100.9"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, nonsense", "10.0.0.1"),
        ("", "127.0.0.1", ""),
    ],
)
def test_who_asks(peer, forwarded, client):
    assert proxies.client(peer, forwarded, PROXIES) == client


@pytest.mark.parametrize(("peer", "secure"), [("10.0.0.1", True), ("198.51.100.9", False)])
def test_only_a_listed_proxy_says_that_the_connection_is_safe(settings, peer, secure):
    settings.TRUSTED_PROXIES = PROXIES
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    seen = {}

    def view(request):
        seen.update(secure=request.is_secure(), address=request.META["REMOTE_ADDR"])

    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.4"}
    proxies.trusted_proxies(view)(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))
    assert seen == {"secure": secure, "address": "203.0.113.4" if secure else peer}


@pytest.mark.django_db
def test_health(settings, tmp_path, monkeypatch):
    settings.DATA = tmp_path
    client = Client(headers={"host": "192.0.2.1"})  # a probe need not know our name
    assert client.get("/health/live").status_code == 200
    assert client.get("/health").json() == {
        "status": "ok", "database": "ok", "tables": "ok", "disk": "ok"
    }  # fmt: skip
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(monitoring.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    full = client.get("/health")
    assert (full.status_code, full.json()["disk"]) == (503, "full")
    monkeypatch.undo()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE id = (SELECT MAX(id) FROM django_migrations)")
    assert client.get("/health").json()["tables"] == "not migrated"


@pytest.mark.django_db
def test_metrics_are_for_this_machine_and_for_the_token(settings, tmp_path):
    settings.DATA = tmp_path
    utility = Utility.objects.create(name="Norr", slug="norr")
    Collector.objects.create(utility=utility, name='Tak "norr"\\', spec="import", telegrams=12345678)
    client = Client()
    text = client.get("/metrics").content.decode()
    assert 'avlas_collector_telegrams_total{utility="norr",collector="Tak \\"norr\\"\\\\"} 12345678\n' in text
    line = r"(# (HELP|TYPE) avlas_\w+ .+|avlas_\w+(\{(\w+=\"([^\"\\\n]|\\[\"\\n])*\",?)+\})? [-+.e\d]+)"
    assert [one for one in text.splitlines() if not re.fullmatch(line, one)] == []
    assert float(re.search(r"^avlas_database_bytes (\S+)$", text, re.MULTILINE)[1]) > 100_000

    far = {"REMOTE_ADDR": "198.51.100.9"}
    assert client.get("/metrics", **far).status_code == 403
    assert client.get("/metrics", **far, headers={"Authorization": "Bearer "}).status_code == 403
    settings.METRICS_TOKEN = "right"
    assert client.get("/metrics", **far, headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert client.get("/metrics", **far, headers={"Authorization": "Bearer right"}).status_code == 200
    proxied = {"X-Forwarded-For": "198.51.100.9"}
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers=proxied).status_code == 403  # through a proxy on this machine
