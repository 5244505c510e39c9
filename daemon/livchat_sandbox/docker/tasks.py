"""The tasks of a service at any moment, computed from when things began and never stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from livchat_sandbox.docker.compose import Spec
from livchat_sandbox.docker.images import DatabaseLogin, Environment, not_in_registry, profile_of
from livchat_sandbox.docker.postgres import Cluster
from livchat_sandbox.docker.state import EngineState, Service, Volume, hex_id, swarm_id

_CREATE_SECONDS = 0.5
"""Simulated seconds from a pulled image to the start of a container."""
_CRASH_SECONDS = 3.0
"""Simulated seconds for which a container lives that cannot log in to its database."""
_RESTART_SECONDS = 5.0
"""Simulated seconds until swarm starts another task in place of a failed one; its default."""
_JOB_SECONDS = 2.0
"""Simulated seconds that the container of a job runs."""
_REGISTRY_SECONDS = 1.0
"""Simulated seconds until a registry answers that it has no such image."""
_MIN_REAL_SECONDS = 0.02
"""Real seconds that an attempt takes at least, so that attempts can be counted at any scale."""
_KEPT_TASKS = 4
"""How many ended tasks of a slot the swarm keeps."""


@dataclass(frozen=True)
class Task:
    """One task. `state` and `desired` are Docker's words, `since` is when the state began.

    `serving` says that its process answers: a running one without a health check may not yet.
    """

    id: str
    service: Service
    image: str
    slot: int
    attempt: int
    state: str
    desired: str
    since: float
    created: float
    error: str = ""
    exit_code: int = 0
    serving: bool = False

    @property
    def container(self) -> str:
        """The id of the task's container."""
        return hex_id("container", self.id)

    @property
    def sandbox(self) -> str:
        """The id of the task's network sandbox."""
        return hex_id("sandbox", self.id)

    @property
    def name(self) -> str:
        """The task's name, as `docker service ps` shows it."""
        return f"{self.service.name}.{self.slot}"

    @property
    def alive(self) -> bool:
        """Whether a container runs for the task."""
        return self.state in {"starting", "running"}

    @property
    def address(self) -> str:
        """The address of the task's container on docker_gwbridge."""
        number = self.service.address + self.slot - 1
        return f"172.18.{number // 250}.{number % 250 + 3}"


class Timeline:
    """Computes tasks from an engine's state; `scaled` turns simulated seconds into real ones."""

    def __init__(self, state: EngineState, scaled: Callable[[float], float]) -> None:
        self._state = state
        self._scaled = scaled

    def tasks(self, service: Service, now: float) -> list[Task]:
        """Return the tasks of a service by slot, the newest of a slot first."""
        tasks: list[Task] = []
        for slot in range(1, service.spec.replicas + 1):
            current = self._current(service, slot, now)
            tasks += current
            if service.previous is not None:
                tasks.append(self._replaced(service, slot, current[0]))
        return tasks

    def is_settled(self, service: Service, now: float) -> bool:
        """Whether all replicas of a service run, or have completed if it is a job."""
        state = "complete" if service.spec.mode.endswith("-job") else "running"
        slots = {task.slot for task in self.tasks(service, now) if task.state == state}
        return len(slots) >= service.spec.replicas

    def failure(self, service: Service, now: float) -> str | None:
        """Return the error of the newest task that failed or was rejected, or None."""
        for task in self.tasks(service, now):
            if task.error:
                return task.error
        return None

    def is_serving(self, service: Service, now: float) -> bool:
        """Whether a task of a service answers."""
        return any(task.serving for task in self.tasks(service, now))

    def _current(self, service: Service, slot: int, now: float) -> list[Task]:
        spec, began = service.spec, service.updated
        if not self._placeable(spec):
            unmet = "no suitable node (scheduling constraints not satisfied on 1 node)"
            return [self._task(service, slot, 0, "pending", began, unmet)]
        if not_in_registry(spec.image):
            return self._rejected(service, slot, now)
        ready = max(self._state.images.get(spec.image, began), began)
        if now < ready:
            return [self._task(service, slot, 0, "preparing", began)]
        starts = ready + self._scaled(_CREATE_SECONDS)
        login_since, error = self._database_login(service, now)
        if error:
            return self._crashing(service, slot, starts, error, now)
        return [self._healthy(service, slot, max(starts, login_since), starts, now)]

    def _placeable(self, spec: Spec) -> bool:
        """Whether the only node meets all placement constraints."""
        facts = {f"node.labels.{key}": value for key, value in self._state.labels.items()}
        facts |= {"node.role": "manager", "node.hostname": self._state.name}
        for constraint in spec.constraints:
            key, equal, value = constraint.partition("==")
            if not equal:
                key, _, value = constraint.partition("!=")
            if (facts.get(key.strip(), "") == value.strip()) != bool(equal):
                return False
        return True

    def _healthy(
        self, service: Service, slot: int, begins: float, starts: float, now: float
    ) -> Task:
        """Return a task whose container starts, and whose process begins its work at `begins`."""
        spec = service.spec
        if spec.mode.endswith("-job"):
            ends = begins + self._scaled(_JOB_SECONDS)
            state, since = ("complete", ends) if now >= ends else ("running", starts)
            return self._task(service, slot, 0, state, since)
        serves = begins + self._scaled(profile_of(spec.image).boot)
        if now < starts:
            return self._task(service, slot, 0, "starting", starts)
        if now < serves:
            state = "starting" if spec.checked else "running"
            return self._task(service, slot, 0, state, starts)
        since = serves if spec.checked else starts
        return self._task(service, slot, 0, "running", since, serving=True)

    def _crashing(
        self, service: Service, slot: int, starts: float, message: str, now: float
    ) -> list[Task]:
        """Return the tasks of a slot whose containers fail with a message, one after the other."""
        if now < starts:
            return [self._task(service, slot, 0, "starting", starts)]
        lifetime = max(self._scaled(_CRASH_SECONDS), _MIN_REAL_SECONDS)
        cycle = lifetime + max(self._scaled(_RESTART_SECONDS), _MIN_REAL_SECONDS)
        attempt = int((now - starts) / cycle)
        began = starts + attempt * cycle
        error = f"task: non-zero exit (1): {message}"
        past = [
            self._task(service, slot, number, "failed", starts + number * cycle + lifetime, error)
            for number in range(attempt - 1, max(attempt - 1 - _KEPT_TASKS, -1), -1)
        ]
        if now >= began + lifetime:
            past.insert(0, self._task(service, slot, attempt, "failed", began + lifetime, error))
            return [self._task(service, slot, attempt + 1, "ready", began + lifetime), *past][:5]
        return [self._task(service, slot, attempt, "starting", began), *past]

    def _rejected(self, service: Service, slot: int, now: float) -> list[Task]:
        """Return the tasks of a slot whose image no registry has, one after the other."""
        cycle = max(self._scaled(_REGISTRY_SECONDS + _RESTART_SECONDS), _MIN_REAL_SECONDS)
        began, first = service.updated, service.updated + self._scaled(_REGISTRY_SECONDS)
        if now < first:
            return [self._task(service, slot, 0, "preparing", began)]
        attempt = int((now - first) / cycle)
        error = f"No such image: {service.spec.image}"
        past = [
            self._task(service, slot, number, "rejected", first + number * cycle, error)
            for number in range(attempt, max(attempt - _KEPT_TASKS, -1), -1)
        ]
        return [self._task(service, slot, attempt + 1, "preparing", first + attempt * cycle), *past]

    def _replaced(self, service: Service, slot: int, successor: Task) -> Task:
        """Return the task of the specification before, which an update replaces."""
        previous = service.previous or service.spec
        stays = service.spec.start_first and successor.state != "running"
        number, created = service.generation - 1, service.created
        state, desired = ("running", "running") if stays else ("shutdown", "shutdown")
        if previous.mode.endswith("-job"):
            state = "complete"
        return Task(
            id=swarm_id("task", service.id, number, slot, 0),
            service=service,
            image=previous.image,
            slot=slot,
            attempt=0,
            state=state,
            desired=desired,
            since=created if stays else service.updated,
            created=created,
            serving=stays,
        )

    def _task(  # noqa: PLR0913 - a task has this many fields
        self,
        service: Service,
        slot: int,
        attempt: int,
        state: str,
        since: float,
        error: str = "",
        *,
        serving: bool = False,
    ) -> Task:
        desired = {"complete": "complete", "failed": "shutdown", "rejected": "shutdown"}
        default = "complete" if service.spec.mode.endswith("-job") else "running"
        return Task(
            id=swarm_id("task", service.id, service.generation, slot, attempt),
            service=service,
            image=service.spec.image,
            slot=slot,
            attempt=attempt,
            state=state,
            desired=desired.get(state, default),
            since=since,
            created=service.updated if attempt == 0 else since,
            error=error,
            exit_code=1 if state == "failed" else 0,
            serving=serving,
        )

    def _database_login(self, service: Service, now: float) -> tuple[float, str | None]:
        """Return since when a service can log in to its database, and the error if it cannot."""
        find_login = profile_of(service.spec.image).database_login
        login = find_login(self.environment(service.spec)) if find_login else None
        if login is None:
            return 0.0, None
        host = self._resolve(service, login)
        if host is None:
            return 0.0, f"getaddrinfo ENOTFOUND {login.host}"
        if not self.is_serving(host, now):
            return 0.0, f"connect ECONNREFUSED {login.host}:5432"
        return self.cluster(host).check_login(login.user, login.password, login.name)

    def environment(self, spec: Spec) -> Environment:
        """Return a container's variables, with those of secrets that a `_FILE` variable names."""
        env = dict(spec.env)
        for key, path in spec.env.items():
            secret = self._state.secrets.get(spec.secrets.get(path, ""))
            if key.endswith("_FILE") and secret is not None:
                env.setdefault(key.removesuffix("_FILE"), secret.value.rstrip("\n"))
        return env

    def _resolve(self, service: Service, login: DatabaseLogin) -> Service | None:
        """Return the PostgreSQL service that a login's host names on the service's networks."""
        for other in self._state.services.values():
            shared = set(service.spec.networks) & set(other.spec.networks)
            names = {name for network in shared for name in other.spec.networks[network]}
            if shared and login.host in {*names, other.name, f"tasks.{other.name}"}:
                return other if profile_of(other.spec.image).name == "postgres" else None
        return None

    def cluster(self, service: Service) -> Cluster:
        """Return the data of a PostgreSQL service, in its named volume or in an anonymous one."""
        for target, name in service.spec.volumes.items():
            volume = self._state.volumes.get(name)
            if volume is not None and target.startswith("/var/lib/postgresql"):
                if volume.cluster is None:
                    volume.cluster = Cluster.initialized(service.updated)
                return volume.cluster
        # The image declares a volume: without a named one the container gets an anonymous one.
        anonymous = self._state.volumes.setdefault(
            hex_id("volume", service.id),
            Volume("", service.created, Cluster.initialized(service.updated)),
        )
        if anonymous.cluster is None:
            anonymous.cluster = Cluster.initialized(service.updated)
        return anonymous.cluster
