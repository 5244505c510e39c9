"""What a workflow is made of: steps, and what the engine gives a step to work with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from livchat.job_state import JobStatus


class Facts(BaseModel):
    """What the steps of a job found out and later steps need: durable, and without secrets."""

    model_config = ConfigDict(validate_assignment=True, extra="forbid", defer_build=True)


class CreatedFacts(Facts):
    """Facts of a job that creates things.

    `made` names what the job created itself, such as `stack n8n`: an undo removes nothing else.
    """

    made: list[str] = Field(default_factory=list)


P = TypeVar("P", bound=BaseModel)
F = TypeVar("F", bound=Facts)
F_co = TypeVar("F_co", bound=Facts, covariant=True)
F_contra = TypeVar("F_contra", bound=Facts, contravariant=True)


class StepContext(Protocol[F_co]):
    """What a step sees of the job that it belongs to."""

    @property
    def job_id(self) -> str:
        """The job."""

    @property
    def root_job_id(self) -> str:
        """The first job of a chain of retries: the label of what is bought."""

    @property
    def facts(self) -> F_co:
        """What is known by now. Assign to its fields; durable when the step ends, or by `save`."""

    @property
    def attempt(self) -> int:
        """1 at the first try of this step."""

    async def save(self) -> None:
        """Make the facts durable now, as before waiting for what was ordered."""

    async def note_created(self: StepContext[CreatedFacts], thing: str) -> None:
        """Note, durably and before it happens, that this job creates `thing`."""

    def poll(self, within: float, *, first: float = 0.5, most: float = 2.0) -> AsyncIterator[float]:
        """Yield the seconds since the first look, once for each look, for `within` seconds.

        Between two looks it pauses: `first` seconds, then longer each time, up to `most`.
        """

    def log(self, message: str, level: str = "info") -> None:
        """Add the lines of a message to the job's log, under this step. Never blocks."""

    def progress(self, done: float, total: float, unit: str) -> None:
        """Say how far this step is, in units of its own. Never blocks; cheap to call often."""


class Recovery(Enum):
    """What happens to a step that was at work when the daemon died."""

    CHECK = "check"
    """It is checked, and applied again if what it brings about is not there yet."""
    MANUAL = "manual"
    """The job fails with a hint: only a person can know what became of it."""


@dataclass(frozen=True, kw_only=True)
class Step(Generic[F_contra]):
    """One thing to bring about.

    A step gets what it works with in its constructor. `key` is unique within a workflow; `after`
    names the keys that must be done before it, and steps that are ready run side by side.
    `part_of` names a step whose undo undoes this one too: a package goes with its machine.
    Steps of one `rollback_group` are undone together when one of them fails; without a group a
    failure leaves what is done, for a retry to go on from.
    """

    key: str
    after: tuple[str, ...] = field(default=())
    part_of: str | None = field(default=None)
    rollback_group: str | None = field(default=None)

    expected_seconds: ClassVar[float] = 1.0
    """How long it takes, until its own past durations are known."""
    deadline: ClassVar[float] = 900.0
    """Seconds after which one attempt is given up."""
    min_attempts: ClassVar[int] = 4
    """How often it is tried, at least, when it fails for a transient reason."""
    retry_for: ClassVar[float] = 300.0
    """Seconds for which it is tried, at least, when it fails for a transient reason."""
    recovery: ClassVar[Recovery] = Recovery.CHECK
    point_of_no_return: ClassVar[bool] = False
    """Nothing is undone once it is done: a cancel that comes meanwhile waits, and the job ends."""

    @property
    def title(self) -> str:
        """What a person reads; unique within a workflow."""
        raise NotImplementedError(type(self).__name__)

    async def check(self, context: StepContext[F_contra]) -> bool:  # noqa: ARG002
        """Whether what the step brings about is there already. Changes nothing."""
        return False

    async def apply(self, context: StepContext[F_contra]) -> None:
        """Bring it about. Doing it twice has the effect of doing it once."""

    async def verify(self, context: StepContext[F_contra]) -> None:
        """Read the real state after `apply`; raises if it is not as it should be."""

    async def undo(self, context: StepContext[F_contra]) -> None:
        """Take it back. What it finds may be half done, or gone."""

    async def stop(self, context: StepContext[F_contra]) -> None:
        """Stop what an interrupted `apply` left at work, before anything is undone."""

    def leftovers(self, context: StepContext[F_contra]) -> list[str]:  # noqa: ARG002
        """Return what remains if this step is not undone, each in a person's words."""
        return []


class Retry(Exception):
    """A step asks to be tried again after `after` seconds; None leaves the pause to the engine."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


@dataclass(frozen=True)
class Workflow(Generic[P, F]):
    """A named list of steps, made from the parameters of a job."""

    name: str
    params: type[P]
    facts: type[F]
    steps: Callable[[P], Sequence[Step[F]]]
    result: Callable[[P, F], dict[str, Any] | None]
    on_end: Callable[[P, F, JobStatus], Awaitable[None]] | None = None
    """Called with the status to come before the end is written, to put the inventory right.
    It may be called again after a crash."""
