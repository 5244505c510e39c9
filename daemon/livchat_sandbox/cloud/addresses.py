"""Public addresses that are never routed, handed out in turn, so that one comes back late."""

from __future__ import annotations

from collections.abc import Container
from ipaddress import IPv4Network, IPv6Network

# Networks for benchmarks (RFC 2544) and for documentation (RFC 3849): no packet leaves for them.
IPV4_RANGE = IPv4Network("198.18.0.0/15")
IPV6_RANGE = IPv6Network("2001:db8::/32")


class OutOfAddresses(Exception):
    """All addresses are taken."""


def next_ipv4(position: int, in_use: Container[str]) -> tuple[str, int]:
    """Return the first free address from a position of the range on, and the position after it.

    Raises `OutOfAddresses` if none is free.
    """
    usable = IPV4_RANGE.num_addresses - 2
    for step in range(usable):
        index = (position + step) % usable
        address = str(IPV4_RANGE[index + 1])
        # An address that ends in 0 or 255 looks like a mistake to people, and to some programs.
        if not address.endswith((".0", ".255")) and address not in in_use:
            return address, index + 1
    raise OutOfAddresses


def next_ipv6_network(position: int) -> tuple[str, int]:
    """Return the /64 network at a position of the range, and the position after it."""
    index = position % (2**32 - 1) + 1
    return f"{IPV6_RANGE[index << 64]}/64", index
