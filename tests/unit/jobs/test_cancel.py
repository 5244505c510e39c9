"""A cancelled or failed job goes back to where it began, and says what it leaves."""

from __future__ import annotations

import asyncio

import pytest

from livchat.errors import Conflict, NotFound, ProviderError, ProviderUnavailable, RateLimited

from .conftest import begin, collect, make_params, until


async def test_what_is_so_already_is_skipped_and_never_undone(engine, world):
    world.there.add("a")
    world.gate("b")
    job_id = await begin(engine, make_params("a b"))
    await until(world, "begin b")
    await engine.cancel(job_id)
    job = await engine.wait(job_id, 10)
    assert [s["status"] for s in job["steps"]] == ["skipped", "undone"]
    assert world.there == {"a"}


async def test_a_lane_that_fails_leaves_nothing_of_itself(engine, world):
    world.errors["b"] = [ProviderError("sold out")]
    groups = {"a": "server", "b": "server"}
    job = await engine.wait(await begin(engine, make_params("z a b", groups=groups)), 10)
    assert job["status"] == "failed"
    assert world.there == {"z"}
    assert job["left_behind"] == ["z"]
    assert job["rollback"] == "partial"


async def test_an_outage_during_an_undo_is_sat_out_too(engine, world):
    world.errors["b"] = [ProviderError("sold out")]
    world.errors["undo a"] = [ProviderUnavailable("the cloud is away") for _ in range(8)]
    groups = {"a": "server", "b": "server"}
    job = await engine.wait(await begin(engine, make_params("a b", groups=groups)), 10)
    assert (job["status"], job["left_behind"]) == ("failed", [])
    assert world.there == set()


async def test_a_cancel_ends_the_pause_between_two_tries(engine, world):
    world.errors["b"] = [RateLimited("slow down", details={"retry_after": 300})]
    job_id = await begin(engine, make_params("a b"))
    async with asyncio.timeout(10):
        while "slow down" not in str(engine.job(job_id)["steps"]):
            await asyncio.sleep(0.01)
    await engine.cancel(job_id)
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["rollback"]) == ("cancelled", "clean")


async def test_cancel_undoes_in_reverse_after_the_work_has_stopped(engine, world):
    world.gate("c")
    job_id = await begin(engine, make_params("a b c d"))
    await until(world, "begin c")
    asked = await engine.cancel(job_id)
    assert asked["cancel_requested"] is True
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["rollback"], job["left_behind"]) == ("cancelled", "clean", [])
    assert world.done[-4:] == ["stopped c", "undid c", "undid b", "undid a"]
    assert world.there == set()


async def test_an_undo_that_cannot_leaves_what_it_says(engine, world):
    world.gate("b")
    world.errors["undo a"] = [ProviderError("it is protected")]
    job_id = await begin(engine, make_params("a b"))
    await until(world, "begin b")
    await engine.cancel(job_id)
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["rollback"], job["left_behind"]) == ("cancelled", "partial", ["a"])
    assert world.there == {"a"}


async def test_what_is_inside_goes_with_what_it_is_inside_of(engine, world):
    world.gate("c")
    job_id = await begin(engine, make_params("m b c", part_of={"b": "m", "c": "m"}))
    await until(world, "begin c")
    await engine.cancel(job_id)
    job = await engine.wait(job_id, 10)
    assert [s["status"] for s in job["steps"]] == ["undone", "undone", "undone"]
    assert [word for word in world.done if word.startswith("undid")] == ["undid m"]
    assert job["rollback"] == "clean"


async def test_a_queued_job_is_cancelled_at_once(engine, world):
    world.gate("a")
    first = await begin(engine, make_params("a"), server="one")
    second = await begin(engine, make_params("b"), server="one")
    assert engine.job(second)["waiting_for"] == first
    job = await engine.cancel(second)
    assert (job["status"], job["rollback"], job["waiting_for"]) == ("cancelled", "none", None)
    world.gate("a").set()
    await engine.wait(first, 10)
    assert "begin b" not in world.done


async def test_a_queued_job_that_is_cancelled_is_settled_as_cancelled(engine, world):
    world.gate("a")
    first = await begin(engine, make_params("a"), server="one")
    second = await begin(engine, make_params("b"), server="one")
    await engine.cancel(second)
    assert world.ends == ["cancelled"]
    world.gate("a").set()
    await engine.wait(first, 10)
    assert world.ends == ["cancelled", "completed"]


async def test_a_queued_job_whose_settling_breaks_is_cancelled_all_the_same(engine, world):
    world.gate("a")
    world.errors["on_end"] = [ProviderError("the table is odd")]
    first = await begin(engine, make_params("a"), server="one")
    second = await begin(engine, make_params("b"), server="one")
    assert (await engine.cancel(second))["status"] == "cancelled"
    world.gate("a").set()
    assert (await engine.wait(first, 10))["status"] == "completed"
    assert engine.counts() == {"queued": 0, "running": 0}


async def test_a_withdrawn_job_leaves_its_queue_and_never_has_its_turn(engine, world):
    world.gate("a")
    _, second, third = [await begin(engine, make_params(key), server="one") for key in "abc"]
    await until(world, "begin a")
    await engine.cancel(second)
    world.gate("a").set()
    assert (await engine.wait(third, 10))["status"] == "completed"
    events = await collect(engine, second)
    assert [event.type for event in events].count("end") == 1
    assert engine.feed.head == (await collect(engine, third))[-1].seq
    assert world.ends == ["cancelled", "completed", "completed"]
    assert {step["status"] for step in engine.job(second)["steps"]} == {"cancelled"}
    assert engine.active_jobs() == {}
    assert engine.counts() == {"queued": 0, "running": 0}


async def test_a_job_that_is_withdrawn_before_a_slot_is_free_takes_none(start, world):
    engine = await start(max_running=1)
    world.gate("a")
    await begin(engine, make_params("a"), server="one")
    second = await begin(engine, make_params("b"), server="two")
    third = await begin(engine, make_params("c"), server="two")
    await until(world, "begin a")
    assert engine.active_job_of("two") == second
    await engine.cancel(second)
    assert engine.active_job_of("two") == third
    assert engine.job(third)["waiting_for"] is None
    world.gate("a").set()
    assert (await engine.wait(third, 10))["status"] == "completed"
    assert "begin b" not in world.done
    assert [event.type for event in await collect(engine, second)].count("end") == 1


async def test_a_cancel_of_an_ended_job_is_a_conflict(engine, world):
    job_id = await begin(engine, make_params("a"))
    await engine.wait(job_id, 10)
    with pytest.raises(Conflict):
        await engine.cancel(job_id)
    with pytest.raises(NotFound):
        await engine.cancel("job_nothing")
