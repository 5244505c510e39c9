"""What a simulated Portainer keeps in its volume: its administrator, environments and stacks."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from livchat_sandbox.docker.compose import ComposeError
from livchat_sandbox.docker.images import family
from livchat_sandbox.docker.state import EngineError, Service

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock
    from livchat_sandbox.docker.engine import Engine

ACTIVE, INACTIVE, DEPLOYING, ERROR = 1, 2, 3, 4
_SUBMIT = 1.0
_WATCH = 30.0
"""Seconds for which Portainer looks whether a task fails early."""


@dataclass
class Stack:
    """A stack that was made through Portainer; `applied` says that the swarm has got it."""

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
class Portainer:
    """Portainer's own data. It lives as long as its volume does."""

    password: str | None = None
    key: str = ""
    """Which volume the data is in."""
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    environments: dict[int, str] = field(default_factory=dict)
    """Name by id."""
    stacks: dict[int, Stack] = field(default_factory=dict)
    counter: int = 0
    guarded: bool = True
    """Whether the first administrator needs the set-up token from the server's log."""

    def instance(self) -> str:
        """The id of this installation."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"portainer:{self.key}"))

    def signing_key(self) -> str:
        """What tokens are signed with: another volume, another key."""
        return f"{self.salt}:{self.key}"

    def dump(self) -> dict[str, Any]:
        """The data as JSON."""
        return asdict(self)

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Portainer:
        """The data from a dump."""
        stacks = {int(key): Stack(**stack) for key, stack in dumped["stacks"].items()}
        environments = {int(key): name for key, name in dumped["environments"].items()}
        return cls(**{**dumped, "stacks": stacks, "environments": environments})

    def service(self, engine: Engine) -> Service | None:
        """The service that runs Portainer, or None."""
        for service in engine.held.services.values():
            if family(service.spec.image).name == "portainer":
                return service
        return None

    def answers(self, engine: Engine) -> bool:
        """Whether its container answers."""
        service = self.service(engine)
        return service is not None and engine.serving(service)

    def settle(self, engine: Engine, clock: Clock) -> bool:
        """Go on with what runs in the background. Whether anything changed."""
        changed = self._begin(engine)
        for stack in self.stacks.values():
            if stack.status == DEPLOYING:
                changed |= self._submit(stack, engine, clock)
                changed |= stack.applied and self._watch(stack, engine, clock)
        return changed

    def _begin(self, engine: Engine) -> bool:
        """The first start on an empty volume makes the administrator and the environment."""
        service = self.service(engine)
        if service is None or not self.answers(engine):
            return False
        volume = engine.held.volumes.get(service.spec.volumes.get("/data", ""))
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
        secret = engine.held.secrets.get(service.spec.secrets.get(path, ""))
        return secret.value.rstrip("\r\n") if secret else None

    def number(self) -> int:
        """The next id."""
        self.counter += 1
        return self.counter

    def deploy(self, stack: Stack, clock: Clock) -> None:
        """Begin to deploy a stack in the background."""
        now = clock.now()
        stack.status, stack.applied = DEPLOYING, False
        stack.submit_at = now + clock.scaled(_SUBMIT)
        stack.history = [{"Status": DEPLOYING, "Time": int(now)}]

    def _submit(self, stack: Stack, engine: Engine, clock: Clock) -> bool:
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

    def _watch(self, stack: Stack, engine: Engine, clock: Clock) -> bool:
        now, services = clock.now(), engine.of(stack.name)
        for service in services:
            if error := engine.timeline.failure(service, now):
                self._end(stack, ERROR, clock, f"service {service.name}: {error}")
                return True
        settled = all(engine.timeline.settled(service, now) for service in services)
        if not settled and now < stack.submit_at + clock.scaled(_WATCH):
            return False
        self._end(stack, ACTIVE, clock)
        return True

    def _end(self, stack: Stack, status: int, clock: Clock, message: str = "") -> None:
        stack.status = status
        entry: dict[str, Any] = {"Status": status, "Time": int(clock.now())}
        if message:
            entry["Message"] = message
        stack.history.append(entry)
