"""The networks of a machine, and private ranges for a swarm that do not overlap them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Any

from livchat.errors import ProviderError
from livchatd.integrations.ssh.interfaces import Shell

DEFAULT_MTU = 1_500
"""The MTU of a network where no interface tells one."""
OVERLAY_OVERHEAD_BYTES = 50
"""How much of each packet an overlay network takes for itself."""
SWARM_INTERFACES = ("docker_gwbridge",)
"""What only a swarm creates; docker0 is of the daemon, which may be there before us."""


@dataclass(frozen=True)
class Ranges:
    """The pool from which a swarm takes its subnets, and beside it the subnets that apps share."""

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
"""In order of preference. A swarm keeps the ranges that it was started with."""
BRIDGES = tuple(IPv4Network(f"172.{second}.0.0/16") for second in range(17, 32))
"""Docker takes the subnet of a bridge from these, the first free one; the swarm's bridge too."""


@dataclass(frozen=True)
class OccupiedNetwork:
    """A network that the machine has, and by what it has it, for people."""

    network: IPv4Network
    description: str


@dataclass(frozen=True)
class Networks:
    """What a machine is connected to: `outside` are the interfaces to the internet."""

    outside: tuple[str, ...]
    mtu: int
    occupied: tuple[OccupiedNetwork, ...]

    @property
    def overlay_mtu(self) -> int:
        """The MTU of an overlay network over them."""
        return self.mtu - OVERLAY_OVERHEAD_BYTES


async def read_networks(shell: Shell) -> Networks:
    """Read a machine's routes and addresses, by commands that run side by side."""
    results = await asyncio.gather(
        shell.run("ip", "-j", "route"),
        # This fails where the kernel has no IPv6.
        shell.run("ip", "-j", "-6", "route", check=False),
        shell.run("ip", "-j", "addr"),
    )
    return parse_networks(*(result.stdout for result in results))


def parse_networks(routes: str, routes6: str, addresses: str) -> Networks:
    """Return the networks in these outputs of iproute2, each a JSON list or nothing."""
    v4, v6, links = _objects(routes), _objects(routes6), _objects(addresses)
    defaults = [route for route in (*v4, *v6) if route.get("dst") == "default"]
    outside = tuple(dict.fromkeys(name for route in defaults for name in _devices(route)))
    sizes = [link.get("mtu") for link in links if link.get("ifname") in outside]
    sizes += [_route_mtu(route) for route in defaults]
    return Networks(
        outside=outside,
        mtu=min((size for size in sizes if isinstance(size, int)), default=DEFAULT_MTU),
        occupied=(*_of_routes(v4), *_of_links(links)),
    )


def choose_ranges(occupied: Iterable[OccupiedNetwork]) -> Ranges:
    """Return the first ranges that overlap no network of the machine.

    Raises `ProviderError` if all overlap one.
    """
    networks = list(occupied)
    bridge = next((one for one in BRIDGES if not _overlapped(networks, one)), None)
    if bridge is not None and not any(
        name in one.description for one in networks for name in SWARM_INTERFACES
    ):
        # The swarm's own bridge does not exist yet: Docker will create it here.
        networks.append(OccupiedNetwork(bridge, f"{bridge} of Docker's next bridge"))
    for ranges in RANGES:
        if not any(ranges.overlap(one.network) for one in networks):
            return ranges
    overlapped = next(one for one in networks if RANGES[0].overlap(one.network))
    tried = ", ".join(str(ranges.pool) for ranges in RANGES)
    raise ProviderError(
        f"no private range is free for the swarm: the first meets {overlapped.description}",
        hint=f"free one of {tried} with the networks beside it: ip route, on the machine",
    )


def ranges_of_pool(pool: str) -> Ranges | None:
    """Return the ranges of a swarm with this address pool, if it is one of ours."""
    return next((ranges for ranges in RANGES if str(ranges.pool) == pool), None)


def _overlapped(occupied: Iterable[OccupiedNetwork], network: IPv4Network) -> bool:
    return any(one.network.overlaps(network) for one in occupied)


def _of_routes(routes: list[dict[str, Any]]) -> Iterable[OccupiedNetwork]:
    for route in routes:
        network = _network(str(route.get("dst", "")))
        if network is not None:
            devices = " ".join(_devices(route))
            description = f"the route to {network} by {devices}".removesuffix(" by ")
            yield OccupiedNetwork(network, description)


def _of_links(links: list[dict[str, Any]]) -> Iterable[OccupiedNetwork]:
    for link in links:
        for address in link.get("addr_info", []):
            if address.get("family") == "inet" and link.get("ifname") != "lo":
                network = _network(f"{address.get('local')}/{address.get('prefixlen')}")
                if network is not None:
                    yield OccupiedNetwork(network, f"{network} of {link.get('ifname')}")


def _network(text: str) -> IPv4Network | None:
    """Return an IPv4 network; None for another text and for the default route."""
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        return None
    return found if isinstance(found, IPv4Network) and found.prefixlen else None


def _devices(route: dict[str, Any]) -> list[str]:
    """Return the interfaces of a route, which may have several next hops."""
    hops = [route, *route.get("nexthops", [])]
    return [str(hop["dev"]) for hop in hops if hop.get("dev")]


def _route_mtu(route: dict[str, Any]) -> int | None:
    """Return the MTU that a route sets for itself."""
    sizes = [metric.get("mtu") for metric in route.get("metrics", [])]
    return next((size for size in sizes if isinstance(size, int)), None)


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the objects that `ip -j` printed."""
    found = json.loads(text) if text.strip() else []
    return [one for one in found if isinstance(one, dict)]
