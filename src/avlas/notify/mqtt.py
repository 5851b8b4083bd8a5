"""Readings and info codes go out over MQTT as they come in: QoS 1, in order, again until the broker has them.

Topics, below the prefix and the utility's short name (avlas/norrtuna):

    events/reading, events/info_code      every event, as /api/v1/changes tells it
    meter/KAM12345678/state               retained: the newest values by register code, with "at"
    meter/KAM12345678/info_code           retained: the newest info code, in words too

With Home Assistant's discovery on, each register of a meter is announced (retained) under its own prefix, once a
process and again when it changes. The place in the journal moves on when the broker has acknowledged all of a part.
"""

from __future__ import annotations

import hashlib
import json
import logging
import ssl
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import paho.mqtt.client as paho
from django.utils import translation
from django.utils.translation import gettext_noop
from paho.mqtt.enums import CallbackAPIVersion

from avlas.decode.registers import BY_CODE, Aggregate
from avlas.meters import journal
from avlas.notify import following
from avlas.notify.errors import NotSent
from avlas.reports import news
from avlas.reports.latest import latest_of
from avlas.reports.reading_told import REGISTERS, moment
from avlas.system.models import MqttOut
from avlas.system.mqtt_out import open_password

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paho.mqtt.client import MQTTMessageInfo

MOST: Final = 200
_LEASE: Final = timedelta(minutes=3)
_ANSWER_SECONDS: Final = 20.0
_CLASSES: Final = {  # canonical unit -> what Home Assistant calls it
    "kWh": "energy",
    "°C": "temperature",
    "kW": "power",
    "bar": "pressure",
    "m³/h": "volume_flow_rate",
}
_WATER: Final = ("water", "cold water", "warm water", "hot water")
_announced: dict[tuple[int, str], str] = {}  # utility and topic: what was announced
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to publish, and as whom."""

    host: str
    port: int
    tls: bool = True
    ca: str = ""
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is published."""

    topic: str
    payload: str
    retain: bool = False


def broker_of(row: MqttOut) -> Broker:
    """The broker as it is set up. Raises SecretError when its password can't be opened."""
    return Broker(row.host, row.port, row.tls, row.ca, row.user, open_password(row))


def publish(broker: Broker, messages: Iterable[Message], client_id: str) -> None:
    """Publish messages in order; comes back when the broker has acknowledged them all. Raises NotSent."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
    answered = threading.Event()
    refused: list[str] = []

    def on_connect(_client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            refused.append(str(code))
        answered.set()

    client.on_connect = on_connect
    client.max_inflight_messages_set(50)
    if broker.user:
        client.username_pw_set(broker.user, broker.password)
    try:
        if broker.tls:
            client.tls_set_context(ssl.create_default_context(cadata=broker.ca or None))
        client.connect(broker.host, broker.port, keepalive=30)
    except ConnectionRefusedError as problem:
        raise NotSent(
            gettext_noop("No connection to %(host)s: nothing answers there."), host=broker.host
        ) from problem
    except (OSError, ValueError) as problem:
        raise NotSent(
            gettext_noop("No connection to %(host)s: %(problem)s."), host=broker.host, problem=str(problem)
        ) from problem
    client.loop_start()
    try:
        if not answered.wait(_ANSWER_SECONDS):
            raise NotSent(gettext_noop("%(host)s did not answer in time."), host=broker.host)
        if refused:
            raise NotSent(
                gettext_noop("%(host)s refused the connection: %(problem)s."),
                host=broker.host,
                problem=refused[0],
            )
        sent = [client.publish(one.topic, one.payload, qos=1, retain=one.retain) for one in messages]
        _wait_for(sent, broker.host)
        client.disconnect()
    finally:
        client.loop_stop()


def _wait_for(sent: list[MQTTMessageInfo], host: str) -> None:
    try:
        for one in sent:
            one.wait_for_publish(_ANSWER_SECONDS)
        whole = all(one.is_published() for one in sent)
    except (RuntimeError, ValueError) as problem:
        raise NotSent(
            gettext_noop("No connection to %(host)s: %(problem)s."), host=host, problem=str(problem)
        ) from problem
    if not whole:
        raise NotSent(gettext_noop("%(host)s did not answer in time."), host=host)


def hand_on_one(now: datetime) -> bool:
    """Publish one part for one utility that has something new; False when there is none."""
    rows = MqttOut.objects.select_related("utility").filter(active=True)
    return following.hand_on_one(rows, _hand_on, now)


def _hand_on(row: MqttOut) -> tuple[news.Place, bool]:
    try:
        with translation.override("en"):
            found = news.since(row.utility_id, news.Place.read(row.place), MOST)
        after, messages = found.place, _messages(row, found.events)
    except journal.CursorTooOld:  # the newest values are told with the next event of each meter
        after, messages = news.now(), []
    announced = [
        one for one in messages if one.retain and row.discovery and one.topic.startswith(f"{row.discovery}/")
    ]
    fresh = [one for one in messages if one not in announced or _is_new(row, one)]
    if fresh:
        publish(broker_of(row), fresh, f"avlas-{row.utility.slug}"[:23])
        for one in announced:
            _announced[row.utility_id, one.topic] = _hash(row, one)
    return after, bool(fresh)


def _is_new(row: MqttOut, one: Message) -> bool:
    return _announced.get((row.utility_id, one.topic)) != _hash(row, one)


def _hash(row: MqttOut, one: Message) -> str:
    return hashlib.sha256(f"{row} {one.payload}".encode()).hexdigest()


def _messages(row: MqttOut, events: list[dict[str, Any]]) -> list[Message]:
    """What these events are over MQTT: each of them, and the newest state of the meters concerned."""
    base = f"{row.topic_prefix}/{row.utility.slug}"
    found, meters = [], {}
    for event in events:
        if event["type"] != news.WITHDRAWN:
            found.append(Message(f"{base}/events/{event['type']}", _json(event)))
        meters[event["meter"]["id"]] = event["meter"]
        if event["type"] == news.INFO_CODE:
            topic = f"{base}/meter/{_name(event['meter'])}/info_code"
            text = "; ".join(code["text"] for code in event["info_code"]["codes"])
            found.append(Message(topic, _json(event["info_code"] | {"text": text}), retain=True))
    for meter_id, values in latest_of(sorted(meters), list(REGISTERS)).items():
        meter = meters[meter_id]
        topic = f"{base}/meter/{_name(meter)}/state"
        newest = max(one.at for one in values.values()) if values else None
        state = {code: one.value for code, one in values.items()}
        if newest is not None:
            if row.discovery:
                found += [_announcement(row, meter, code, topic) for code in state]
            found.append(Message(topic, _json(state | {"at": moment(newest)}), retain=True))
    return found


def _announcement(row: MqttOut, meter: dict[str, Any], code: str, topic: str) -> Message:
    """Home Assistant's discovery message for one register of a meter."""
    register = BY_CODE[code]
    unit = register.unit
    known = _CLASSES.get(unit)
    if unit == "m³":
        known = "water" if meter["medium"] in _WATER else "volume"
    counts = register.aggregate is Aggregate.DIFFERENCE
    name = f"avlas_{row.utility.slug}_{_name(meter)}".lower()
    told_of = {
        "name": register.en,
        "unique_id": f"{name}_{code}",
        "state_topic": topic,
        "value_template": f"{{{{ value_json.{code} }}}}",
        "state_class": "total_increasing" if counts else "measurement",
        **({"unit_of_measurement": unit} if unit else {}),
        **({"device_class": known} if known else {}),
        "device": {
            "identifiers": [name],
            "name": f"{meter['medium'] or 'meter'} {meter['facility_id'] or meter['serial']}",
            "manufacturer": meter["manufacturer"],
            "serial_number": meter["serial"],
        },
        "origin": {"name": "Avläs"},
    }
    return Message(f"{row.discovery}/sensor/{name}/{code}/config", _json(told_of), retain=True)


def _name(meter: dict[str, Any]) -> str:
    """A meter in a topic: maker and serial number, without what has a meaning there."""
    return "".join(
        sign if sign.isalnum() and sign.isascii() else "_"
        for sign in f"{meter['manufacturer']}{meter['serial']}"
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
