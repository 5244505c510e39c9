"""What fails is tried again: a step by itself, an ended job by a retry."""

from __future__ import annotations

import pytest

from livchat.errors import Conflict, ProviderError, ProviderUnavailable

from .conftest import begin, make_params


async def test_a_passing_fault_is_tried_again_and_seen_as_attempts(engine, world):
    world.errors["a"] = [ProviderUnavailable("busy"), ProviderUnavailable("busy")]
    job = await engine.wait(await begin(engine, make_params("a")), 10)
    assert job["status"] == "completed"
    assert job["steps"][0]["attempt"] == 3
    assert sum("trying again" in line["message"] for line in job["logs"]) == 2


async def test_a_fault_that_does_not_pass_is_given_up(engine, world):
    world.errors["a"] = [ProviderUnavailable("busy") for _ in range(9999)]
    job = await engine.wait(await begin(engine, make_params("a")), 10)
    assert (job["status"], job["error_code"]) == ("failed", "provider_unavailable")
    # Longer than four tries take: an outage of minutes is sat out, here a thousandth of it.
    assert job["steps"][0]["attempt"] > 4


async def test_an_outage_is_sat_out_with_its_reason_shown(engine, world):
    world.errors["a"] = [ProviderUnavailable("the cloud is away") for _ in range(8)]
    job_id = await begin(engine, make_params("a"))
    job = await engine.wait(job_id, 10)
    assert (job["status"], job["steps"][0]["attempt"]) == ("completed", 9)
    assert job["steps"][0]["error"] is None
    assert sum("the cloud is away" in line["message"] for line in job["logs"]) == 8


async def test_a_retry_goes_on_at_the_step_that_failed(engine, world):
    world.errors["b"] = [ProviderError("no")]
    first = await begin(engine, make_params("a b"))
    await engine.wait(first, 10)
    again = await engine.retry(first)
    job = await engine.wait(again.job_id, 10)
    assert (job["status"], job["retry_of"]) == ("completed", first)
    assert world.done.count("made a") == 1
    assert job["result"] == {"made": ["a", "b"]}
    with pytest.raises(Conflict):
        await engine.retry(again.job_id)


async def test_what_is_inside_a_lane_that_is_undone_is_done_again_by_a_retry(engine, world):
    world.errors["b"] = [ProviderError("sold out")]
    params = make_params(
        {"m": [], "x": ["m"], "b": ["x"]}, groups={"m": "l", "b": "l"}, part_of={"x": "m"}
    )
    first = await begin(engine, params)
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
    groups = {"a": "server", "b": "server"}
    first = await begin(engine, make_params("a b", groups=groups))
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
    first = await begin(engine, make_params("a b"))
    await engine.wait(first, 10)
    world.there.clear()
    again = await engine.retry(first)
    await engine.wait(again.job_id, 10)
    assert world.there == {"a", "b"}
