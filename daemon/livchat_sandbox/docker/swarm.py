"""What stacks of a simulated Docker engine stand on: swarm, networks, secrets, volumes, images."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from livchat_sandbox.docker.images import not_in_registry, profile_of
from livchat_sandbox.docker.state import EngineError, EngineState, Network, Secret, hex_id, swarm_id
from livchat_sandbox.docker.tasks import Timeline

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock

NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect '
    "this node to swarm and try again."
)


class Swarm:
    """The engine without its stacks. Every method may raise an `EngineError` in Docker's words."""

    def __init__(self, state: EngineState, clock: Clock) -> None:
        self.state = state
        self.clock = clock
        self.timeline = Timeline(state, clock.scaled)

    def start(self, version: str) -> None:
        """Start the daemon of a version, which has just been installed."""
        state, now = self.state, self.clock.now()
        state.version, state.active = version, True
        for name, driver in (("bridge", "bridge"), ("host", "host"), ("none", "null")):
            subnet = "172.17.0.0/16" if name == "bridge" else ""
            state.networks.setdefault(name, self._network(name, driver, "local", subnet, now))

    def require_manager(self) -> None:
        """Raise an `EngineError` unless this node is a swarm manager."""
        if self.state.swarm is None:
            raise EngineError(NOT_A_MANAGER, 503)

    def swarm_init(self, address: str, pool: str, size: int) -> str:
        """Begin a swarm; return the id of this node."""
        if self.state.swarm is not None:
            raise EngineError(
                'This node is already part of a swarm. Use "docker swarm leave" to leave this '
                "swarm and join another one.",
                503,
            )
        now, number = self.clock.now(), self.state.next_number()
        node = swarm_id("node", self.state.name, address, number, now)
        self.state.swarm = {
            "id": swarm_id("swarm", node),
            "node": node,
            "address": address,
            "pool": pool,
            "size": size,
            "created": now,
        }
        self.ensure_network("docker_gwbridge", "bridge", "local", "172.18.0.0/16")
        self.ensure_network(
            "ingress", "overlay", "swarm", "10.0.0.0/24" if not pool else self.free_subnet()
        )
        return node

    def swarm_leave(self) -> None:
        """Leave the swarm: what belongs to it is gone, volumes and images stay."""
        if self.state.swarm is None:
            raise EngineError("This node is not part of a swarm", 503)
        self.state.swarm = None
        self.state.services.clear()
        self.state.secrets.clear()
        self.state.labels.clear()
        for name, network in list(self.state.networks.items()):
            if network.scope == "swarm":
                del self.state.networks[name]

    def network_create(
        self, name: str, subnet: str, options: dict[str, str], *, attachable: bool
    ) -> Network:
        """Create an overlay network, whose subnet may overlap with no other."""
        self.require_manager()
        if name in self.state.networks:
            raise EngineError(f"network with name {name} already exists", 409)
        try:
            requested = ipaddress.ip_network(subnet)
        except ValueError as error:
            raise EngineError(f"invalid CIDR address: {subnet}", 400) from error
        in_use = [each.subnet for each in self.state.networks.values() if each.scope == "swarm"]
        if any(requested.overlaps(ipaddress.ip_network(each)) for each in in_use):
            raise EngineError(
                "invalid pool request: Pool overlaps with other one on this address space", 403
            )
        network = self.ensure_network(name, "overlay", "swarm", subnet)
        network.attachable, network.options = attachable, options
        return network

    def network_remove(self, name: str) -> None:
        """Remove a network that no service uses."""
        network = self.state.networks.get(name)
        if network is None:
            raise EngineError(f"network {name} not found", 404)
        for service in self.state.services.values():
            if name in service.spec.networks:
                raise EngineError(
                    "rpc error: code = FailedPrecondition desc = network "
                    f"{network.id} is in use by service {service.id}"
                )
        del self.state.networks[name]

    def secret_create(self, name: str, value: str) -> Secret:
        """Create a secret under a name that is free."""
        self.require_manager()
        if name in self.state.secrets:
            raise EngineError(
                f"rpc error: code = AlreadyExists desc = secret {name} already exists", 409
            )
        now = self.clock.now()
        secret = Secret(swarm_id("secret", name, self.state.next_number(), now), value, now)
        self.state.secrets[name] = secret
        return secret

    def secret_remove(self, name: str) -> None:
        """Remove a secret that no service uses."""
        users = [
            each.name for each in self.state.services.values() if name in each.spec.secrets.values()
        ]
        if users:
            raise EngineError(
                f"rpc error: code = InvalidArgument desc = secret '{name}' is in use by the "
                f"following service{'s' if len(users) > 1 else ''}: {', '.join(users)}"
            )
        del self.state.secrets[name]

    def volume_remove(self, name: str) -> None:
        """Remove a volume, and the data in it."""
        if name not in self.state.volumes:
            raise EngineError(f"get {name}: no such volume", 404)
        for service in self.state.services.values():
            if name in service.spec.volumes.values():
                container = self.timeline.tasks(service, self.clock.now())[0].container
                raise EngineError(f"remove {name}: volume is in use - [{container}]", 409)
        del self.state.volumes[name]

    def pull(self, image: str, at: float) -> float:
        """Begin to pull an image, unless it is there or being pulled; return when it is there.

        Both moments are seconds since 1970.
        """
        if not_in_registry(image):
            raise EngineError(f"manifest for {image} not found: manifest unknown", 404)
        seconds = self.clock.scaled(profile_of(image).pull)
        return self.state.images.setdefault(image, at + seconds)

    def ensure_network(self, name: str, driver: str, scope: str, subnet: str) -> Network:
        """Return the network of a name, which is made if there is none."""
        return self.state.networks.setdefault(
            name, self._network(name, driver, scope, subnet, self.clock.now())
        )

    def _network(self, name: str, driver: str, scope: str, subnet: str, now: float) -> Network:
        number = self.state.next_number()
        make_id = swarm_id if scope == "swarm" else hex_id
        return Network(make_id("network", name, number, now), driver, scope, subnet, now)

    def free_subnet(self) -> str:
        """Return the first free subnet of the swarm's address pool."""
        swarm = self.state.swarm or {}
        pool = ipaddress.ip_network(swarm.get("pool") or "10.0.0.0/8")
        in_use = [
            ipaddress.ip_network(each.subnet)
            for each in self.state.networks.values()
            if each.scope == "swarm"
        ]
        for candidate in pool.subnets(new_prefix=swarm.get("size") or 24):
            if not any(candidate.overlaps(each) for each in in_use):
                return str(candidate)
        raise EngineError("could not find an available, non-overlapping IPv4 address pool")
