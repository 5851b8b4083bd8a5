"""MQTT out against a real broker: acknowledged, retained, encrypted, refused, resumed; mosquitto where there is one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta

import paho.mqtt.client as paho
import pytest
from amqtt.broker import Broker
from django.db import transaction
from paho.mqtt.enums import CallbackAPIVersion

from avlas.meters.journal import Written
from avlas.meters.models import Format, InfoEvent, Kind, Meter, Reading, Source
from avlas.notify import mqtt
from avlas.notify.errors import NotSent
from avlas.reports import news
from avlas.system import mqtt_out, secrets
from avlas.system.models import MqttOut

from .conftest import free_port

PATIENCE = 30
START = datetime(2026, 7, 1, tzinfo=UTC)


class Running:
    """amqtt in a thread of its own."""

    def __init__(self, *, certificate=None, passwords=None, port=None) -> None:
        self.port = port or free_port()
        listener = {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}
        if certificate:
            listener |= {"ssl": True, "certfile": str(certificate), "keyfile": str(certificate)}
        auth = (
            {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)}}
            if passwords
            else {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        )
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

        async def start():
            self.broker = Broker({"listeners": {"default": listener}, "plugins": auth})
            await self.broker.start()

        asyncio.run_coroutine_threadsafe(start(), self.loop).result(PATIENCE)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.broker.shutdown(), self.loop).result(PATIENCE)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        self.loop.close()


@pytest.fixture
def broker():
    running = []

    def start(**kwargs):
        running.append(Running(**kwargs))
        return running[-1]

    yield start
    for one in running:
        one.stop()


class Ears:
    """A subscriber to everything."""

    def __init__(self, port) -> None:
        self.heard: list[tuple[str, str, bool]] = []
        ready = threading.Event()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"ears{port}-{time.monotonic_ns()}"[:23]
        )
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = lambda _c, _d, m: self.heard.append(
            (m.topic, m.payload.decode(), bool(m.retain))
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(PATIENCE)

    def until(self, count):
        end = time.monotonic() + PATIENCE
        while len(self.heard) < count:
            assert time.monotonic() < end, self.heard
            time.sleep(0.02)
        return self.heard

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def ears():
    opened = []

    def listen(port):
        opened.append(Ears(port))
        return opened[-1]

    yield listen
    for one in opened:
        one.close()


def messages(count):
    return [mqtt.Message(f"avlas/x/{number}", f"å{number}", retain=number == 0) for number in range(count)]


def test_in_order_acknowledged_and_retained(broker, ears):
    port = broker().port
    first = ears(port)
    mqtt.publish(mqtt.Broker("127.0.0.1", port, tls=False), messages(120), "avlas-x")
    assert [topic for topic, *_ in first.until(120)] == [f"avlas/x/{number}" for number in range(120)]
    assert ears(port).until(1)[0] == ("avlas/x/0", "å0", True)


def test_over_tls_with_the_brokers_own_authority(broker, certificate):
    port = broker(certificate=certificate).port
    pem = certificate.read_text()
    ca = pem[pem.index("-----BEGIN CERTIFICATE") :]
    mqtt.publish(mqtt.Broker("localhost", port, ca=ca), messages(1), "avlas-x")
    with pytest.raises(NotSent, match="certificate verify failed"):
        mqtt.publish(mqtt.Broker("localhost", port), messages(1), "avlas-x")
    with pytest.raises(NotSent, match="No connection"):
        mqtt.publish(mqtt.Broker("localhost", free_port()), messages(1), "avlas-x")


MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
def test_mosquitto_takes_it_and_refuses_a_wrong_password(tmp_path, ears):
    port, open_port = free_port(), free_port()
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "avlas", "rätt"], check=True)
    settings = ["per_listener_settings true",
                f"listener {open_port} 127.0.0.1", "allow_anonymous true",
                f"listener {port} 127.0.0.1", "allow_anonymous false", f"password_file {passwords}"]  # fmt: skip
    if os.geteuid() == 0:  # else it becomes a user who may not read the folder
        settings.insert(0, "user root")
    (tmp_path / "m.conf").write_text("\n".join(settings) + "\n")
    process = subprocess.Popen([MOSQUITTO, "-c", str(tmp_path / "m.conf")])

    def publish(password):
        there = mqtt.Broker("127.0.0.1", port, tls=False, user="avlas", password=password)
        mqtt.publish(there, messages(3), "avlas-x")

    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                publish("rätt")
                break
            except NotSent:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
        assert ears(open_port).until(1)[0] == ("avlas/x/0", "å0", True)
        with pytest.raises(NotSent, match="refuse"):
            publish("fel")
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def meter(utility):
    return Meter.objects.create(
        utility=utility, manufacturer="KAM", serial="12/3", medium="heat", family="multical403"
    )


def read(meter, hour, info_code=None):
    sent, _ = Format.objects.get_or_create(spec='{"energy_heat_kwh":["MWh",3]}')
    at = START + timedelta(hours=hour)
    with transaction.atomic():
        written = Written(meter.utility_id)
        Reading.objects.create(
            meter_id=meter.pk, slot_at=at, kind=Kind.LIVE, heard_at=at, source=Source.RADIO, format=sent,
            energy_heat_kwh=1000.0 + hour, volume_m3=7.0,
        )  # fmt: skip
        written.reading(meter.pk, int(at.timestamp()), Kind.LIVE)
        if info_code is not None:
            InfoEvent.objects.create(meter=meter, at=at, code=info_code)
            written.info_events([(meter.pk, int(at.timestamp()))], opened=True)
        written.append()


def set_up(utility, port, **more):
    return MqttOut.objects.create(
        utility=utility, host="127.0.0.1", port=port, tls=False, place=str(news.now()),
        next_try_at=datetime.now(UTC), **more,
    )  # fmt: skip


@pytest.mark.django_db
def test_readings_go_out_as_they_come_in(utility, meter, broker, ears):
    mqtt._announced.clear()
    port = broker().port
    row = set_up(utility, port, discovery="homeassistant")
    assert not mqtt.hand_on_one(datetime.now(UTC))
    read(meter, 1, info_code=8)
    listening = ears(port)
    assert mqtt.hand_on_one(datetime.now(UTC))
    heard = {topic: json.loads(text) for topic, text, _ in listening.until(6)}
    assert heard["avlas/vattern/events/reading"]["reading"]["values"]["energy_heat_kwh"]["figure"] == "1.001"
    assert heard["avlas/vattern/meter/KAM12_3/state"] == {
        "energy_heat_kwh": 1001.0, "volume_m3": 7.0, "at": "2026-07-01T01:00:00Z",
    }  # fmt: skip
    assert heard["avlas/vattern/meter/KAM12_3/info_code"]["info_code"] == 8
    config = heard["homeassistant/sensor/avlas_vattern_kam12_3/energy_heat_kwh/config"]
    assert (config["state_topic"], config["unit_of_measurement"], config["device_class"], config["state_class"]) == (
        "avlas/vattern/meter/KAM12_3/state", "kWh", "energy", "total_increasing",
    )  # fmt: skip
    row.refresh_from_db()
    assert (row.told, row.taken_at is not None) == ({}, True)
    read(meter, 2)
    assert mqtt.hand_on_one(datetime.now(UTC))
    later = [topic for topic, *_ in listening.until(8)[6:]]
    assert later == ["avlas/vattern/events/reading", "avlas/vattern/meter/KAM12_3/state"], "announced once"
    retained = {topic for topic, *_ in ears(port).until(4)}
    assert retained == {topic for topic in heard if "/events/" not in topic}


@pytest.mark.django_db
def test_a_broker_that_is_away_gets_it_later(utility, meter, broker, ears):
    port = free_port()
    row = set_up(utility, port)
    read(meter, 1)
    assert mqtt.hand_on_one(datetime.now(UTC))
    row.refresh_from_db()
    assert row.attempts == 1
    assert "127.0.0.1" in str(row.told)
    assert not mqtt.hand_on_one(datetime.now(UTC)), "not before its time"
    broker(port=port)
    listening = ears(port)
    assert mqtt.hand_on_one(datetime.now(UTC) + timedelta(minutes=5))
    assert {topic for topic, *_ in listening.until(2)} == {
        "avlas/vattern/events/reading", "avlas/vattern/meter/KAM12_3/state",
    }  # fmt: skip
    row.refresh_from_db()
    assert (row.attempts, row.told) == (0, {})


@pytest.mark.django_db
def test_the_password_is_sealed_and_sealed_anew(utility):
    row = set_up(utility, 1, user="a", password=mqtt_out.seal_password("hemligt å", utility.pk))
    assert b"hemligt" not in bytes(row.password)
    assert mqtt_out.open_password(row) == "hemligt å"
    secrets.rotate(mqtt_out.seal_all_again)
    row.refresh_from_db()
    assert mqtt_out.open_password(row) == "hemligt å"
