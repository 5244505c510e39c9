"""The ports of a machine: those that its SSH listens at, and those that a set-up closes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

WEB = (80, 443)
"""What Traefik answers at, over TCP alone. No other app may publish a port: the lint says so."""
_SSH = frozenset({"sshd", "sshd-session", "ssh", "dropbear"})
_SWARM = frozenset({2377, 4789, 7946})
"""What the nodes of a swarm speak to each other: nobody, where there is one node."""
_NEIGHBOURS = frozenset({5353, 5355})
"""Names on the local network: no use to the world."""
_ADDRESSES = frozenset({68, 546})
"""Where a machine gets its own address; answers to it are let in."""
_PORT = re.compile(r"^port (\d+)$", re.MULTILINE)


def ssh_ports(told: str, holders: Mapping[int, str], known: int) -> tuple[int, ...]:
    """Where SSH listens: as `sshd -T` says, as `ss` sees, and where its owner says it answers."""
    said = {int(port) for port in _PORT.findall(told)}
    seen = {port for port, holder in holders.items() if holder in _SSH}
    return tuple(sorted(said | seen | {known}))


def closed(
    holders: Mapping[int, str], datagrams: Mapping[int, str], kept: Collection[str]
) -> Iterator[str]:
    """A warning for each program that the world reaches now, and will not once we are done."""
    known = {*WEB, *_SWARM, *_NEIGHBOURS}
    found = [
        (f"{port}/tcp", holder)
        for port, holder in sorted(holders.items())
        if port not in known and holder not in _SSH
    ]
    found += [
        (f"{port}/udp", holder)
        for port, holder in sorted(datagrams.items())
        if port not in {*_SWARM, *_NEIGHBOURS, *_ADDRESSES}
    ]
    for port, holder in found:
        if port not in kept:
            yield f"a set-up closes {port} ({holder}) to the world: --open {port} keeps it open"
