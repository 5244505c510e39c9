"""A simulated Docker Engine with its stacks: what the commands and Portainer bring about."""

from __future__ import annotations

from collections.abc import Mapping

from livchat_sandbox.docker import compose
from livchat_sandbox.docker.compose import Compose, ComposeError, Spec
from livchat_sandbox.docker.images import missing
from livchat_sandbox.docker.state import EngineError, Service, Volume, identity
from livchat_sandbox.docker.swarm import Swarm
from livchat_sandbox.docker.tasks import Task

_MONITOR = 5.0
"""Seconds for which an update is watched before it is rolled back."""


class Engine(Swarm):
    """The engine of one machine. `EngineError` carries the engine's own words."""

    def settle(self) -> bool:
        """Let what is due happen: the verdict on each update. Whether anything changed."""
        now, changed = self.clock.now(), False
        for service in self.held.services.values():
            if service.previous is not None and not service.verdict:
                changed |= self._judge(service, now)
        return changed

    def _judge(self, service: Service, now: float) -> bool:
        if self.timeline.settled(service, now):
            service.verdict = "completed"
        elif not self.timeline.failure(service, now):
            return False
        elif service.spec.failure_action == "rollback" and service.previous is not None:
            if now < service.updated + self.clock.scaled(_MONITOR):
                return False
            service.spec, service.previous = service.previous, service.spec
            service.generation, service.updated = service.generation + 1, now
            service.verdict = "rollback_completed"
        else:
            service.verdict = "paused"
        service.version += 1
        return True

    def deploy(
        self,
        stack: str,
        text: str,
        env: Mapping[str, str] | None = None,
        *,
        prune: bool = True,
        at: float | None = None,
    ) -> list[str]:
        """Deploy a stack at a moment (now); answers what Docker prints, line by line.

        `ComposeError` if the file cannot be read, `EngineError` if something under it is missing.
        """
        self.manager()
        now = self.clock.now() if at is None else at
        parsed = compose.read(stack, text, env)
        self._need(stack, parsed)
        said = []
        for name, body in parsed.networks.items():
            if name not in self.held.networks:
                network = self.add(name, "overlay", "swarm", self.free_subnet())
                network.stack = stack
                network.attachable = bool(body.get("attachable"))
                network.internal = bool(body.get("internal"))
                said.append(f"Creating network {name}")
        for volume in parsed.volumes:
            self.held.volumes.setdefault(volume, Volume(stack, now))
        wanted = {f"{stack}_{short}": spec for short, spec in parsed.services.items()}
        for name in [each.name for each in self.of(stack) if prune and each.name not in wanted]:
            said.append(f"Removing service {name}")
            del self.held.services[name]
        return [*said, *(self._service(stack, name, spec, now) for name, spec in wanted.items())]

    def remove(self, stack: str) -> list[str]:
        """Remove a stack's services and networks; volumes stay. Nothing said: nothing found."""
        said = []
        for service in self.of(stack):
            said.append(f"Removing service {service.name}")
            del self.held.services[service.name]
        for name, network in list(self.held.networks.items()):
            if network.stack == stack:
                said.append(f"Removing network {name}")
                del self.held.networks[name]
        return said

    def of(self, stack: str) -> list[Service]:
        """The services of a stack, by name."""
        found = [each for each in self.held.services.values() if each.stack == stack]
        return sorted(found, key=lambda service: service.name)

    def tasks(self, service: Service) -> list[Task]:
        """The tasks of a service at this moment."""
        return self.timeline.tasks(service, self.clock.now())

    def containers(self) -> list[Task]:
        """The tasks that have a running container."""
        return [
            task
            for service in self.held.services.values()
            for task in self.tasks(service)
            if task.alive
        ]

    def serving(self, service: Service) -> bool:
        """Whether a service answers at this moment."""
        return self.timeline.serving(service, self.clock.now())

    def _need(self, stack: str, compose: Compose) -> None:
        if not compose.services:
            raise ComposeError("no service selected")
        for network in compose.external_networks:
            if network not in self.held.networks:
                raise EngineError(
                    f'network "{network}" is declared as external, but could not be found. '
                    "You need to create a swarm-scoped network before the stack is deployed"
                )
        for secret in compose.external_secrets:
            if secret not in self.held.secrets:
                raise EngineError(f"secret not found: {secret} (stack {stack})")

    def _service(self, stack: str, name: str, spec: Spec, now: float) -> str:
        if not missing(spec.image):
            self.pull(spec.image, now)
        service = self.held.services.get(name)
        if service is None:
            made = Service(
                id=identity("service", name, self.held.number(), now),
                name=name,
                stack=stack,
                spec=spec,
                created=now,
                updated=now,
            )
            made.address = self._addresses(spec)
            self.held.services[name] = made
            return f"Creating service {name}"
        if service.spec != spec:
            service.previous, service.spec, service.verdict = service.spec, spec, ""
            service.generation, service.updated = service.generation + 1, now
            service.version += 1
            service.address = self._addresses(spec)
        return f"Updating service {name} (id: {service.id})"

    def _addresses(self, spec: Spec) -> int:
        first = self.held.counter + 1
        self.held.counter += max(spec.replicas, 1)
        return first
