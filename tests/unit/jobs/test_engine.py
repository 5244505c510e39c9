"""What the engine does with a job: its steps in order, its turn, its failure, a crash."""

from __future__ import annotations

import json

import pytest

from livchat.errors import Conflict, ProviderError, ProviderUnavailable
from livchat.wire.jobs import Job
from livchatd.jobs.engine import Submission
from livchatd.jobs.job_lists import JobFilter

from .conftest import MakeParams, begin, make_params, until


async def test_a_job_runs_its_steps_in_order_and_tells_its_result(engine, world):
    job = await engine.wait(await begin(engine, make_params("a b c")), 10)
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
    job_id = await begin(engine, make_params("a"))
    row = engine._database.reader.execute("SELECT status FROM jobs WHERE job_id = ?", (job_id,))
    assert row.fetchone() is not None


async def test_independent_steps_run_side_by_side(engine, world):
    for key in "ab":
        world.gate(key)
    job_id = await begin(engine, make_params({"a": [], "b": [], "c": ["a", "b"]}))
    await until(world, "begin a")
    await until(world, "begin b")
    assert "begin c" not in world.done
    for key in "ab":
        world.gate(key).set()
    assert (await engine.wait(job_id, 10))["status"] == "completed"


async def test_a_job_without_steps_completes(engine):
    made = await engine.submit(
        Submission(workflow="nothing", params=MakeParams(), summary="Nothing")
    )
    assert (await engine.wait(made.job_id, 10))["status"] == "completed"


async def test_a_failed_step_fails_the_job_and_says_what_is_left(engine, world):
    world.errors["b"] = [ProviderError("no such thing", hint="try another")]
    job = await engine.wait(await begin(engine, make_params("a b c")), 10)
    assert (job["status"], job["error_code"], job["hint"]) == (
        "failed",
        "provider_error",
        "try another",
    )
    assert job["error"] == "Make b: no such thing"
    assert job["left_behind"] == ["a", "b"]
    assert job["rollback"] == "none"
    assert [s["status"] for s in job["steps"]] == ["completed", "failed", "pending"]


async def test_a_fault_of_our_own_ends_the_job_and_is_not_shown_raw(engine, world):
    world.errors["a"] = [ValueError("secret stuff")]
    job = await engine.wait(await begin(engine, make_params("a")), 10)
    assert (job["status"], job["error_code"]) == ("failed", "internal")
    assert "secret" not in json.dumps(job)


async def test_a_step_whose_work_is_not_there_when_it_is_read_again_fails(engine, world):
    world.lost.add("a")
    job = await engine.wait(await begin(engine, make_params("a b")), 10)
    assert "made a" in world.done
    assert (job["status"], job["error"]) == ("failed", "Make a: a is not there")
    assert "begin b" not in world.done


async def test_what_a_step_logs_and_fails_with_holds_nothing_hidden(engine, world):
    world.errors["a"] = [ProviderUnavailable("a\x1b[31mred\x1b[0m\rb\x00c\u202e\n\n" + "x" * 9000)]
    world.errors["a"] += [ProviderError("\x1b[31mno\x9b0m such\x1b]0;title\x07 thing")]
    job = await engine.wait(await begin(engine, make_params("a")), 10)
    assert (job["steps"][0]["error"], job["error"]) == ("no such thing", "Make a: no such thing")
    lines = [line["message"] for line in job["logs"]]
    assert lines[:3] == ["making a", "ared", "bc"]
    assert lines[3] == "x" * 4000


async def test_jobs_of_one_server_run_in_the_order_of_asking(engine, world):
    for key in "abc":
        world.gate(key)
    jobs = [await begin(engine, make_params(key), server="one") for key in "abc"]
    other = await begin(engine, make_params("x"), server="two")
    assert (await engine.wait(other, 10))["status"] == "completed"
    assert engine.active_job_of("one") == jobs[0]
    await until(world, "begin a")
    world.gate("a").set()
    await until(world, "begin b")
    assert engine.job(jobs[2])["waiting_for"] == jobs[1]
    assert "begin c" not in world.done
    for key in "bc":
        world.gate(key).set()
    assert (await engine.wait(jobs[2], 10))["status"] == "completed"


async def test_no_more_jobs_than_the_limit_are_at_work(start, world):
    engine = await start(max_running=2)
    for key in "abc":
        world.gate(key)
    jobs = [await begin(engine, make_params(key), server=key) for key in "abc"]
    await until(world, "begin b")
    assert engine.counts() == {"queued": 1, "running": 2}
    world.gate("a").set()
    await until(world, "begin c")
    for key in "bc":
        world.gate(key).set()
    for job in jobs:
        assert (await engine.wait(job, 10))["status"] == "completed"


async def test_a_guard_that_refuses_leaves_nothing(engine):
    def guard(tx: object) -> None:
        raise Conflict("there is already a server 'one'")

    with pytest.raises(Conflict):
        await begin(engine, make_params("a"), guard=guard)
    assert await engine.jobs(JobFilter()) == ("[]", 0, None)


@pytest.mark.parametrize("at", ["a", "b", "c"])
async def test_a_killed_daemon_goes_on_where_it_was(start, world, at):
    engine = await start()
    world.gate(at)
    job_id = await begin(engine, make_params("a b c"))
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
    job_id = await begin(engine, make_params("a b"))
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
    job_id = await begin(engine, make_params("a b"))
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
    first = await begin(engine, make_params("a"), server="one")
    second = await begin(engine, make_params("b"), server="one")
    await until(world, "begin a")
    engine = await start()
    assert engine.job(second)["waiting_for"] == first
    world.gate("a").set()
    assert (await engine.wait(second, 10))["status"] == "completed"
