"""Which internet addresses lead to this computer itself, its closest surroundings, or a cloud's inner workings.

What a utility's administrator writes as a destination must not become a way into the machine Avläs runs on.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_TRANSLATED: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address inside
_THIS_NETWORK: Final = IPv4Network("0.0.0.0/8")
_METADATA: Final = {  # of cloud machines, outside the link-local range
    ip_address("fd00:ec2::254"),
    ip_address("100.100.100.200"),
    ip_address("168.63.129.16"),
}


def is_inward(text: str) -> bool:
    """Whether an address is this computer's own, a neighbour on the link, a group, or a cloud's metadata."""
    address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if inner is None and address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        address = inner or address
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or address in _METADATA
        or (isinstance(address, IPv4Address) and address in _THIS_NETWORK)
    )
