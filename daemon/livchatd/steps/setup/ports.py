"""The ports of a machine: those of its SSH, and warnings about those that a set-up closes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

WEB = (80, 443)
"""The TCP ports of Traefik. No app may publish another port, as the lint of the catalog checks."""
_SSH = frozenset({"sshd", "sshd-session", "ssh", "dropbear"})
_SWARM = frozenset({2377, 4789, 7946})
"""Ports between the nodes of a swarm: not used where there is one node."""
_NEIGHBOURS = frozenset({5353, 5355})
"""Name services of the local network: of no use to the world."""
_ADDRESSES = frozenset({68, 546})
"""DHCP clients: what answers them is let in."""
_PORT = re.compile(r"^port (\d+)$", re.MULTILINE)


def ssh_ports(sshd_config: str, holders: Mapping[int, str], known: int) -> tuple[int, ...]:
    """Return the ports of SSH: of `sshd -T`, of the programs by TCP port, and the one in use."""
    configured = {int(port) for port in _PORT.findall(sshd_config)}
    listening = {port for port, holder in holders.items() if holder in _SSH}
    return tuple(sorted(configured | listening | {known}))


def closing_warnings(
    tcp_holders: Mapping[int, str], udp_holders: Mapping[int, str], kept: Collection[str]
) -> Iterator[str]:
    """Yield a warning for each program that the world reaches now, and not after a set-up.

    The holders are programs by port; `kept` are ports such as `53/udp`.
    """
    known = {*WEB, *_SWARM, *_NEIGHBOURS}
    found = [
        (f"{port}/tcp", holder)
        for port, holder in sorted(tcp_holders.items())
        if port not in known and holder not in _SSH
    ]
    found += [
        (f"{port}/udp", holder)
        for port, holder in sorted(udp_holders.items())
        if port not in {*_SWARM, *_NEIGHBOURS, *_ADDRESSES}
    ]
    for port, holder in found:
        if port not in kept:
            yield f"a set-up closes {port} ({holder}) to the world: --open {port} keeps it open"
