"""The networks of a machine, and ranges for a swarm that keep clear of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Any

from livchat.errors import ProviderError
from livchatd.integrations.ssh.interfaces import Shell

PACKET = 1_500
"""Bytes of a packet where an interface does not say."""
OVERHEAD = 50
"""Bytes of each packet that the overlay takes for itself."""
OURS = ("docker_gwbridge",)
"""Interfaces that a swarm makes; docker0 stands for the engine, which may be there before us."""


@dataclass(frozen=True)
class Ranges:
    """Where a swarm takes its subnets from, and beside that the subnets that apps share."""

    pool: IPv4Network
    edge: IPv4Network
    data: IPv4Network

    def overlap(self, other: IPv4Network) -> bool:
        """Whether any of them overlaps a network."""
        return any(mine.overlaps(other) for mine in (self.pool, self.edge, self.data))


def _ranges(pool: str, edge: str, data: str) -> Ranges:
    return Ranges(IPv4Network(pool), IPv4Network(edge), IPv4Network(data))


RANGES = (
    # Away from 10.0.0.0/8 first: that is where providers' private networks are.
    _ranges("172.20.0.0/14", "172.24.0.0/20", "172.24.16.0/20"),
    _ranges("172.28.0.0/15", "172.30.0.0/20", "172.30.16.0/20"),
    _ranges("10.180.0.0/14", "10.184.0.0/20", "10.184.16.0/20"),
    _ranges("10.220.0.0/14", "10.224.0.0/20", "10.224.16.0/20"),
    _ranges("192.168.128.0/18", "192.168.192.0/20", "192.168.208.0/20"),
)
"""In order of preference. A swarm keeps the ones that it was begun with."""
BRIDGES = tuple(IPv4Network(f"172.{second}.0.0/16") for second in range(17, 32))
"""Where Docker takes the subnet of a bridge from: the first that is free, one for the swarm too."""


@dataclass(frozen=True)
class Taken:
    """A network that the machine has, and by what it is known there."""

    network: IPv4Network
    words: str


@dataclass(frozen=True)
class Networks:
    """What a machine is connected to. `outside` are the interfaces on its way to the world."""

    outside: tuple[str, ...]
    packet: int
    taken: tuple[Taken, ...]

    @property
    def overlay(self) -> int:
        """The bytes of a packet that an overlay network may carry through them."""
        return self.packet - OVERHEAD


async def networks(shell: Shell) -> Networks:
    """Look at a machine's routes and addresses, with all questions side by side."""
    asked = await asyncio.gather(
        shell.run("ip", "-j", "route"),
        # It fails where the kernel has no IPv6.
        shell.run("ip", "-j", "-6", "route", check=False),
        shell.run("ip", "-j", "addr"),
    )
    return read(*(one.stdout for one in asked))


def read(routes: str, routes6: str, addresses: str) -> Networks:
    """The networks that these answers of iproute2 come to."""
    here, here6, links = _objects(routes), _objects(routes6), _objects(addresses)
    ways = [route for route in (*here, *here6) if route.get("dst") == "default"]
    outside = tuple(dict.fromkeys(name for route in ways for name in _devices(route)))
    sizes = [link.get("mtu") for link in links if link.get("ifname") in outside]
    sizes += [_route_size(route) for route in ways]
    return Networks(
        outside=outside,
        packet=min((size for size in sizes if isinstance(size, int)), default=PACKET),
        taken=(*_of_routes(here), *_of_links(links)),
    )


def choose(taken: Iterable[Taken]) -> Ranges:
    """The first ranges that overlap no network of the machine; `ProviderError` if none does."""
    there = list(taken)
    bridge = next((one for one in BRIDGES if not _meeting(there, one)), None)
    if bridge is not None and not any(word in one.words for one in there for word in OURS):
        # The swarm's own bridge is yet to come, and Docker will put it here.
        there.append(Taken(bridge, f"{bridge} of Docker's next bridge"))
    for ranges in RANGES:
        if not any(ranges.overlap(one.network) for one in there):
            return ranges
    met = next(one for one in there if RANGES[0].overlap(one.network))
    tried = ", ".join(str(ranges.pool) for ranges in RANGES)
    raise ProviderError(
        f"no private range is free for the swarm: the first meets {met.words}",
        hint=f"free one of {tried} with the networks beside it: ip route, on the machine",
    )


def of_pool(pool: str) -> Ranges | None:
    """The ranges of a swarm that was begun with this address pool, if it is one of ours."""
    return next((ranges for ranges in RANGES if str(ranges.pool) == pool), None)


def _meeting(taken: Iterable[Taken], network: IPv4Network) -> bool:
    return any(one.network.overlaps(network) for one in taken)


def _of_routes(routes: list[dict[str, Any]]) -> Iterable[Taken]:
    for route in routes:
        network = _network(str(route.get("dst", "")))
        if network is not None:
            where = " ".join(_devices(route))
            yield Taken(network, f"the route to {network} by {where}".removesuffix(" by "))


def _of_links(links: list[dict[str, Any]]) -> Iterable[Taken]:
    for link in links:
        for address in link.get("addr_info", []):
            if address.get("family") == "inet" and link.get("ifname") != "lo":
                network = _network(f"{address.get('local')}/{address.get('prefixlen')}")
                if network is not None:
                    yield Taken(network, f"{network} of {link.get('ifname')}")


def _network(text: str) -> IPv4Network | None:
    """An IPv4 network; None for the default route, which is the whole world."""
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        return None
    return found if isinstance(found, IPv4Network) and found.prefixlen else None


def _devices(route: dict[str, Any]) -> list[str]:
    """The interfaces of a route, which may go several ways at once."""
    hops = [route, *route.get("nexthops", [])]
    return [str(hop["dev"]) for hop in hops if hop.get("dev")]


def _route_size(route: dict[str, Any]) -> int | None:
    """The MTU that a route sets for itself."""
    sizes = [metric.get("mtu") for metric in route.get("metrics", [])]
    return next((size for size in sizes if isinstance(size, int)), None)


def _objects(text: str) -> list[dict[str, Any]]:
    """What `ip -j` prints; nothing where it printed nothing."""
    found = json.loads(text) if text.strip() else []
    return [one for one in found if isinstance(one, dict)]
