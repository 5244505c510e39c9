"""A workflow to order: steps that write down what they do to a world of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from livchatd.jobs.engine import Engine
from livchatd.jobs.step import Learnt, Run, Step, Workflow
from livchatd.storage.database import Database


class Facts(Learnt):
    """What the steps of the tests learn."""

    made: list[str] = Field(default_factory=list)


@dataclass
class World:
    """What the steps have done: `there` is the state, `done` the history."""

    there: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    errors: dict[str, list[Exception]] = field(default_factory=dict)

    def gate(self, key: str) -> asyncio.Event:
        """A step with a gate waits in its apply until it is opened."""
        return self.gates.setdefault(key, asyncio.Event())


@dataclass(frozen=True, kw_only=True)
class Make(Step[Facts]):
    """Puts its key into the world."""

    world: World
    keeps: bool = False

    @property
    def title(self) -> str:
        return f"Make {self.key}"

    async def check(self, run: Run[Facts]) -> bool:
        return self.key in self.world.there

    async def apply(self, run: Run[Facts]) -> None:
        self.world.done.append(f"begin {self.key}")
        run.log(f"making {self.key}")
        if self.key in self.world.gates:
            try:
                await self.world.gates[self.key].wait()
            except asyncio.CancelledError:
                self.world.done.append(f"stopped {self.key}")
                raise
        if self.world.errors.get(self.key):
            raise self.world.errors[self.key].pop(0)
        self.world.there.add(self.key)
        run.learnt.made = [*run.learnt.made, self.key]
        self.world.done.append(f"made {self.key}")

    async def undo(self, run: Run[Facts]) -> None:
        if self.world.errors.get(f"undo {self.key}"):
            raise self.world.errors[f"undo {self.key}"].pop(0)
        self.world.there.discard(self.key)
        self.world.done.append(f"undid {self.key}")

    def leaves(self, run: Run[Facts]) -> list[str]:
        return [self.key]


@dataclass(frozen=True, kw_only=True)
class Nothing(Step[Facts]):
    """Does nothing."""

    @property
    def title(self) -> str:
        return f"Nothing {self.key}"


class Order(BaseModel):
    """The steps by key, each with what it comes after."""

    steps: dict[str, list[str]] = {}
    lanes: dict[str, str] = {}
    inside: dict[str, str] = {}


def result(order: Order, facts: Facts) -> dict[str, Any]:
    return {"made": sorted(facts.made)}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def workflows(world: World) -> list[Workflow[Any, Any]]:
    def make(order: Order) -> list[Step[Facts]]:
        return [
            Make(
                key=key,
                after=tuple(after),
                world=world,
                lane=order.lanes.get(key),
                inside=order.inside.get(key),
            )
            for key, after in order.steps.items()
        ]

    def nothing(order: Order) -> list[Step[Facts]]:
        return [Nothing(key=key, after=tuple(after)) for key, after in order.steps.items()]

    return [
        Workflow("make", Order, Facts, make, result),
        Workflow("nothing", Order, Facts, nothing, result),
    ]


Open = Callable[[], Any]


@pytest.fixture
async def start(tmp_path: Path, workflows: list[Workflow[Any, Any]]) -> AsyncIterator[Open]:
    """Starts an engine on the table of the test; another start is one after kill -9."""
    opened: list[tuple[Database, Engine]] = []

    async def begin(limit: int = 8) -> Engine:
        if opened:
            await kill(*opened[-1])
        database = Database(tmp_path / "livchat.db")
        engine = Engine(database, workflows, limit=limit, backoff=0.001)
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
