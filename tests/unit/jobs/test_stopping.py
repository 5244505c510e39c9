"""What the engine does with work that does not stop, was left by a crash, or is nested in other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from livchat.errors import Conflict, NotFound
from livchatd.jobs.step import Step, StepContext, Workflow

from .conftest import Make, MakeFacts, MakeParams, World, begin, result, until


@dataclass(frozen=True, kw_only=True)
class Stubborn(Make):
    """Does not stop when it is told to, and leaves something at work when it is interrupted."""

    async def apply(self, context: StepContext[MakeFacts]) -> None:
        self.world.done.append(f"begin {self.key}")
        context.facts.made = [*context.facts.made, f"begun {self.key}"]
        context.log("said after it was learnt")
        work = asyncio.ensure_future(self.world.gate(self.key).wait())
        while not work.done():
            try:
                await asyncio.wait({work})
            except asyncio.CancelledError:
                self.world.done.append(f"ignored by {self.key}")
        self.world.there.add(self.key)

    async def stop(self, context: StepContext[MakeFacts]) -> None:
        self.world.done.append(f"halted {self.key}: {','.join(context.facts.made)}")


@dataclass(frozen=True, kw_only=True)
class Final(Make):
    """Has no way back once it is at work."""

    point_of_no_return: ClassVar[bool] = True


KINDS: dict[str, type[Make]] = {"s": Stubborn, "f": Final}


@pytest.fixture
def workflows(world: World) -> list[Workflow[Any, Any]]:
    def make(params: MakeParams) -> list[Step[MakeFacts]]:
        return [
            KINDS.get(key[0], Make)(
                key=key, after=tuple(after), world=world, part_of=params.part_of.get(key)
            )
            for key, after in params.steps.items()
        ]

    return [Workflow("make", MakeParams, MakeFacts, make, result)]


async def test_a_cancel_waits_for_work_that_does_not_stop(engine, world):
    job_id = await begin(engine, MakeParams(steps={"s": []}))
    await until(world, "begin s")
    await engine.cancel(job_id)
    await until(world, "ignored by s")
    assert (await engine.wait(job_id, 0.1))["status"] == "running"
    world.gate("s").set()
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["rollback"]) == ("cancelled", "clean")


async def test_a_cancel_that_comes_during_the_last_word_is_too_late(engine, world):
    job_id = await begin(engine, MakeParams(steps={"a": [], "f": ["a"]}))
    world.gate("f")
    await until(world, "begin f")
    await engine.cancel(job_id)
    assert (await engine.wait(job_id, 0.1))["status"] == "running"
    world.gate("f").set()
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["rollback"], job["result"]) == (
        "completed",
        None,
        {"made": ["a", "f"]},
    )
    assert world.there == {"a", "f"}
    assert "stopped f" not in world.done


async def test_a_cancel_before_the_last_word_is_in_time(engine, world):
    job_id = await begin(engine, MakeParams(steps={"a": [], "f": ["a"]}))
    world.gate("a")
    await until(world, "begin a")
    await engine.cancel(job_id)
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["rollback"]) == ("cancelled", "clean")
    assert world.there == set()


async def test_a_last_word_that_fails_after_a_cancel_is_undone(engine, world):
    job_id = await begin(engine, MakeParams(steps={"a": [], "f": ["a"]}))
    world.gate("f")
    world.errors["f"] = [NotFound("gone")]
    await until(world, "begin f")
    await engine.cancel(job_id)
    world.gate("f").set()
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["rollback"]) == ("cancelled", "clean")
    assert world.there == set()


async def test_force_gives_up_work_that_does_not_stop_and_nothing_follows_the_end(engine, world):
    job_id = await begin(engine, MakeParams(steps={"a": [], "s": ["a"]}))
    await until(world, "begin s")
    await engine.cancel(job_id)
    await engine.cancel(job_id, force=True)
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["rollback"]) == ("cancelled", "partial")
    assert job["left_behind"] == ["a", "s", "'Make s' was given up while it was at work"]
    assert "undid a" not in world.done
    world.gate("s").set()
    await asyncio.sleep(0.05)
    events = [event async for batch in engine.follow(job_id, None) for event in batch]
    assert events[-1].type == "end"


async def test_what_a_crash_left_at_work_is_halted_before_anything_is_undone(start, world):
    engine = await start()
    job_id = await begin(engine, MakeParams(steps={"a": [], "s": ["a"]}))
    await until(world, "begin s")
    await engine.cancel(job_id)
    world.gate("s").set()
    engine = await start()
    await engine.wait(job_id, 10)
    done = [word for word in world.done if word.startswith(("halted", "undid"))]
    # What was learnt is as durable as the line that came after it.
    assert done[-3:] == ["halted s: a,begun s", "undid s", "undid a"]


async def test_what_is_nested_deeper_in_what_is_undone_is_done_again_by_a_retry(engine, world):
    world.gate("d")
    part_of = {"b": "a", "c": "b"}
    steps = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"]}
    first = await begin(engine, MakeParams(steps=steps, part_of=part_of))
    await until(world, "begin d")
    await engine.cancel(first)
    job = await engine.wait(first, 10)
    assert [step["status"] for step in job["steps"]] == ["undone"] * 4
    world.there.clear()
    world.gates.clear()
    job = await engine.wait((await engine.retry(first)).job_id, 10)
    assert (job["status"], world.there) == ("completed", {"a", "b", "c", "d"})


async def test_a_cancel_in_the_tick_of_the_start_is_kept_over_a_crash(start, world):
    engine = await start()
    job_id = await begin(engine, MakeParams(steps={"s": []}))
    await engine.cancel(job_id)
    engine = await start()
    world.gate("s").set()
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["cancel_requested"]) == ("cancelled", True)


async def test_a_cancel_while_the_end_is_written_comes_too_late_and_adds_nothing(engine, world):
    world.gate("s")
    job_id = await begin(engine, MakeParams(steps={"s": []}))
    await until(world, "begin s")
    job = engine._active[job_id]
    world.gate("s").set()
    while job.status == "running":
        await asyncio.sleep(0)
    with pytest.raises(Conflict):
        await engine.cancel(job_id)
    events = [event async for batch in engine.follow(job_id, None) for event in batch]
    assert events[-1].type == "end"
    assert engine.feed.head == events[-1].seq
    assert engine.job(job_id)["status"] == "completed"
