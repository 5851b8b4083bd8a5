"""Which computer a request comes from, as the audit log and the list of own sessions tell it.

The address, the computer's name (looked up in the background and known from then on: no page waits for a name
server), the browser, and the name that its user gave the device at sign-in, kept in a signed cookie.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING, Final

from django.core import signing

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

COOKIE: Final = "device"
LONGEST_NAME: Final = 40
_SALT: Final = "avlas.device"
_KEPT_SECONDS: Final = 400 * 86400  # as long as browsers keep a cookie
_WAIT_SECONDS: Final = 0.2
_KNOWN_AT_MOST: Final = 2000

_BROWSERS: Final = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl"), ("python", "Python"),
)  # fmt: skip
_SYSTEMS: Final = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
    ("CrOS", "ChromeOS"), ("Mac OS X", "Mac"), ("Linux", "Linux"),
)  # fmt: skip

_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="computer-name")
_asked: dict[str, Future[str]] = {}


def described(request: HttpRequest) -> str:
    """Address and, in brackets, what else is known: ``10.1.2.3 (ekonomi-4.lan, Firefox, Windows, Annas dator)``."""
    address = str(request.META.get("REMOTE_ADDR", ""))
    also = (computer_name(address), browser(request.headers.get("User-Agent", "")), device(request))
    known = ", ".join(dict.fromkeys(part for part in also if part))
    return f"{address} ({known})" if known else address


def device(request: HttpRequest) -> str:
    """The name this device was given at sign-in, "" when it has none."""
    try:
        return str(signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT))[:LONGEST_NAME]
    except signing.BadSignature:
        return ""


def name_device(request: HttpRequest, name: str) -> str:
    """Give the device a name, for the rest of this request; gives the cookie's text for ``remember_device``."""
    sealed = signing.dumps(" ".join(name.split())[:LONGEST_NAME], salt=_SALT)
    request.COOKIES[COOKIE] = sealed
    return sealed


def remember_device(request: HttpRequest, response: HttpResponse, sealed: str) -> None:
    """Keep a device's name in its browser."""
    response.set_cookie(
        COOKIE, sealed, max_age=_KEPT_SECONDS, httponly=True, samesite="Lax", secure=request.is_secure()
    )


def browser(user_agent: str) -> str:
    """Browser and system in two words: "Firefox, Windows"; "" when it says neither."""
    lower = user_agent.lower()
    which = (
        next((name for mark, name in marks if mark.lower() in lower), "") for marks in (_BROWSERS, _SYSTEMS)
    )
    return ", ".join(part for part in which if part)


def computer_name(address: str, wait_seconds: float = 0.0) -> str:
    """The name that belongs to an address, "" as long as it is not known or when it has none.

    The first question starts a look-up in the background, for which at most ``wait_seconds`` are waited.
    """
    try:
        if ipaddress.ip_address(address).is_loopback:
            return ""
    except ValueError:
        return ""
    if address not in _asked:
        if len(_asked) >= _KNOWN_AT_MOST:
            _asked.clear()
        _asked[address] = _pool.submit(_look_up, address)
    try:
        return _asked[address].result(wait_seconds)
    except NotYet:
        return ""


def look_up_soon(request: HttpRequest) -> None:
    """At sign-in: ask for the computer's name, and wait a moment for it."""
    computer_name(str(request.META.get("REMOTE_ADDR", "")), _WAIT_SECONDS)


def _look_up(address: str) -> str:
    try:
        name = socket.gethostbyaddr(address)[0]
    except (OSError, UnicodeError):
        return ""
    return name if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name) and name != address else ""
