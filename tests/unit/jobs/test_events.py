"""Events: each once, in order, from any cursor, over restarts."""

from __future__ import annotations

import asyncio
import json

import pytest

from livchat.errors import CursorGone, InvalidRequest, NotFound, ProviderUnavailable
from livchat.job_state import apply_event
from livchatd.jobs.event_feed import BATCH_COUNT

from .conftest import begin, collect, make_params, until


async def test_two_watchers_see_the_same_events_once_in_order(engine, world):
    job_id = await begin(engine, make_params("a b c"))
    first, second = await asyncio.gather(collect(engine, job_id), collect(engine, job_id))
    assert [e.data for e in first] == [e.data for e in second]
    numbers = [e.seq for e in first]
    assert numbers == sorted(set(numbers))
    assert first[-1].type == "end"


@pytest.mark.parametrize("at", ["begin a", "made a", "begin b", "made b"])
async def test_a_snapshot_and_its_events_give_what_get_gives(engine, world, at):
    world.gate("b")
    world.gate("a")
    world.errors["b"] = [ProviderUnavailable("busy")]
    job_id = await begin(engine, make_params({"a": [], "b": ["a"], "c": ["a"]}))
    if at != "begin a":
        world.gate("a").set()
    if at == "made b":
        world.gate("b").set()
    await until(world, at)
    snapshot = engine.job(job_id)
    world.gate("a").set()
    world.gate("b").set()
    for event in await collect(engine, job_id, snapshot["cursor"]):
        snapshot = apply_event(snapshot, json.loads(event.data), f"{engine.feed.epoch}-{event.seq}")
    assert snapshot == engine.job(job_id)


async def test_a_cursor_of_another_table_is_gone(engine, world):
    job_id = await begin(engine, make_params("a"))
    with pytest.raises(CursorGone):
        await collect(engine, job_id, "deadbeef-1")
    with pytest.raises(CursorGone):
        await collect(engine, job_id, f"{engine.feed.epoch}-99999999")
    with pytest.raises(InvalidRequest):
        await collect(engine, job_id, "nonsense")
    with pytest.raises(NotFound):
        await collect(engine, "job_nothing")


async def test_a_watcher_comes_back_over_a_restart_without_a_gap(start, world):
    engine = await start()
    world.gate("b")
    job_id = await begin(engine, make_params("a b c"))
    await until(world, "begin b")
    seen = []
    async for batch in engine.follow(job_id, None):
        seen.extend(batch)
        if any("Make b" in event.data for event in batch):
            break
    engine = await start()
    world.gate("b").set()
    await engine.wait(job_id, 10)
    seen.extend(await collect(engine, job_id, f"{engine.feed.epoch}-{seen[-1].seq}"))
    whole = await collect(engine, job_id)
    assert [e.data for e in seen] == [e.data for e in whole]


async def test_a_watcher_of_a_quiet_job_hears_a_heartbeat(engine, world):
    world.gate("a")
    job_id = await begin(engine, make_params("a"))
    await until(world, "begin a")
    batches = engine.follow(job_id, None)

    async def beat() -> None:
        while True:
            engine.feed.heartbeat()
            await asyncio.sleep(0.01)

    beating = asyncio.create_task(beat())
    async with asyncio.timeout(10):
        while await anext(batches):
            pass
    beating.cancel()
    world.gate("a").set()
    assert [event.type async for batch in batches for event in batch][-1] == "end"


COUNT = 2 * BATCH_COUNT + 7
"""Log lines of one job: more than two batches of events."""


@pytest.mark.parametrize("source", ["memory", "table"])
async def test_no_event_is_missing_where_one_batch_ends_and_the_next_begins(start, world, source):
    engine = await start()
    world.gate("b")
    world.logs["a"] = world.logs["other"] = COUNT
    job_id, other = (
        await begin(engine, make_params("a b")),
        await begin(engine, make_params("other")),
    )
    await engine.wait(other, 20)
    await until(world, "begin b")
    if source == "table":
        engine = await start()
    world.gate("b").set()
    await engine.wait(job_id, 20)
    of_job = await collect(engine, job_id)
    lines = [json.loads(event.data)["log"]["message"] for event in of_job if event.type == "log"]
    assert [line for line in lines if line.startswith("line")] == [
        f"line {n}" for n in range(COUNT)
    ]
    everything: list[int] = []
    async with asyncio.timeout(10):
        async for batch in engine.follow(None, f"{engine.feed.epoch}-0"):
            everything += [event.seq for event in batch]
            if everything[-1] == engine.feed.head:
                break
    assert everything == list(range(1, engine.feed.head + 1))
    assert {event.seq for event in of_job} < set(everything)
