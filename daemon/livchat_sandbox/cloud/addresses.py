"""Public addresses that are never routed: they are handed out in turn, so one comes back late."""

from __future__ import annotations

from collections.abc import Container
from ipaddress import IPv4Network, IPv6Network

# Benchmark and documentation networks (RFC 2544, RFC 3849): no packet ever leaves for them.
IPV4 = IPv4Network("198.18.0.0/15")
IPV6 = IPv6Network("2001:db8::/32")


class OutOfAddresses(Exception):
    """All addresses are taken."""


def ipv4(turn: int, taken: Container[str]) -> tuple[str, int]:
    """The next free address at or after this turn, and the turn after it."""
    usable = IPV4.num_addresses - 2
    for step in range(usable):
        place = (turn + step) % usable
        address = str(IPV4[place + 1])
        # An address that ends in 0 or 255 looks like a mistake to people, and to some programs.
        if not address.endswith((".0", ".255")) and address not in taken:
            return address, place + 1
    raise OutOfAddresses


def ipv6(turn: int) -> tuple[str, int]:
    """The next /64, and the turn after it."""
    place = turn % (2**32 - 1) + 1
    return f"{IPV6[place << 64]}/64", place
