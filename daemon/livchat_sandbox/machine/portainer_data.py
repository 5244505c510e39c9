"""What a simulated Portainer keeps in its volume: its administrator, environments and stacks."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from livchat_sandbox.docker.compose import ComposeError
from livchat_sandbox.docker.images import profile_of
from livchat_sandbox.docker.state import EngineError, Service

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock
    from livchat_sandbox.docker.engine import Engine

ACTIVE, INACTIVE, DEPLOYING, ERROR = 1, 2, 3, 4
_SUBMIT_SECONDS = 1.0
"""Simulated seconds until a stack that is deployed reaches the swarm."""
_WATCH_SECONDS = 30.0
"""Simulated seconds for which Portainer watches whether a task fails early."""


@dataclass
class PortainerStack:
    """A stack that was made through Portainer; `applied` says that it has reached the swarm."""

    id: int
    name: str
    swarm: str
    endpoint: int
    file: str
    env: list[dict[str, str]]
    created: float
    updated: float = 0.0
    prune: bool = True
    status: int = DEPLOYING
    submit_at: float = 0.0
    applied: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class PortainerData:
    """Portainer's own data, which lives as long as its volume; the field names are keys on disk."""

    password: str | None = None
    key: str = ""
    """What identifies the volume that the data is in."""
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    environments: dict[int, str] = field(default_factory=dict)
    """Name by id."""
    stacks: dict[int, PortainerStack] = field(default_factory=dict)
    counter: int = 0
    guarded: bool = True
    """Whether the first administrator needs the set-up token from the server's log."""

    def instance_id(self) -> str:
        """Return the id of this installation."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"portainer:{self.key}"))

    def signing_key(self) -> str:
        """Return the key that signs tokens, which is another for each volume."""
        return f"{self.salt}:{self.key}"

    def dump(self) -> dict[str, Any]:
        """Return the data as JSON data."""
        return asdict(self)

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> PortainerData:
        """Return the data of a dump."""
        stacks = {int(key): PortainerStack(**stack) for key, stack in dumped["stacks"].items()}
        environments = {int(key): name for key, name in dumped["environments"].items()}
        return cls(**{**dumped, "stacks": stacks, "environments": environments})

    def service(self, engine: Engine) -> Service | None:
        """Return the service that runs Portainer, or None."""
        for service in engine.state.services.values():
            if profile_of(service.spec.image).name == "portainer":
                return service
        return None

    def is_serving(self, engine: Engine) -> bool:
        """Whether Portainer's container answers."""
        service = self.service(engine)
        return service is not None and engine.is_serving(service)

    def advance_to_now(self, engine: Engine, clock: Clock) -> bool:
        """Go on with what runs in the background; return whether anything changed."""
        changed = self._initialize(engine)
        for stack in self.stacks.values():
            if stack.status == DEPLOYING:
                changed |= self._submit(stack, engine, clock)
                changed |= stack.applied and self._watch(stack, engine, clock)
        return changed

    def _initialize(self, engine: Engine) -> bool:
        """Make the administrator and the environment at the first start on an empty volume.

        Returns whether this was such a start.
        """
        service = self.service(engine)
        if service is None or not self.is_serving(engine):
            return False
        volume = engine.state.volumes.get(service.spec.volumes.get("/data", ""))
        key = f"{service.id}:{service.generation}" if volume is None else f"{volume.created}"
        if key == self.key:
            return False
        self.key, self.password = key, None
        self.environments, self.stacks, self.guarded = {}, {}, True
        command = service.spec.command
        for flag, path in zip(command, [*command[1:], ""], strict=True):
            name, _, value = flag.partition("=")
            if name == "--admin-password-file":
                self.password = self._secret(engine, service, value or path)
            if name == "--no-setup-token":
                self.guarded = False
            if name in {"-H", "--host"}:
                self.environments = {1: "primary"}
        return True

    def _secret(self, engine: Engine, service: Service, path: str) -> str | None:
        secret = engine.state.secrets.get(service.spec.secrets.get(path, ""))
        return secret.value.rstrip("\r\n") if secret else None

    def next_id(self) -> int:
        """Return the next id."""
        self.counter += 1
        return self.counter

    def deploy(self, stack: PortainerStack, clock: Clock) -> None:
        """Begin to deploy a stack in the background."""
        now = clock.now()
        stack.status, stack.applied = DEPLOYING, False
        stack.submit_at = now + clock.scaled(_SUBMIT_SECONDS)
        stack.history = [{"Status": DEPLOYING, "Time": int(now)}]

    def _submit(self, stack: PortainerStack, engine: Engine, clock: Clock) -> bool:
        if stack.applied or clock.now() < stack.submit_at:
            return False
        env = {pair["name"]: pair["value"] for pair in stack.env}
        try:
            engine.deploy(stack.name, stack.file, env, prune=stack.prune, at=stack.submit_at)
        except (ComposeError, EngineError) as refusal:
            self._end(stack, ERROR, clock, f"failed to deploy a stack: {refusal}")
            return True
        stack.applied = True
        return True

    def _watch(self, stack: PortainerStack, engine: Engine, clock: Clock) -> bool:
        now, services = clock.now(), engine.services_of(stack.name)
        for service in services:
            if error := engine.timeline.failure(service, now):
                self._end(stack, ERROR, clock, f"service {service.name}: {error}")
                return True
        settled = all(engine.timeline.is_settled(service, now) for service in services)
        if not settled and now < stack.submit_at + clock.scaled(_WATCH_SECONDS):
            return False
        self._end(stack, ACTIVE, clock)
        return True

    def _end(self, stack: PortainerStack, status: int, clock: Clock, message: str = "") -> None:
        stack.status = status
        entry: dict[str, Any] = {"Status": status, "Time": int(clock.now())}
        if message:
            entry["Message"] = message
        stack.history.append(entry)
