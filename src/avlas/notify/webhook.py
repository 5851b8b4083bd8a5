"""One event to one webhook: a signed POST, as Standard Webhooks (standardwebhooks.com) describes it.

Headers: ``webhook-id`` (the event's id, the same at every attempt: a receiver drops what it has seen),
``webhook-timestamp`` (seconds since 1970 of this attempt) and ``webhook-signature``: "v1," and the base64 of
HMAC-SHA256 over "id.timestamp.body" with the secret (the bytes that its base64 after whsec_ stands for).

The address is looked up once, checked and then used as it is, so that a name can't be pointed elsewhere in
between. Redirections are not followed. Any answer 200 to 299 counts as taken.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import ssl
import time
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final

import httpx
from django.utils.translation import gettext_noop

import avlas
from avlas.notify.errors import NotSent
from avlas.system.inward import is_inward

if TYPE_CHECKING:
    from uuid import UUID

TIMEOUT: Final = httpx.Timeout(15.0, connect=10.0)
LONGEST_SECONDS: Final = 30.0
_ANSWER_BYTES: Final = 4096


def signature(secret: str, event_id: UUID, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``."""
    key = b64decode(secret.removeprefix("whsec_"))
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def send(url: str, secret: str, event_id: UUID, body: str, *, own_machine: bool = False) -> str:
    """POST ``body`` (JSON) to ``url``; gives the answer's status line ("200 OK").

    ``own_machine`` allows addresses of this computer itself and of its neighbours on the link, which are refused
    otherwise. Raises NotSent.
    """
    address = httpx.URL(url)
    host = address.raw_host.decode("ascii")
    if address.scheme not in ("http", "https") or not host:
        raise NotSent(gettext_noop("A webhook's address begins with http:// or https://."), for_good=True)
    where = allowed_address(host, address.port or {"http": 80, "https": 443}[address.scheme], own_machine)
    timestamp, content = int(time.time()), body.encode()
    request = httpx.Request(
        "POST",
        address.copy_with(host=where),
        headers={
            "host": address.netloc.decode("ascii"),
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": f"Avlas/{avlas.__version__}",
            "webhook-id": str(event_id),
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secret, event_id, timestamp, content),
        },
        content=content,
        extensions={"sni_hostname": host, "timeout": TIMEOUT.as_dict()},
    )
    try:
        answer, said = asyncio.run(_exchange(request))
    except (httpx.TimeoutException, TimeoutError) as problem:
        raise NotSent(gettext_noop("%(host)s did not answer in time."), host=host) from problem
    except httpx.HTTPError as problem:
        if isinstance(problem, httpx.ConnectError) and "SSL" not in str(problem):
            raise NotSent(
                gettext_noop("No connection to %(host)s: nothing answers there."), host=host
            ) from problem
        raise NotSent(
            gettext_noop("No connection to %(host)s: %(problem)s."),
            host=host,
            problem=str(problem) or type(problem).__name__,
        ) from problem
    status = f"{answer.status_code} {answer.reason_phrase}".strip()
    if answer.is_success:
        return status
    if answer.is_redirect:
        raise NotSent(
            gettext_noop("%(host)s leads elsewhere (%(status)s, %(where)s); write that address instead."),
            host=host,
            status=status,
            where=answer.headers.get("location", "")[:200],
        )
    raise NotSent(gettext_noop("%(host)s answered %(status)s. %(said)s"), host=host, status=status, said=said)


async def _exchange(request: httpx.Request) -> tuple[httpx.Response, str]:
    """The answer and its first words; TimeoutError when all of it takes too long, however it drips in."""
    async with (
        asyncio.timeout(LONGEST_SECONDS),
        httpx.AsyncClient(verify=ssl.create_default_context(), trust_env=False) as client,
    ):
        answer = await client.send(request, stream=True)
        said = b""
        async for part in answer.aiter_raw():
            said += part
            if len(said) >= _ANSWER_BYTES:
                break
        await answer.aclose()
    return answer, " ".join(said[:_ANSWER_BYTES].decode("utf-8", "replace").split())[:200]


def allowed_address(host: str, port: int, own_machine: bool) -> str:
    """The IP address to use for ``host``. Raises NotSent when there is none, or none that may be used."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as problem:
        raise NotSent(
            gettext_noop("There is no computer called %(host)s, or the name server is away."), host=host
        ) from problem
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if own_machine or not is_inward(address):
            return address
    raise NotSent(
        gettext_noop(
            "%(host)s leads to %(address)s: this computer itself or its closest surroundings. Who runs the "
            "installation can allow that for the webhook."
        ),
        host=host,
        address=addresses[0],
    )
