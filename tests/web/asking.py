"""Asking every address of the program: where they are, with which rows, and an answer whose deeds are undone."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from fido2.webauthn import AttestedCredentialData

from avlas.meters.models import (
    Collector,
    Customer,
    Exchange,
    Group,
    Key,
    MeteringPoint,
    MeterState,
    Photo,
    Reading,
    Telegram,
    ValveRequest,
)
from avlas.notify.models import Alert, Notification
from avlas.reports.models import SavedReport
from avlas.system.models import ApiToken, Delivery, Job, JobRun, User, Webhook
from avlas.transfer.imports.models import Import, ImportMapping, KeyFilePassword
from avlas.transfer.models import ExportTemplate, Place, Receipt

from .pdf_text import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpResponse

    from .conftest import World

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
NO_ROW = {
    "choose_password": {"number": "MQ", "token": "no-such"},
    "signin_link": {"token": "no-such"},
    "map_area": {"name": "no-such"},
    "my_choices": {"token": "no-such"},
    "help_page": {"name": "meters"},
}
"""Blanks that are no rows of a utility."""

PASSKEY = {
    "name": "nyckel", "id": "AAAA", "counter": 0,
    "credential": base64.b64encode(bytes(AttestedCredentialData.create(bytes(16), b"AAA", {1: 2, 3: -7}))).decode(),
}  # fmt: skip


def walk(patterns, namespace: str = "") -> Iterator[tuple[str, str, list[str]]]:
    """Namespace, name and the names of the blanks of every address there is."""
    for one in patterns:
        if isinstance(one, URLPattern):
            yield namespace, one.name or str(one.pattern), list(one.pattern.converters)
        else:
            yield from walk(one.url_patterns, one.namespace or namespace)


EVERY = list(walk(get_resolver().url_patterns))
PAGES = {name: blanks for namespace, name, blanks in EVERY if not namespace}


def blanks_of(world: World, name: str) -> dict[str, int]:
    """What to put into the blanks of a page so that it shows a row of ``world``."""
    if name == "meter_telegram":
        telegram = Telegram.objects.filter(meter_id=world.meters[0].pk).first()
        slot = int(telegram.slot_at.timestamp())
        return {"pk": world.meters[0].pk, "slot": slot, "code": telegram.class_code}
    if name.startswith("passkey"):
        mine = {"user": world.administrator, "type": Authenticator.Type.WEBAUTHN}
        return {"pk": Authenticator.objects.get_or_create(**mine, defaults={"data": PASSKEY})[0].pk}
    if name == "map_heard":
        return {"pk": world.collector.pk}
    if name == "meter_reading_void":
        reading = Reading.objects.filter(meter_id=world.meters[0].pk, kind=0).first()
        return {"pk": world.meters[0].pk, "slot": int(reading.slot_at.timestamp()), "kind": 0}
    if name.startswith("meter"):
        return {"pk": world.meters[0].pk}
    if name == "job_run":
        run = JobRun.objects.filter(job__utility=world.utility).first()
        return {"pk": run.job_id, "run": run.pk}
    model = {"point": MeteringPoint, "customer": Customer, "exchange": Exchange, "heard": MeterState, "receiver": Collector,
             "key": Key, "job": Job, "message": Delivery, "webhook": Webhook, "privacy": Customer, "user": User, "api": ApiToken,
             "group": Group, "report": SavedReport, "photo": Photo, "place": Place,
             "export": ExportTemplate, "notification": Notification, "alert": Alert, "valve": ValveRequest,
             "import": Import, "mapping": ImportMapping, "password": KeyFilePassword, "receipt": Receipt}[name.partition("_")[0]]  # fmt: skip
    found = model.objects.filter(utility=world.utility)
    return {"pk": (found.filter(meter=None) if model is MeterState else found).first().pk}


def address_of(world: World, name: str) -> str:
    """The address of a page, showing a row of ``world``."""
    if not PAGES[name]:
        return reverse(name)
    return reverse(name, kwargs=NO_ROW.get(name) or blanks_of(world, name))


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user, backend=BACKEND)
    return client


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is done in here has not happened afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def ask(client: Client, method: str, address: str, *args: object, **more: object) -> HttpResponse:
    """One request; what it does is undone."""
    with undone():
        answer = client.generic(method, address, *args, **more)
        text_of(answer)
    return answer


def text_of(answer: HttpResponse) -> str:
    """Everything an answer says: a page, a file, a workbook's cells, a PDF's words."""
    if not hasattr(answer, "said"):  # a stream can be read once only
        answer.said = b"".join(answer) if answer.streaming else answer.content
    content = answer.said
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as workbook:
            content = b"\n".join(workbook.read(name) for name in sorted(workbook.namelist()))
    elif content.startswith(b"%PDF-"):
        content = words_of(content).encode()
    told = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
    return content.decode(errors="replace") + str(told)


def bare(answer: HttpResponse, address: str = "\0") -> str:
    """What an answer says, without what is new in each one and the address it was asked by."""
    text = text_of(answer).replace(address, "ADDRESS")
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|"X-CSRFToken": ?"\w+"', "", text)


class Forms(HTMLParser):
    """The forms of a page that are posted: where to, and what is in them as they stand."""

    def __init__(self, text: str, address: str) -> None:
        super().__init__()
        self.address = address
        self.found: list[tuple[str, dict[str, str]]] = []
        self.select = ""
        self._open = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = values.get("method", "get").lower() == "post"
            if self._open:
                self.found.append((urljoin(self.address, values.get("action", "") or self.address), {}))
        if not self._open:
            return
        fields = self.found[-1][1]
        name = values.get("name", "")
        if tag == "select":
            self.select = name
        elif tag == "option" and self.select and ("selected" in values or self.select not in fields):
            fields[self.select] = values.get("value", "")
        elif tag in ("input", "textarea", "button") and name:
            fields.setdefault(name, values.get("value", "on" if values.get("type") == "checkbox" else ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False
        elif tag == "select":
            self.select = ""
