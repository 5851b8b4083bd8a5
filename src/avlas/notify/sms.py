"""One text message (SMS) by a service on the net, and what it answers.

- 46elks (46elks.se/docs): POST /a1/sms, a form with from, to and message, Basic sign-in; 200 with JSON in which
  status is created, id and parts. What it refuses is told in plain text.
- Twilio (twilio.com/docs, Message resource): POST /2010-04-01/Accounts/SID/Messages.json, a form with From (or
  MessagingServiceSid), To and Body, Basic sign-in; 201 with JSON that holds sid. What it refuses is told as JSON with
  code and message.
- Another one: address, headers and body as templates with {to} {number} {text} {sender} {user} {password} {id}.

As with mail it must be known whether a message was handed over: ``hand_over`` is called when the connection stands and
before the first byte of the request. Before that everything can be tried again; after it only the answer tells.
"""

from __future__ import annotations

import json
import re
import ssl
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

import httpx
from django.utils.translation import gettext_noop

import avlas
from avlas.notify.errors import ClaimLost, NotSent
from avlas.notify.webhook import allowed_address
from avlas.system.sms_gateway import SmsDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

ELKS: Final = "https://api.46elks.com"
TWILIO: Final = "https://api.twilio.com"
TIMEOUT: Final = httpx.Timeout(20.0, connect=10.0)
BLANKS: Final = ("to", "number", "text", "sender", "user", "password", "id")
_BLANK: Final = re.compile(r"\{(" + "|".join(BLANKS) + r")\}")
_ANSWER_BYTES: Final = 16384
_LONGEST_SECONDS: Final = 30.0
_AGAIN: Final = frozenset({408, 425, 429})  # of the answers 400 to 499 those that pass
_BEGINS: Final = "send_request_headers.started"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A service and how to sign in there; see ``system.sms_gateway.SmsGateway``."""

    driver: str
    sender: str
    user: str = ""
    password: str = ""
    url: str = ""
    headers: str = ""
    body: str = ""
    taken_when: str = ""
    own_machine: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What the service said when it took the message: its own name for it ("" when it gives none)."""

    said: str
    reference: str = ""


def send(gateway: Gateway, to: str, text: str, message_id: UUID, hand_over: Callable[[], bool]) -> Taken:
    """Send ``text`` to the phone number ``to`` (+46...).

    ``hand_over`` notes that the request begins now; it gives False when the message is not ours any more. Raises
    NotSent with the reason, ClaimLost, and whatever ``hand_over`` raises.
    """
    request = _REQUESTS[SmsDriver(gateway.driver)](gateway, to, text, message_id)
    answer, said = _exchange(gateway, request, hand_over)
    return _judge(gateway, answer, said)


def check(gateway: Gateway, reference: str) -> bool | None:
    """Ask the service what became of a message: True delivered, False not, None not known yet. Raises NotSent."""
    paths = {
        SmsDriver.ELKS: f"{ELKS}/a1/sms/{quote(reference, safe='')}",
        SmsDriver.TWILIO: f"{TWILIO}/2010-04-01/Accounts/{quote(gateway.user, safe='')}"
        f"/Messages/{quote(reference, safe='')}.json",
    }
    request = httpx.Request("GET", paths[SmsDriver(gateway.driver)], headers=_sign_in(gateway))
    answer, said = _exchange(gateway, request, lambda: True)
    if not answer.is_success:
        raise _refused(answer, said)
    status = _object(said).get("status")
    return {"delivered": True, "failed": False, "undelivered": False}.get(str(status))


# --- what is asked ------------------------------------------------------------------------------------


def _elks(gateway: Gateway, to: str, text: str, _message_id: UUID) -> httpx.Request:
    form = {"from": gateway.sender, "to": to, "message": text}
    return httpx.Request("POST", f"{ELKS}/a1/sms", data=form, headers=_sign_in(gateway))


def _twilio(gateway: Gateway, to: str, text: str, _message_id: UUID) -> httpx.Request:
    service = re.fullmatch(r"MG[0-9a-f]{32}", gateway.sender)
    form = {"MessagingServiceSid" if service else "From": gateway.sender, "To": to, "Body": text}
    address = f"{TWILIO}/2010-04-01/Accounts/{quote(gateway.user, safe='')}/Messages.json"
    return httpx.Request("POST", address, data=form, headers=_sign_in(gateway))


def _templates(gateway: Gateway, to: str, text: str, message_id: UUID) -> httpx.Request:
    values = {
        "to": to, "number": to.removeprefix("+"), "text": text, "sender": gateway.sender, "user": gateway.user,
        "password": gateway.password, "id": str(message_id),
    }  # fmt: skip
    headers = header_lines(filled(gateway.headers, values, lambda value: value))
    if (
        gateway.user
        and gateway.password
        and "{password}" not in f"{gateway.url}{gateway.headers}{gateway.body}"
    ):
        headers = {**_sign_in(gateway), **headers}
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "").lower()
    body = gateway.body.strip()
    if not kind and body:
        kind = "application/json" if body[0] in "{[" else "application/x-www-form-urlencoded"
        headers["content-type"] = kind
    url = filled(gateway.url, values, lambda value: quote(value, safe=""))
    if not body:
        return httpx.Request("GET", url, headers=_bytes(headers))
    content = filled(body, values, _ESCAPES.get(kind.partition(";")[0].strip(), lambda value: value))
    return httpx.Request("POST", url, headers=_bytes(headers), content=content.encode())


def _bytes(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


_ESCAPES: Final[dict[str, Callable[[str], str]]] = {
    "application/json": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "application/x-www-form-urlencoded": lambda value: urlencode({"": value})[1:],
    "application/xml": escape,
    "text/xml": escape,
}


def filled(template: str, values: Mapping[str, str], written: Callable[[str], str]) -> str:
    """A template with its blanks filled, each value ``written`` as the place wants it; other braces stay."""
    return _BLANK.sub(lambda blank: written(values[blank[1]]), template)


def header_lines(text: str) -> dict[str, str]:
    """Headers written one a line, "Name: value". Raises ValueError with the line that is none."""
    found = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name.strip()):
            raise ValueError(line)
        found[name.strip()] = value.strip()
    return found


def _sign_in(gateway: Gateway) -> dict[str, str]:
    known = b64encode(f"{gateway.user}:{gateway.password}".encode()).decode("ascii")
    return {"authorization": f"Basic {known}"}


_REQUESTS: Final = {SmsDriver.ELKS: _elks, SmsDriver.TWILIO: _twilio, SmsDriver.HTTP: _templates}


# --- what is answered ---------------------------------------------------------------------------------


def _exchange(
    gateway: Gateway, asked: httpx.Request, hand_over: Callable[[], bool]
) -> tuple[httpx.Response, str]:
    """The answer and its first words. The name is looked up once, and the address that was checked is used."""
    host = asked.url.raw_host.decode("ascii")
    if asked.url.scheme not in ("http", "https") or not host:
        raise NotSent(
            gettext_noop("The SMS service's address begins with http:// or https://."), for_good=True
        )
    port = asked.url.port or {"http": 80, "https": 443}[asked.url.scheme]
    begun = False

    def trace(event: str, _info: Any) -> None:
        nonlocal begun
        if event.endswith(_BEGINS):
            if not hand_over():
                raise ClaimLost
            begun = True

    request = httpx.Request(
        asked.method,
        asked.url.copy_with(host=allowed_address(host, port, gateway.own_machine)),
        headers=[
            *((name, value) for name, value in asked.headers.raw if name.lower() != b"host"),
            (b"host", asked.url.netloc),
            (b"accept-encoding", b"identity"),
            (b"user-agent", f"Avlas/{avlas.__version__}".encode()),
        ],
        content=asked.content,
        extensions={"sni_hostname": host, "timeout": TIMEOUT.as_dict(), "trace": trace},
    )
    try:
        with httpx.Client(verify=ssl.create_default_context(), trust_env=False) as client:
            return _read(client, request)
    except (httpx.HTTPError, TimeoutError) as problem:
        said = str(problem) or type(problem).__name__
        if begun:
            raise NotSent(
                gettext_noop(
                    "The connection to %(host)s was lost after the message was handed over and before the server "
                    "answered, so it may have arrived. It is not sent again by itself."
                ),
                host=host,
                unsure=True,
            ) from problem
        raise NotSent(
            gettext_noop("The connection to the SMS service failed (%(host)s: %(problem)s)."),
            host=host,
            problem=said,
        ) from problem


def _read(client: httpx.Client, request: httpx.Request) -> tuple[httpx.Response, str]:
    """The answer with its first bytes; TimeoutError when it drips in for too long."""
    begun = time.monotonic()
    answer = client.send(request, stream=True)
    said = b""
    for part in answer.iter_raw():
        said += part
        if time.monotonic() - begun > _LONGEST_SECONDS:
            raise TimeoutError
        if len(said) >= _ANSWER_BYTES:
            break
    answer.close()
    return answer, said[:_ANSWER_BYTES].decode("utf-8", "replace")


def _judge(gateway: Gateway, answer: httpx.Response, said: str) -> Taken:
    if not answer.is_success:
        raise _refused(answer, said)
    told = _object(said)
    if gateway.driver == SmsDriver.HTTP:
        if gateway.taken_when and gateway.taken_when not in said:
            raise _refused(answer, said)
        return Taken(_status(answer))
    reference = told.get("id" if gateway.driver == SmsDriver.ELKS else "sid")
    if not reference or told.get("status") in ("failed", "undelivered", "canceled"):
        raise _refused(answer, said)
    return Taken(f"{_status(answer)} {told.get('status') or ''}".strip(), str(reference))


def _refused(answer: httpx.Response, said: str) -> NotSent:
    """Why it was not taken. 504 comes from something in between, which does not know what became of the request."""
    told = _object(said)
    words = " ".join(str(told.get("message") or told.get("error") or said).split())[:200]
    if told.get("code"):
        words = f"{told['code']}: {words}"
    passing = (
        answer.status_code >= 500 or answer.status_code in _AGAIN or answer.status_code in (401, 402, 403)
    )
    return NotSent(
        gettext_noop("The SMS service answered %(status)s. %(said)s"),
        status=_status(answer),
        said=words,
        for_good=not passing,
        unsure=answer.status_code == 504,
    )


def _status(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.reason_phrase}".strip()


def _object(said: str) -> dict[str, Any]:
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
