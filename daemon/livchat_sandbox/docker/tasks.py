"""The tasks of a service at any moment: computed from when things began, never kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from livchat_sandbox.docker.compose import Spec
from livchat_sandbox.docker.images import Demand, Environment, family, missing
from livchat_sandbox.docker.postgres import Cluster
from livchat_sandbox.docker.state import Holdings, Service, Volume, digest, identity

_CREATE = 0.5
"""Seconds from an image that is there to a container that starts."""
_CRASH = 3.0
"""Seconds that a container lives which cannot log in to its database."""
_RESTART = 5.0
"""Swarm's default delay before it tries again."""
_JOB = 2.0
_QUICKEST = 0.02
"""Seconds that a try takes even where simulated work takes none: tries remain countable."""
_HISTORY = 4
"""How many ended tasks the swarm keeps of a slot."""


@dataclass(frozen=True)
class Task:
    """One task. `state` and `desired` are Docker's; `since` is when it came to be so.

    `serving` says that its process answers, which a running one without a health check need not.
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
        """The id of its container."""
        return digest("container", self.id)

    @property
    def sandbox(self) -> str:
        """The id of its network sandbox."""
        return digest("sandbox", self.id)

    @property
    def name(self) -> str:
        """Its name, as `docker service ps` shows it."""
        return f"{self.service.name}.{self.slot}"

    @property
    def alive(self) -> bool:
        """Whether a container runs for it."""
        return self.state in {"starting", "running"}

    @property
    def address(self) -> str:
        """The address of its container on docker_gwbridge."""
        place = self.service.address + self.slot - 1
        return f"172.18.{place // 250}.{place % 250 + 3}"


class Timeline:
    """Works out tasks from what an engine holds; `scaled` makes real seconds of simulated ones."""

    def __init__(self, held: Holdings, scaled: Callable[[float], float]) -> None:
        self._held = held
        self._scaled = scaled

    def tasks(self, service: Service, now: float) -> list[Task]:
        """The tasks of a service, by slot, the newest first."""
        found: list[Task] = []
        for slot in range(1, service.spec.replicas + 1):
            current = self._current(service, slot, now)
            found += current
            if service.previous is not None:
                found.append(self._replaced(service, slot, current[0]))
        return found

    def settled(self, service: Service, now: float) -> bool:
        """Whether all wanted tasks run, or have completed if it is a job."""
        wanted = "complete" if service.spec.mode.endswith("-job") else "running"
        good = {task.slot for task in self.tasks(service, now) if task.state == wanted}
        return len(good) >= service.spec.replicas

    def failure(self, service: Service, now: float) -> str | None:
        """The error of the newest task that failed or was rejected, if its like still fails."""
        for task in self.tasks(service, now):
            if task.error:
                return task.error
        return None

    def serving(self, service: Service, now: float) -> bool:
        """Whether some task of it answers."""
        return any(task.serving for task in self.tasks(service, now))

    def _current(self, service: Service, slot: int, now: float) -> list[Task]:
        spec, began = service.spec, service.updated
        if not self._placeable(spec):
            error = "no suitable node (scheduling constraints not satisfied on 1 node)"
            return [self._task(service, slot, 0, "pending", began, error)]
        if missing(spec.image):
            return self._rejected(service, slot, now)
        ready = max(self._held.images.get(spec.image, began), began)
        if now < ready:
            return [self._task(service, slot, 0, "preparing", began)]
        starts = ready + self._scaled(_CREATE)
        admitted, refusal = self._admission(service, now)
        if refusal:
            return self._crashing(service, slot, starts, refusal, now)
        return [self._healthy(service, slot, max(starts, admitted), starts, now)]

    def _placeable(self, spec: Spec) -> bool:
        facts = {f"node.labels.{key}": value for key, value in self._held.labels.items()}
        facts |= {"node.role": "manager", "node.hostname": self._held.name}
        for constraint in spec.constraints:
            key, equal, value = constraint.partition("==")
            if not equal:
                key, _, value = constraint.partition("!=")
            if (facts.get(key.strip(), "") == value.strip()) != bool(equal):
                return False
        return True

    def _healthy(
        self, service: Service, slot: int, from_: float, starts: float, now: float
    ) -> Task:
        spec = service.spec
        if spec.mode.endswith("-job"):
            ends = from_ + self._scaled(_JOB)
            state, since = ("complete", ends) if now >= ends else ("running", starts)
            return self._task(service, slot, 0, state, since)
        serves = from_ + self._scaled(family(spec.image).boot)
        if now < starts:
            return self._task(service, slot, 0, "starting", starts)
        if now < serves:
            state = "starting" if spec.checked else "running"
            return self._task(service, slot, 0, state, starts)
        since = serves if spec.checked else starts
        return self._task(service, slot, 0, "running", since, serving=True)

    def _crashing(
        self, service: Service, slot: int, starts: float, refusal: str, now: float
    ) -> list[Task]:
        if now < starts:
            return [self._task(service, slot, 0, "starting", starts)]
        lives = max(self._scaled(_CRASH), _QUICKEST)
        cycle = lives + max(self._scaled(_RESTART), _QUICKEST)
        attempt = int((now - starts) / cycle)
        begun = starts + attempt * cycle
        error = f"task: non-zero exit (1): {refusal}"
        past = [
            self._task(service, slot, number, "failed", starts + number * cycle + lives, error)
            for number in range(attempt - 1, max(attempt - 1 - _HISTORY, -1), -1)
        ]
        if now >= begun + lives:
            past.insert(0, self._task(service, slot, attempt, "failed", begun + lives, error))
            return [self._task(service, slot, attempt + 1, "ready", begun + lives), *past][:5]
        return [self._task(service, slot, attempt, "starting", begun), *past]

    def _rejected(self, service: Service, slot: int, now: float) -> list[Task]:
        # The registry is asked first: a rejection takes a second, and a new try follows it.
        cycle = max(self._scaled(1.0 + _RESTART), _QUICKEST)
        began, first = service.updated, service.updated + self._scaled(1.0)
        if now < first:
            return [self._task(service, slot, 0, "preparing", began)]
        attempt = int((now - first) / cycle)
        error = f"No such image: {service.spec.image}"
        past = [
            self._task(service, slot, number, "rejected", first + number * cycle, error)
            for number in range(attempt, max(attempt - _HISTORY, -1), -1)
        ]
        return [self._task(service, slot, attempt + 1, "preparing", first + attempt * cycle), *past]

    def _replaced(self, service: Service, slot: int, successor: Task) -> Task:
        previous = service.previous or service.spec
        stays = service.spec.start_first and successor.state != "running"
        number, created = service.generation - 1, service.created
        state, desired = ("running", "running") if stays else ("shutdown", "shutdown")
        if previous.mode.endswith("-job"):
            state = "complete"
        return Task(
            id=identity("task", service.id, number, slot, 0),
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

    def _task(  # noqa: PLR0913 - a task is this many facts
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
        wanted = "complete" if service.spec.mode.endswith("-job") else "running"
        return Task(
            id=identity("task", service.id, service.generation, slot, attempt),
            service=service,
            image=service.spec.image,
            slot=slot,
            attempt=attempt,
            state=state,
            desired=desired.get(state, wanted),
            since=since,
            created=service.updated if attempt == 0 else since,
            error=error,
            exit_code=1 if state == "failed" else 0,
            serving=serving,
        )

    def _admission(self, service: Service, now: float) -> tuple[float, str | None]:
        """Since when its database lets it in, and the error where it does not."""
        wants = family(service.spec.image).demand
        demand = wants(self.environment(service.spec)) if wants else None
        if demand is None:
            return 0.0, None
        host = self._resolve(service, demand)
        if host is None:
            return 0.0, f"getaddrinfo ENOTFOUND {demand.host}"
        if not self.serving(host, now):
            return 0.0, f"connect ECONNREFUSED {demand.host}:5432"
        return self.cluster(host).admits(demand.user, demand.password, demand.name)

    def environment(self, spec: Spec) -> Environment:
        """The variables of a container, with those ending in `_FILE` read from their secrets."""
        env = dict(spec.env)
        for key, path in spec.env.items():
            secret = self._held.secrets.get(spec.secrets.get(path, ""))
            if key.endswith("_FILE") and secret is not None:
                env.setdefault(key.removesuffix("_FILE"), secret.value.rstrip("\n"))
        return env

    def _resolve(self, asker: Service, demand: Demand) -> Service | None:
        for other in self._held.services.values():
            shared = set(asker.spec.networks) & set(other.spec.networks)
            names = {name for network in shared for name in other.spec.networks[network]}
            if shared and demand.host in {*names, other.name, f"tasks.{other.name}"}:
                return other if family(other.spec.image).name == "postgres" else None
        return None

    def cluster(self, service: Service) -> Cluster:
        """The data of a PostgreSQL service: in its volume, else as old as its container."""
        for target, name in service.spec.volumes.items():
            volume = self._held.volumes.get(name)
            if volume is not None and target.startswith("/var/lib/postgresql"):
                if volume.cluster is None:
                    volume.cluster = Cluster.fresh(service.updated)
                return volume.cluster
        # Without a volume of its own it has an anonymous one, as the image declares.
        anonymous = self._held.volumes.setdefault(
            digest("volume", service.id),
            Volume("", service.created, Cluster.fresh(service.updated)),
        )
        if anonymous.cluster is None:
            anonymous.cluster = Cluster.fresh(service.updated)
        return anonymous.cluster
