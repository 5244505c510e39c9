"""A workflow to order: steps that write down what they do to a world of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from livchat.errors import ProviderError
from livchat.job_state import JobStatus
from livchatd.jobs.engine import Engine, Submission
from livchatd.jobs.step import Facts, Step, StepContext, Workflow
from livchatd.storage.database import Database


class MakeFacts(Facts):
    """What the steps of the tests learn."""

    made: list[str] = Field(default_factory=list)


@dataclass
class World:
    """What the steps have done: `there` is the state, `done` the history, `ends` what jobs came to.

    What is in `lost` is never there, though its step says that it made it.
    """

    there: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    logs: dict[str, int] = field(default_factory=dict)
    """How many lines a step logs."""
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    errors: dict[str, list[Exception]] = field(default_factory=dict)

    def gate(self, key: str) -> asyncio.Event:
        """A step with a gate waits in its apply until it is opened."""
        return self.gates.setdefault(key, asyncio.Event())


@dataclass(frozen=True, kw_only=True)
class Make(Step[MakeFacts]):
    """Puts its key into the world."""

    world: World
    keeps: bool = False

    @property
    def title(self) -> str:
        return f"Make {self.key}"

    async def check(self, context: StepContext[MakeFacts]) -> bool:
        return self.key in self.world.there

    async def apply(self, context: StepContext[MakeFacts]) -> None:
        self.world.done.append(f"begin {self.key}")
        context.log(f"making {self.key}")
        for number in range(self.world.logs.get(self.key, 0)):
            context.log(f"line {number}")
        if self.key in self.world.gates:
            try:
                await self.world.gates[self.key].wait()
            except asyncio.CancelledError:
                self.world.done.append(f"stopped {self.key}")
                raise
        if self.world.errors.get(self.key):
            raise self.world.errors[self.key].pop(0)
        if self.key not in self.world.lost:
            self.world.there.add(self.key)
        context.facts.made = [*context.facts.made, self.key]
        self.world.done.append(f"made {self.key}")

    async def verify(self, context: StepContext[MakeFacts]) -> None:
        if self.key not in self.world.there:
            raise ProviderError(f"{self.key} is not there")

    async def undo(self, context: StepContext[MakeFacts]) -> None:
        if self.world.errors.get(f"undo {self.key}"):
            raise self.world.errors[f"undo {self.key}"].pop(0)
        self.world.there.discard(self.key)
        self.world.done.append(f"undid {self.key}")

    def leftovers(self, context: StepContext[MakeFacts]) -> list[str]:
        return [self.key]


@dataclass(frozen=True, kw_only=True)
class Nothing(Step[MakeFacts]):
    """Does nothing."""

    @property
    def title(self) -> str:
        return f"Nothing {self.key}"


class MakeParams(BaseModel):
    """The steps by key, each with what it comes after."""

    steps: dict[str, list[str]] = {}
    groups: dict[str, str] = {}
    part_of: dict[str, str] = {}


def result(params: MakeParams, facts: MakeFacts) -> dict[str, Any]:
    return {"made": sorted(facts.made)}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def workflows(world: World) -> list[Workflow[Any, Any]]:
    def make(params: MakeParams) -> list[Step[MakeFacts]]:
        return [
            Make(
                key=key,
                after=tuple(after),
                world=world,
                rollback_group=params.groups.get(key),
                part_of=params.part_of.get(key),
            )
            for key, after in params.steps.items()
        ]

    def nothing(params: MakeParams) -> list[Step[MakeFacts]]:
        return [Nothing(key=key, after=tuple(after)) for key, after in params.steps.items()]

    async def on_end(params: MakeParams, facts: MakeFacts, status: JobStatus) -> None:
        world.ends.append(status.value)
        if world.errors.get("on_end"):
            raise world.errors["on_end"].pop(0)

    return [
        Workflow("make", MakeParams, MakeFacts, make, result, on_end),
        Workflow("nothing", MakeParams, MakeFacts, nothing, result),
    ]


Open = Callable[[], Any]


@pytest.fixture
async def start(tmp_path: Path, workflows: list[Workflow[Any, Any]]) -> AsyncIterator[Open]:
    """Starts an engine on the table of the test; another start is one after kill -9."""
    opened: list[tuple[Database, Engine]] = []

    async def begin(max_running: int = 8, redact: Callable[[str], str] = str) -> Engine:
        if opened:
            await kill(*opened[-1])
        database = Database(tmp_path / "livchat.db")
        engine = Engine(database, workflows, redact=redact, max_running=max_running, tempo=0.001)
        opened.append((database, engine))
        await engine.start()
        return engine

    yield begin
    for database, engine in opened[-1:]:
        await engine.stop()
        await database.close()


async def kill(database: Database, engine: Engine) -> None:
    """As after kill -9: nothing more of this engine reaches the table."""
    await database.close()
    await engine.stop()


@pytest.fixture
async def engine(start: Open) -> Engine:
    started: Engine = await start()
    return started


def make_params(steps: dict[str, list[str]] | str, **more: Any) -> MakeParams:
    if isinstance(steps, str):
        keys = steps.split()
        steps = {key: keys[i - 1 : i] for i, key in enumerate(keys)}
    return MakeParams(steps=steps, **more)


def submission(params: MakeParams, **more: Any) -> Submission:
    return Submission(workflow="make", params=params, summary="Make", **more)


async def begin(engine: Engine, params: MakeParams, server: str | None = None, **more: Any) -> str:
    made = await engine.submit(
        Submission(
            workflow="make",
            params=params,
            summary="Make",
            server=server,
            duration_key="test",
            **more,
        )
    )
    return made.job_id


async def until(world: World, word: str) -> None:
    async with asyncio.timeout(10):
        while word not in world.done:
            await asyncio.sleep(0.002)


async def collect(engine: Engine, job_id: str | None, after: str | None = None) -> list[Any]:
    return [event async for batch in engine.follow(job_id, after) for event in batch]
