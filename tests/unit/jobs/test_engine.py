"""The engine's promises, on the real table."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from livchat.errors import (
    Conflict,
    CursorGone,
    Invalid,
    NotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from livchat.wire.jobs import Job, apply
from livchatd.jobs.engine import Engine, Submission
from livchatd.jobs.idempotency import Claim
from livchatd.jobs.job_table import JobFilter

from .conftest import Order, World


def order(steps: dict[str, list[str]] | str, **more: Any) -> Order:
    if isinstance(steps, str):
        keys = steps.split()
        steps = {key: keys[i - 1 : i] for i, key in enumerate(keys)}
    return Order(steps=steps, **more)


def submission(what: Order, **more: Any) -> Submission:
    return Submission(workflow="make", params=what, summary="Make", **more)


async def begin(engine: Engine, what: Order, server: str | None = None, **more: Any) -> str:
    made = await engine.submit(
        Submission(
            workflow="make", params=what, summary="Make", server=server, variant="test", **more
        )
    )
    return made.job_id


async def until(world: World, word: str) -> None:
    async with asyncio.timeout(10):
        while word not in world.done:
            await asyncio.sleep(0.002)


async def test_a_job_runs_its_steps_in_order_and_tells_its_result(engine, world):
    job = await engine.wait(await begin(engine, order("a b c")), 10)
    assert job["status"] == "completed"
    assert [s for s in world.done if s.startswith("made")] == ["made a", "made b", "made c"]
    assert job["result"] == {"made": ["a", "b", "c"]}
    assert job["progress"] == 100
    assert job["steps_completed"] == ["Make a", "Make b", "Make c"]
    assert job["steps_remaining"] == []
    assert [line["message"] for line in job["logs"]] == ["making a", "making b", "making c"]
    assert [line["step"] for line in job["logs"]] == ["Make a", "Make b", "Make c"]
    Job.model_validate(job)


async def test_a_job_is_on_disk_before_it_is_answered(engine, world):
    world.gate("a")
    job_id = await begin(engine, order("a"))
    row = engine._database.reader.execute("SELECT status FROM jobs WHERE job_id = ?", (job_id,))
    assert row.fetchone() is not None


async def test_independent_steps_run_side_by_side(engine, world):
    for key in "ab":
        world.gate(key)
    job_id = await begin(engine, order({"a": [], "b": [], "c": ["a", "b"]}))
    await until(world, "begin a")
    await until(world, "begin b")
    assert "begin c" not in world.done
    for key in "ab":
        world.gate(key).set()
    assert (await engine.wait(job_id, 10))["status"] == "completed"


async def test_what_is_so_already_is_skipped_and_never_undone(engine, world):
    world.there.add("a")
    world.gate("b")
    job_id = await begin(engine, order("a b"))
    await until(world, "begin b")
    await engine.cancel(job_id)
    job = await engine.wait(job_id, 10)
    assert [s["status"] for s in job["steps"]] == ["skipped", "undone"]
    assert world.there == {"a"}


async def test_a_failed_step_fails_the_job_and_says_what_is_left(engine, world):
    world.errors["b"] = [ProviderError("no such thing", hint="try another")]
    job = await engine.wait(await begin(engine, order("a b c")), 10)
    assert (job["status"], job["error_code"], job["hint"]) == (
        "failed",
        "provider_error",
        "try another",
    )
    assert job["error"] == "Make b: no such thing"
    assert job["left_behind"] == ["a", "b"]
    assert job["rollback"] == "none"
    assert [s["status"] for s in job["steps"]] == ["completed", "failed", "pending"]


async def test_a_lane_that_fails_leaves_nothing_of_itself(engine, world):
    world.errors["b"] = [ProviderError("sold out")]
    lanes = {"a": "server", "b": "server"}
    job = await engine.wait(await begin(engine, order("z a b", lanes=lanes)), 10)
    assert job["status"] == "failed"
    assert world.there == {"z"}
    assert job["left_behind"] == ["z"]
    assert job["rollback"] == "partial"


async def test_a_passing_fault_is_tried_again_and_seen_as_attempts(engine, world):
    world.errors["a"] = [ProviderUnavailable("busy"), ProviderUnavailable("busy")]
    job = await engine.wait(await begin(engine, order("a")), 10)
    assert job["status"] == "completed"
    assert job["steps"][0]["attempt"] == 3
    assert sum("trying again" in line["message"] for line in job["logs"]) == 2


async def test_a_fault_that_does_not_pass_is_given_up(engine, world):
    world.errors["a"] = [ProviderUnavailable("busy") for _ in range(9999)]
    job = await engine.wait(await begin(engine, order("a")), 10)
    assert (job["status"], job["error_code"]) == ("failed", "provider_unavailable")
    # Longer than four tries take: an outage of minutes is sat out, here a thousandth of it.
    assert job["steps"][0]["attempt"] > 4


async def test_an_outage_is_sat_out_with_its_reason_shown(engine, world):
    world.errors["a"] = [ProviderUnavailable("the cloud is away") for _ in range(8)]
    job_id = await begin(engine, order("a"))
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["steps"][0]["attempt"]) == ("completed", 9)
    assert job["steps"][0]["error"] is None
    assert sum("the cloud is away" in line["message"] for line in job["logs"]) == 8


async def test_an_outage_during_an_undo_is_sat_out_too(engine, world):
    world.errors["b"] = [ProviderError("sold out")]
    world.errors["undo a"] = [ProviderUnavailable("the cloud is away") for _ in range(8)]
    lanes = {"a": "server", "b": "server"}
    job = await engine.wait(await begin(engine, order("a b", lanes=lanes)), 10)
    assert (job["status"], job["left_behind"]) == ("failed", [])
    assert world.there == set()


async def test_a_cancel_ends_the_pause_between_two_tries(engine, world):
    told = RateLimited("slow down", details={"retry_after": 300})
    world.errors["b"] = [told]
    job_id = await begin(engine, order("a b"))
    async with asyncio.timeout(10):
        while "slow down" not in str(engine.job(job_id)["steps"]):
            await asyncio.sleep(0.01)
    await engine.cancel(job_id)
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["rollback"]) == ("cancelled", "clean")


async def test_a_fault_of_our_own_ends_the_job_and_is_not_shown_raw(engine, world):
    world.errors["a"] = [ValueError("secret stuff")]
    job = await engine.wait(await begin(engine, order("a")), 10)
    assert (job["status"], job["error_code"]) == ("failed", "internal")
    assert "secret" not in json.dumps(job)


async def test_cancel_undoes_in_reverse_after_the_work_has_stopped(engine, world):
    world.gate("c")
    job_id = await begin(engine, order("a b c d"))
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
    job_id = await begin(engine, order("a b"))
    await until(world, "begin b")
    await engine.cancel(job_id)
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["rollback"], job["left_behind"]) == ("cancelled", "partial", ["a"])
    assert world.there == {"a"}


async def test_what_is_inside_goes_with_what_it_is_inside_of(engine, world):
    world.gate("c")
    job_id = await begin(engine, order("m b c", inside={"b": "m", "c": "m"}))
    await until(world, "begin c")
    await engine.cancel(job_id)
    job = await engine.wait(job_id, 10)
    assert [s["status"] for s in job["steps"]] == ["undone", "undone", "undone"]
    assert [word for word in world.done if word.startswith("undid")] == ["undid m"]
    assert job["rollback"] == "clean"


async def test_what_is_inside_a_lane_that_is_undone_is_done_again_by_a_retry(engine, world):
    world.errors["b"] = [ProviderError("sold out")]
    what = order({"m": [], "x": ["m"], "b": ["x"]}, lanes={"m": "l", "b": "l"}, inside={"x": "m"})
    first = await begin(engine, what)
    job = await engine.wait(first, 10)
    assert [s["status"] for s in job["steps"]] == ["undone", "undone", "undone"]
    assert job["left_behind"] == []
    world.there.clear()
    again = await engine.retry(first)
    job = await engine.wait(again.job_id, 10)
    assert (job["status"], world.there) == ("completed", {"m", "x", "b"})


async def test_what_was_half_undone_is_not_taken_for_done_by_a_retry(engine, world):
    world.errors["b"] = [ProviderError("sold out")]
    world.errors["undo a"] = [ProviderError("the token is refused")]
    lanes = {"a": "server", "b": "server"}
    first = await begin(engine, order("a b", lanes=lanes))
    job = await engine.wait(first, 10)
    assert (job["steps"][0]["status"], job["left_behind"]) == ("failed", ["a"])
    # The undo may have taken away what it then failed over.
    world.there.discard("a")
    again = await engine.retry(first)
    assert (await engine.wait(again.job_id, 10))["status"] == "completed"
    assert world.there == {"a", "b"}


async def test_what_was_skipped_is_looked_at_again_by_a_retry(engine, world):
    world.there.add("a")
    world.errors["b"] = [ProviderError("no")]
    first = await begin(engine, order("a b"))
    await engine.wait(first, 10)
    world.there.clear()
    again = await engine.retry(first)
    await engine.wait(again.job_id, 10)
    assert world.there == {"a", "b"}


async def test_a_queued_job_is_cancelled_at_once(engine, world):
    world.gate("a")
    first = await begin(engine, order("a"), server="one")
    second = await begin(engine, order("b"), server="one")
    assert engine.job(second)["waiting_for"] == first
    job = await engine.cancel(second)
    assert (job["status"], job["rollback"], job["waiting_for"]) == ("cancelled", "none", None)
    world.gate("a").set()
    await engine.wait(first, 10)
    assert "begin b" not in world.done


async def test_a_cancel_of_an_ended_job_is_a_conflict(engine, world):
    job_id = await begin(engine, order("a"))
    await engine.wait(job_id, 10)
    with pytest.raises(Conflict):
        await engine.cancel(job_id)
    with pytest.raises(NotFound):
        await engine.cancel("job_nothing")


async def test_jobs_of_one_server_run_in_the_order_of_asking(engine, world):
    for key in "abc":
        world.gate(key)
    jobs = [await begin(engine, order(key), server="one") for key in "abc"]
    other = await begin(engine, order("x"), server="two")
    assert (await engine.wait(other, 10))["status"] == "completed"
    assert engine.live_job_of("one") == jobs[0]
    await until(world, "begin a")
    world.gate("a").set()
    await until(world, "begin b")
    assert engine.job(jobs[2])["waiting_for"] == jobs[1]
    assert "begin c" not in world.done
    for key in "bc":
        world.gate(key).set()
    assert (await engine.wait(jobs[2], 10))["status"] == "completed"


async def test_no_more_jobs_than_the_limit_are_at_work(start, world):
    engine = await start(limit=2)
    for key in "abc":
        world.gate(key)
    jobs = [await begin(engine, order(key), server=key) for key in "abc"]
    await until(world, "begin b")
    assert engine.counts() == {"queued": 1, "running": 2}
    world.gate("a").set()
    await until(world, "begin c")
    for key in "bc":
        world.gate(key).set()
    for job in jobs:
        assert (await engine.wait(job, 10))["status"] == "completed"


@pytest.mark.parametrize("at", ["a", "b", "c"])
async def test_a_killed_daemon_goes_on_where_it_was(start, world, at):
    engine = await start()
    world.gate(at)
    job_id = await begin(engine, order("a b c"))
    await until(world, f"begin {at}")
    engine = await start()
    world.gate(at).set()
    job = await engine.wait(job_id, 10)
    assert job["status"] == "completed"
    assert sorted(word for word in world.done if word.startswith("made")) == [
        "made a",
        "made b",
        "made c",
    ]
    assert job["result"] == {"made": ["a", "b", "c"]}


async def test_a_step_that_was_done_unheard_is_found_and_counts_as_ours(start, world):
    engine = await start()
    world.gate("a")
    world.gate("b")
    job_id = await begin(engine, order("a b"))
    await until(world, "begin a")
    engine = await start()
    world.there.add("a")
    world.gate("a").set()
    await until(world, "begin b")
    await engine.cancel(job_id)
    job = await engine.wait(job_id, 10)
    assert job["status"] == "cancelled"
    assert world.there == set()


async def test_a_kill_in_the_middle_of_a_cancel_ends_cancelled(start, world):
    engine = await start()
    world.gate("b")
    job_id = await begin(engine, order("a b"))
    await until(world, "begin b")
    world.errors["undo b"] = [ProviderUnavailable("busy") for _ in range(3)]
    await engine.cancel(job_id)
    engine = await start()
    world.errors.clear()
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["left_behind"], world.there) == ("cancelled", [], set())


async def test_waiting_jobs_keep_their_turn_over_a_restart(start, world):
    engine = await start()
    world.gate("a")
    first = await begin(engine, order("a"), server="one")
    second = await begin(engine, order("b"), server="one")
    await until(world, "begin a")
    engine = await start()
    assert engine.job(second)["waiting_for"] == first
    world.gate("a").set()
    assert (await engine.wait(second, 10))["status"] == "completed"


async def test_a_retry_goes_on_at_the_step_that_failed(engine, world):
    world.errors["b"] = [ProviderError("no")]
    first = await begin(engine, order("a b"))
    await engine.wait(first, 10)
    again = await engine.retry(first)
    job = await engine.wait(again.job_id, 10)
    assert (job["status"], job["retry_of"]) == ("completed", first)
    assert world.done.count("made a") == 1
    assert job["result"] == {"made": ["a", "b"]}
    with pytest.raises(Conflict):
        await engine.retry(again.job_id)


async def test_twenty_submits_with_one_key_make_one_job(engine, world):
    def claim(job_id: str, status: str) -> Claim:
        return Claim("key-12345678", "digest", 202, json.dumps({"job_id": job_id}))

    made = await asyncio.gather(
        *(engine.submit(submission(order("a"), claim=claim)) for _ in range(20))
    )
    first = [one for one in made if one.replay is None]
    assert len(first) == 1
    replays = {one.replay.body for one in made if one.replay is not None}
    assert replays == {json.dumps({"job_id": first[0].job_id})}
    _, total, _ = await engine.jobs(JobFilter())
    assert total == 1


def claim_of(digest: str, job_id: str, status: str) -> Claim:
    return Claim("k" * 8, digest, 202, job_id)


async def test_one_key_for_two_requests_is_refused(engine):
    for digest, fails in (("one", False), ("two", True)):
        what = submission(order("a"), claim=partial(claim_of, digest))
        if fails:
            with pytest.raises(Invalid):
                await engine.submit(what)
        else:
            await engine.submit(what)


async def test_a_guard_that_refuses_leaves_nothing(engine):
    def guard(tx: object) -> None:
        raise Conflict("there is already a server 'one'")

    with pytest.raises(Conflict):
        await begin(engine, order("a"), guard=guard)
    assert await engine.jobs(JobFilter()) == ("[]", 0, None)


async def test_lists_filter_count_and_page(engine, world):
    world.errors["bad"] = [ProviderError("no")]
    jobs = [await begin(engine, order(key), server=key) for key in ("a", "bad", "c")]
    for job in jobs:
        await engine.wait(job, 10)
    page, total, more = await engine.jobs(JobFilter(limit=2))
    assert ([job["job_id"] for job in json.loads(page)], total) == ([jobs[2], jobs[1]], 3)
    page, total, more = await engine.jobs(JobFilter(limit=2, before=more))
    assert ([job["job_id"] for job in json.loads(page)], total, more) == ([jobs[0]], 3, None)
    page, total, _ = await engine.jobs(JobFilter(status="failed"))
    assert ([job["job_id"] for job in json.loads(page)], total) == ([jobs[1]], 1)
    _, total, _ = await engine.jobs(JobFilter(server="c", type="make", status="completed"))
    assert total == 1


async def test_counts_survive_a_restart(start):
    engine = await start()
    await engine.wait(await begin(engine, order("a")), 10)
    engine = await start()
    _, total, _ = await engine.jobs(JobFilter(status="completed"))
    assert total == 1


async def test_prune_takes_ended_jobs_only_and_never_reuses_a_cursor(start, world):
    engine = await start()
    world.gate("b")
    gone = await begin(engine, order("a"))
    await engine.wait(gone, 10)
    stays = await begin(engine, order("b"))
    before = engine.job(gone)["cursor"]
    assert await engine.prune(timedelta(seconds=-5)) == 1
    with pytest.raises(NotFound):
        engine.job(gone)
    assert engine.job(stays)["status"] == "running"
    engine = await start()
    assert int(engine.job(stays)["cursor"].split("-")[1]) >= int(before.split("-")[1])
    world.gate("b").set()
    await engine.wait(stays, 10)


async def collect(engine: Engine, job_id: str | None, after: str | None = None) -> list[Any]:
    return [event async for batch in engine.follow(job_id, after) for event in batch]


async def test_two_watchers_see_the_same_events_once_in_order(engine, world):
    job_id = await begin(engine, order("a b c"))
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
    job_id = await begin(engine, order({"a": [], "b": ["a"], "c": ["a"]}))
    if at != "begin a":
        world.gate("a").set()
    if at == "made b":
        world.gate("b").set()
    await until(world, at)
    snapshot = engine.job(job_id)
    world.gate("a").set()
    world.gate("b").set()
    for event in await collect(engine, job_id, snapshot["cursor"]):
        snapshot = apply(snapshot, json.loads(event.data), f"{engine.feed.epoch}-{event.seq}")
    assert snapshot == engine.job(job_id)


async def test_a_cursor_of_another_table_is_gone(engine, world):
    job_id = await begin(engine, order("a"))
    with pytest.raises(CursorGone):
        await collect(engine, job_id, "deadbeef-1")
    with pytest.raises(CursorGone):
        await collect(engine, job_id, f"{engine.feed.epoch}-99999999")
    with pytest.raises(Invalid):
        await collect(engine, job_id, "nonsense")
    with pytest.raises(NotFound):
        await collect(engine, "job_nothing")


async def test_a_watcher_comes_back_over_a_restart_without_a_gap(start, world):
    engine = await start()
    world.gate("b")
    job_id = await begin(engine, order("a b c"))
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


async def test_a_job_without_steps_completes(engine):
    made = await engine.submit(Submission(workflow="nothing", params=Order(), summary="Nothing"))
    assert (await engine.wait(made.job_id, 10))["status"] == "completed"


async def test_logs_hold_no_control_characters(engine, world):
    from livchatd.jobs.step_context import clean

    assert clean("a\x1b[31mred\x1b[0m\rb\x00c\n\n") == ["ared", "bc"]
    assert len(clean("x" * 9000)[0]) == 4000


async def test_a_watcher_of_a_quiet_job_hears_a_heartbeat(engine, world):
    world.gate("a")
    job_id = await begin(engine, order("a"))
    await until(world, "begin a")
    batches = engine.follow(job_id, None)

    async def beat() -> None:
        while True:
            engine.feed.beat()
            await asyncio.sleep(0.01)

    beating = asyncio.create_task(beat())
    async with asyncio.timeout(10):
        while await anext(batches):
            pass
    beating.cancel()
    world.gate("a").set()
    assert [event.type async for batch in batches for event in batch][-1] == "end"
