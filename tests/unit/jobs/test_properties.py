"""What holds for any graph of steps, any faults, and a cancel at any moment."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livchat.errors import ProviderError, ProviderUnavailable
from livchat.job_state import apply_event
from livchat.wire.jobs import Job
from livchatd.jobs.engine import Engine, Submission
from livchatd.jobs.step import Step, Workflow
from livchatd.storage.database import Database

from .conftest import Make, MakeFacts, MakeParams, World, result

KEYS = "abcdefg"


@st.composite
def graphs(draw: st.DrawFn) -> MakeParams:
    count = draw(st.integers(1, len(KEYS)))
    steps: dict[str, list[str]] = {}
    for i, key in enumerate(KEYS[:count]):
        earlier = list(KEYS[:i])
        steps[key] = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
    groups = {key: "group" for key in steps if draw(st.booleans())}
    return MakeParams(steps=steps, groups=groups)


class Case:
    """A job on a table of its own."""

    def __init__(self, folder: str, world: World) -> None:
        self.world = world

        def make(params: MakeParams) -> list[Step[MakeFacts]]:
            return [
                Make(
                    key=key, after=tuple(after), world=world, rollback_group=params.groups.get(key)
                )
                for key, after in params.steps.items()
            ]

        self.database = Database(Path(folder) / "livchat.db")
        workflow: Workflow[Any, Any] = Workflow("make", MakeParams, MakeFacts, make, result)
        self.engine = Engine(self.database, [workflow], tempo=0)

    async def close(self) -> None:
        await self.engine.stop()
        await self.database.close()


async def run(params: MakeParams, world: World, cancel_after: str | None, found: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        case = Case(folder, world)
        try:
            await case.engine.start()
            await check(case, params, cancel_after, found)
        finally:
            await case.close()


async def check(case: Case, params: MakeParams, cancel_after: str | None, found: set[str]) -> None:
    engine, world = case.engine, case.world
    made = await engine.submit(Submission(workflow="make", params=params, summary="Make"))
    snapshot = engine.job(made.job_id)
    progress = [snapshot["progress"]]
    types = []
    async with asyncio.timeout(20):
        async for batch in engine.follow(made.job_id, snapshot["cursor"]):
            for event in batch:
                data = json.loads(event.data)
                snapshot = apply_event(snapshot, data, f"{engine.feed.epoch}-{event.seq}")
                progress.append(snapshot["progress"])
                types.append(event.type)
                begun = data.get("step") or {}
                if begun.get("name") == f"Make {cancel_after}" and begun["status"] == "running":
                    await cancelled(engine, made.job_id)
    job = engine.job(made.job_id)
    Job.model_validate(job)
    assert snapshot == job
    assert progress == sorted(progress)
    assert types.count("end") == 1
    assert types[-1] == "end"
    assert_truthful(job, params, world, found)


async def cancelled(engine: Engine, job_id: str) -> None:
    if engine.counts()["running"]:
        await engine.cancel(job_id)


def assert_truthful(job: dict[str, Any], params: MakeParams, world: World, found: set[str]) -> None:
    """What is there is what was found, what the job says it made, and what it says it left."""
    mine = world.there - found
    assert found <= world.there
    if job["status"] == "completed":
        assert world.there >= set(params.steps)
        assert job["progress"] == 100
    else:
        assert mine <= set(job["left_behind"])
    if job["status"] == "cancelled":
        assert (mine, job["left_behind"], job["rollback"]) in [
            (set(), [], "clean"),
            (set(), [], "none"),
        ]
    if job["status"] == "failed":
        failed = next(s["name"][-1] for s in job["steps"] if s["status"] in {"failed", "undone"})
        assert failed in params.steps
    for name in job["steps_completed"]:
        assert name[-1] in world.there


@given(
    params=graphs(),
    fails=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["no", "busy"]), max_size=3),
    found=st.sets(st.sampled_from(KEYS), max_size=2),
    cancel_after=st.none() | st.sampled_from(KEYS),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_job_ends_once_tells_the_truth_and_streams_what_get_gives(
    params, fails, found, cancel_after
):
    world = World(there=set(found))
    for key, how in fails.items():
        world.errors[key] = [ProviderError("no") if how == "no" else ProviderUnavailable("busy")]
    asyncio.run(run(params, world, cancel_after, found & set(params.steps) | found))
