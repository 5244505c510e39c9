"""A simulated Docker Engine without its stacks: swarm, networks, secrets, volumes, images."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from livchat_sandbox.docker.images import family, missing
from livchat_sandbox.docker.state import EngineError, Holdings, Network, Secret, digest, identity
from livchat_sandbox.docker.tasks import Timeline

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock

NO_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect '
    "this node to swarm and try again."
)


class Swarm:
    """What stacks stand on. `EngineError` carries the engine's own words."""

    def __init__(self, held: Holdings, clock: Clock) -> None:
        self.held = held
        self.clock = clock
        self.timeline = Timeline(held, clock.scaled)

    def start(self, version: str) -> None:
        """The package is installed: the daemon runs."""
        held, now = self.held, self.clock.now()
        held.version, held.active = version, True
        for name, driver in (("bridge", "bridge"), ("host", "host"), ("none", "null")):
            subnet = "172.17.0.0/16" if name == "bridge" else ""
            held.networks.setdefault(name, self._network(name, driver, "local", subnet, now))

    def manager(self) -> None:
        """Raise unless this node is a swarm manager."""
        if self.held.swarm is None:
            raise EngineError(NO_MANAGER, 503)

    def swarm_init(self, address: str, pool: str, size: int) -> str:
        """Begin a swarm; answers the id of this node."""
        if self.held.swarm is not None:
            raise EngineError(
                'This node is already part of a swarm. Use "docker swarm leave" to leave this '
                "swarm and join another one.",
                503,
            )
        now, number = self.clock.now(), self.held.number()
        node = identity("node", self.held.name, address, number, now)
        self.held.swarm = {
            "id": identity("swarm", node),
            "node": node,
            "address": address,
            "pool": pool,
            "size": size,
            "created": now,
        }
        self.add("docker_gwbridge", "bridge", "local", "172.18.0.0/16")
        self.add("ingress", "overlay", "swarm", "10.0.0.0/24" if not pool else self.free_subnet())
        return node

    def swarm_leave(self) -> None:
        """Leave the swarm: what it held is gone, volumes and images stay."""
        if self.held.swarm is None:
            raise EngineError("This node is not part of a swarm", 503)
        self.held.swarm = None
        self.held.services.clear()
        self.held.secrets.clear()
        self.held.labels.clear()
        for name, network in list(self.held.networks.items()):
            if network.scope == "swarm":
                del self.held.networks[name]

    def network_create(
        self, name: str, subnet: str, options: dict[str, str], *, attachable: bool
    ) -> Network:
        """Make an overlay network."""
        self.manager()
        if name in self.held.networks:
            raise EngineError(f"network with name {name} already exists", 409)
        try:
            wanted = ipaddress.ip_network(subnet)
        except ValueError as error:
            raise EngineError(f"invalid CIDR address: {subnet}", 400) from error
        taken = [each.subnet for each in self.held.networks.values() if each.scope == "swarm"]
        if any(wanted.overlaps(ipaddress.ip_network(each)) for each in taken):
            raise EngineError(
                "invalid pool request: Pool overlaps with other one on this address space", 403
            )
        network = self.add(name, "overlay", "swarm", subnet)
        network.attachable, network.options = attachable, options
        return network

    def network_remove(self, name: str) -> None:
        """Remove a network that no service uses."""
        network = self.held.networks.get(name)
        if network is None:
            raise EngineError(f"network {name} not found", 404)
        for service in self.held.services.values():
            if name in service.spec.networks:
                raise EngineError(
                    "rpc error: code = FailedPrecondition desc = network "
                    f"{network.id} is in use by service {service.id}"
                )
        del self.held.networks[name]

    def secret_create(self, name: str, value: str) -> Secret:
        """Keep a secret under a name that is free."""
        self.manager()
        if name in self.held.secrets:
            raise EngineError(
                f"rpc error: code = AlreadyExists desc = secret {name} already exists", 409
            )
        now = self.clock.now()
        secret = Secret(identity("secret", name, self.held.number(), now), value, now)
        self.held.secrets[name] = secret
        return secret

    def secret_remove(self, name: str) -> None:
        """Forget a secret that no service uses."""
        users = [
            each.name for each in self.held.services.values() if name in each.spec.secrets.values()
        ]
        if users:
            raise EngineError(
                f"rpc error: code = InvalidArgument desc = secret '{name}' is in use by the "
                f"following service{'s' if len(users) > 1 else ''}: {', '.join(users)}"
            )
        del self.held.secrets[name]

    def volume_remove(self, name: str) -> None:
        """Remove a volume, and the data in it."""
        if name not in self.held.volumes:
            raise EngineError(f"get {name}: no such volume", 404)
        for service in self.held.services.values():
            if name in service.spec.volumes.values():
                container = self.timeline.tasks(service, self.clock.now())[0].container
                raise EngineError(f"remove {name}: volume is in use - [{container}]", 409)
        del self.held.volumes[name]

    def pull(self, image: str, at: float) -> float:
        """Begin to pull an image, unless it is there or on its way; when it will be there."""
        if missing(image):
            raise EngineError(f"manifest for {image} not found: manifest unknown", 404)
        took = self.clock.scaled(family(image).pull)
        return self.held.images.setdefault(image, at + took)

    def add(self, name: str, driver: str, scope: str, subnet: str) -> Network:
        """A network by this name, made if there is none."""
        return self.held.networks.setdefault(
            name, self._network(name, driver, scope, subnet, self.clock.now())
        )

    def _network(self, name: str, driver: str, scope: str, subnet: str, now: float) -> Network:
        number = self.held.number()
        made = identity if scope == "swarm" else digest
        return Network(made("network", name, number, now), driver, scope, subnet, now)

    def free_subnet(self) -> str:
        """The first subnet of the swarm's pool that is free."""
        swarm = self.held.swarm or {}
        pool = ipaddress.ip_network(swarm.get("pool") or "10.0.0.0/8")
        taken = [
            ipaddress.ip_network(each.subnet)
            for each in self.held.networks.values()
            if each.scope == "swarm"
        ]
        for candidate in pool.subnets(new_prefix=swarm.get("size") or 24):
            if not any(candidate.overlaps(each) for each in taken):
                return str(candidate)
        raise EngineError("could not find an available, non-overlapping IPv4 address pool")
