"""A simulated Docker engine with its stacks, which commands and Portainer deploy and remove."""

from __future__ import annotations

from collections.abc import Mapping

from livchat_sandbox.docker import compose
from livchat_sandbox.docker.compose import Compose, ComposeError, Spec
from livchat_sandbox.docker.images import not_in_registry
from livchat_sandbox.docker.state import EngineError, Service, Volume, swarm_id
from livchat_sandbox.docker.swarm import Swarm
from livchat_sandbox.docker.tasks import Task

_MONITOR_SECONDS = 5.0
"""Simulated seconds for which an update is watched before it is rolled back."""


class Engine(Swarm):
    """The engine of one machine."""

    def judge_updates(self) -> bool:
        """Judge the updates that succeeded or failed by now; return whether anything changed."""
        now, changed = self.clock.now(), False
        for service in self.state.services.values():
            if service.previous is not None and not service.verdict:
                changed |= self._judge(service, now)
        return changed

    def _judge(self, service: Service, now: float) -> bool:
        if self.timeline.is_settled(service, now):
            service.verdict = "completed"
        elif not self.timeline.failure(service, now):
            return False
        elif service.spec.failure_action == "rollback" and service.previous is not None:
            if now < service.updated + self.clock.scaled(_MONITOR_SECONDS):
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
        """Deploy a stack at a moment (now); return what Docker prints, line by line.

        Raises `ComposeError` if the file cannot be read, `EngineError` if something is missing that
        the stack needs.
        """
        self.require_manager()
        now = self.clock.now() if at is None else at
        parsed = compose.parse(stack, text, env)
        self._require_externals(stack, parsed)
        output = []
        for name, body in parsed.networks.items():
            if name not in self.state.networks:
                network = self.ensure_network(name, "overlay", "swarm", self.free_subnet())
                network.stack = stack
                network.attachable = bool(body.get("attachable"))
                network.internal = bool(body.get("internal"))
                output.append(f"Creating network {name}")
        for volume in parsed.volumes:
            self.state.volumes.setdefault(volume, Volume(stack, now))
        specs = {f"{stack}_{short}": spec for short, spec in parsed.services.items()}
        for name in [
            each.name for each in self.services_of(stack) if prune and each.name not in specs
        ]:
            output.append(f"Removing service {name}")
            del self.state.services[name]
        return [
            *output,
            *(self._create_or_update(stack, name, spec, now) for name, spec in specs.items()),
        ]

    def remove(self, stack: str) -> list[str]:
        """Remove a stack's services and networks; volumes stay.

        Returns what Docker prints, line by line: nothing if there is no such stack.
        """
        output = []
        for service in self.services_of(stack):
            output.append(f"Removing service {service.name}")
            del self.state.services[service.name]
        for name, network in list(self.state.networks.items()):
            if network.stack == stack:
                output.append(f"Removing network {name}")
                del self.state.networks[name]
        return output

    def services_of(self, stack: str) -> list[Service]:
        """Return the services of a stack in the order of their names."""
        services = [each for each in self.state.services.values() if each.stack == stack]
        return sorted(services, key=lambda service: service.name)

    def tasks(self, service: Service) -> list[Task]:
        """Return the tasks of a service at this moment."""
        return self.timeline.tasks(service, self.clock.now())

    def containers(self) -> list[Task]:
        """Return the tasks that have a running container."""
        return [
            task
            for service in self.state.services.values()
            for task in self.tasks(service)
            if task.alive
        ]

    def is_serving(self, service: Service) -> bool:
        """Whether a service answers at this moment."""
        return self.timeline.is_serving(service, self.clock.now())

    def _require_externals(self, stack: str, compose: Compose) -> None:
        if not compose.services:
            raise ComposeError("no service selected")
        for network in compose.external_networks:
            if network not in self.state.networks:
                raise EngineError(
                    f'network "{network}" is declared as external, but could not be found. '
                    "You need to create a swarm-scoped network before the stack is deployed"
                )
        for secret in compose.external_secrets:
            if secret not in self.state.secrets:
                raise EngineError(f"secret not found: {secret} (stack {stack})")

    def _create_or_update(self, stack: str, name: str, spec: Spec, now: float) -> str:
        if not not_in_registry(spec.image):
            self.pull(spec.image, now)
        service = self.state.services.get(name)
        if service is None:
            created = Service(
                id=swarm_id("service", name, self.state.next_number(), now),
                name=name,
                stack=stack,
                spec=spec,
                created=now,
                updated=now,
            )
            created.address = self._take_addresses(spec)
            self.state.services[name] = created
            return f"Creating service {name}"
        if service.spec != spec:
            service.previous, service.spec, service.verdict = service.spec, spec, ""
            service.generation, service.updated = service.generation + 1, now
            service.version += 1
            service.address = self._take_addresses(spec)
        return f"Updating service {name} (id: {service.id})"

    def _take_addresses(self, spec: Spec) -> int:
        first = self.state.counter + 1
        self.state.counter += max(spec.replicas, 1)
        return first
