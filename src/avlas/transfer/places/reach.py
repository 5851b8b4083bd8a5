"""Which address a server's name leads to: looked up once and used as it is, so that it can't be pointed elsewhere."""

from __future__ import annotations

import socket

from django.utils.translation import gettext_noop

from avlas.system.inward import is_inward
from avlas.transfer.places.road import PlaceError


def address_of(host: str, port: int, own_machine: bool) -> str:
    """The IP address to use for ``host``; ``own_machine`` allows this computer and its neighbours on the link.

    Raises PlaceError when there is none, or none that may be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as problem:
        raise PlaceError(
            gettext_noop("There is no computer called %(host)s, or the name server is away."), host=host
        ) from problem
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if own_machine or not is_inward(address):
            return address
    raise PlaceError(
        gettext_noop(
            "%(host)s leads to %(address)s: this computer itself or its closest surroundings. Who runs the "
            "installation can allow that for the place."
        ),
        host=host,
        address=addresses[0],
        for_good=True,
    )
