"""Which IP addresses are somebody's on the public internet, and which lead inside.

An explicit table: `ipaddress.is_global` and `is_private` are wrong, for this purpose, about NAT64,
6to4, multicast, shared address space, and platforms that keep secrets at public addresses.
"""

from __future__ import annotations

from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

_BLOCKED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",  # Public in form; inside Azure it is the platform itself.
    )
)
# Everything that is assigned to anybody on the internet is in here, loopback, link-local, private,
# multicast, mapped, translated and NAT64 addresses are not.
_UNICAST_V6 = IPv6Network("2000::/3")
_BLOCKED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Protocols: Teredo, benchmarks, ORCHID.
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise.
        "3fff::/20",
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
# ISATAP hides an IPv4 address in the lower half, behind one of these.
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def is_public(address: str) -> bool:
    """Whether `address`, in any spelling that `ipaddress` reads, is on the public internet.

    What is no address at all, or has a zone, is not.
    """
    try:
        parsed = ip_address(address)
    except (ValueError, AddressValueError):
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _BLOCKED_V4)
    return _is_public_v6(parsed)


def _is_public_v6(address: IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    number = int(address)
    if address in _MAPPED:
        return is_public(str(IPv4Address(number & 0xFFFF_FFFF)))
    if (number >> 32) & 0xFFFF_FFFF in _ISATAP:
        return False
    return address in _UNICAST_V6 and not any(address in network for network in _BLOCKED_V6)
