"""Which addresses actions may reach: checked when the socket opens, on the very address it connects to."""

import ipaddress
import socket
from typing import Any

from arrivals import config
from arrivals.errors import Permanent

# Not "private" by the standard library's word, but not on the open internet either.
CLOSED = [
    ipaddress.ip_network(one)
    for one in (
        "100.64.0.0/10",
        "192.0.0.0/24",
        "198.18.0.0/15",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "fec0::/10",
        "::/96",
        "::ffff:0:0:0/96",
    )
]


def allowed(address: str) -> bool:
    """Whether an address (text, without a port) may be reached. One that embeds a closed IPv4 address may not."""
    if config.current().allow_private_networks:
        return True
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    if mapped is not None:
        found = mapped
    return (
        found.is_global
        and not found.is_multicast
        and not any(found in network for network in CLOSED if network.version == found.version)
    )


def opened(info: Any) -> socket.socket:
    """Make the socket for one resolved address (a tuple of ``getaddrinfo``): names were resolved before, so nothing can
    be swapped after this check.

    Raises:
        Permanent: the address may not be reached.
    """
    address = info[4]
    if not allowed(address[0]):
        raise Permanent(
            f"{address[0]} is a private, loopback or otherwise closed address; ARRIVALS_ALLOW_PRIVATE_NETWORKS=true allows it."
        )
    return made(info)


def made(info: Any) -> socket.socket:
    """The same without the check: for addresses that whoever runs Arrivals has set."""
    family, kind, protocol, _name, _address = info
    found = socket.socket(family, kind, protocol)
    found.setblocking(False)
    return found
