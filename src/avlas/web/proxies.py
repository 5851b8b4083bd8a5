"""Who is asking, when a proxy stands in front: its word is believed only when it is one of ours.

AVLAS_TRUSTED_PROXIES lists addresses and networks. What others say in X-Forwarded-For and X-Forwarded-Proto
is thrown away before anything else sees it.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.http import HttpRequest, HttpResponse

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client(peer: str, forwarded: str, trusted: Iterable[Network]) -> str:
    """The address of who asks.

    ``peer`` is who holds the connection, ``forwarded`` its X-Forwarded-For. From the right, which nobody before
    our own proxies could write, the first address that is not a trusted proxy's.
    """
    networks = list(trusted)
    found = peer
    for said in reversed([peer, *forwarded.split(",")][1:]):
        if not is_trusted(found, networks):
            break
        try:
            found = str(ipaddress.ip_address(said.strip().strip("[]")))
        except ValueError:
            break
    return found


def is_trusted(address: str, trusted: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks."""
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(one, "ipv4_mapped", None) or one
    return any(mapped in network for network in trusted)


def trusted_proxies(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: REMOTE_ADDR becomes the client's address; what strangers claim of it is removed."""

    def middleware(request: HttpRequest) -> HttpResponse:
        meta, peer = request.META, str(request.META.get("REMOTE_ADDR", ""))
        forwarded = str(meta.pop("HTTP_X_FORWARDED_FOR", ""))
        if is_trusted(peer, settings.TRUSTED_PROXIES):
            if forwarded:
                meta["REMOTE_ADDR"] = client(peer, forwarded, settings.TRUSTED_PROXIES)
        else:
            meta.pop("HTTP_X_FORWARDED_PROTO", None)
        return get_response(request)

    return middleware
