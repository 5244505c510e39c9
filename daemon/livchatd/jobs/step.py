"""Step, Run and Workflow: what the engine runs, and what a step sees of its job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from livchat.wire.jobs import JobStatus


class Learnt(BaseModel):
    """What the steps of a job found out and later steps need; durable, without secrets."""

    model_config = ConfigDict(validate_assignment=True, extra="forbid", defer_build=True)


P = TypeVar("P", bound=BaseModel)
L = TypeVar("L", bound=Learnt)
L_co = TypeVar("L_co", bound=Learnt, covariant=True)
L_contra = TypeVar("L_contra", bound=Learnt, contravariant=True)


class Run(Protocol[L_co]):
    """What a step sees of the job that it is part of."""

    @property
    def job_id(self) -> str:
        """The job."""

    @property
    def origin(self) -> str:
        """The first job of a chain of retries: the label of what is bought."""

    @property
    def learnt(self) -> L_co:
        """What has been learnt; assign to its fields. Durable when the step ends, or by `save`."""

    @property
    def attempt(self) -> int:
        """1 at the first try of this step."""

    async def save(self) -> None:
        """Make what has been learnt durable now: before waiting for what was ordered."""

    def log(self, message: str, level: str = "info") -> None:
        """Add lines to the job's log, under this step. Never blocks; order is kept."""

    def progress(self, done: float, total: float, unit: str) -> None:
        """Say how far this step is, in units of its own. Never blocks; cheap to call often."""


class Recovery(Enum):
    """What happens to a step that had begun when the daemon died."""

    LOOK = "look"
    """Check first; apply only if it is not so yet."""
    RERUN = "rerun"
    """Apply again."""
    ASK = "ask"
    """Fail the job, with a hint: only a person can know."""


@dataclass(frozen=True, kw_only=True)
class Step(Generic[L_contra]):
    """One thing to bring about.

    A step gets its tools and its order in its constructor. `key` is unique within a workflow;
    `after` names the keys that must be done before it: steps without order run side by side.
    `inside` names a step whose undo undoes this one too (a package goes with its machine).
    Steps of one `lane` are undone together when one of them fails; without a lane a failure
    leaves what is done, for a retry to go on.
    """

    key: str
    after: tuple[str, ...] = field(default=())
    inside: str | None = field(default=None)
    lane: str | None = field(default=None)

    usually: ClassVar[float] = 1.0
    """Seconds that it takes, until its own past runs say better."""
    deadline: ClassVar[float] = 900.0
    """Seconds after which an attempt is given up."""
    attempts: ClassVar[int] = 4
    """How often it is tried at least when it fails for a passing reason."""
    outage: ClassVar[float] = 300.0
    """Seconds for which it goes on being tried when it fails for a passing reason."""
    recovery: ClassVar[Recovery] = Recovery.LOOK
    final: ClassVar[bool] = False
    """The last word: a cancel that comes while it is at work waits, and the job completes."""

    @property
    def title(self) -> str:
        """What a person reads; unique within a workflow."""
        raise NotImplementedError(type(self).__name__)

    async def check(self, run: Run[L_contra]) -> bool:  # noqa: ARG002
        """Is it so already? Asks the world and changes nothing."""
        return False

    async def apply(self, run: Run[L_contra]) -> None:
        """Bring it about. Doing it twice is doing it once."""

    async def verify(self, run: Run[L_contra]) -> None:
        """Read the real state; raise if it is not so."""

    async def undo(self, run: Run[L_contra]) -> None:
        """Take it back. Looks at the world first: it may be half done, or gone."""

    async def halt(self, run: Run[L_contra]) -> None:
        """Stop what an interrupted apply left at work, before anything is undone."""

    def leaves(self, run: Run[L_contra]) -> list[str]:  # noqa: ARG002
        """What remains, in a person's words, if this step is not undone."""
        return []


class Retry(Exception):
    """A step asks to be tried again after `after` seconds."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


@dataclass(frozen=True)
class Workflow(Generic[P, L]):
    """A named list of steps, made for the parameters of a job."""

    name: str
    params: type[P]
    learnt: type[L]
    steps: Callable[[P], Sequence[Step[L]]]
    result: Callable[[P, L], dict[str, Any] | None]
    settle: Callable[[P, L, JobStatus], Awaitable[None]] | None = None
    """Called once more before the end is written, with the status to come: to put records right.
    It may be called again after a crash."""
