"""Lists of jobs, and jobs that are deleted."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from livchat.errors import CursorGone, NotFound, ProviderError
from livchatd.jobs.job_lists import JobFilter

from .conftest import begin, make_params, until


async def test_lists_filter_count_and_page(engine, world):
    world.errors["bad"] = [ProviderError("no")]
    jobs = [await begin(engine, make_params(key), server=key) for key in ("a", "bad", "c")]
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
    await engine.wait(await begin(engine, make_params("a")), 10)
    engine = await start()
    _, total, _ = await engine.jobs(JobFilter(status="completed"))
    assert total == 1


async def test_prune_takes_ended_jobs_only_and_never_reuses_a_cursor(start, world):
    engine = await start()
    world.gate("b")
    gone = await begin(engine, make_params("a"))
    await engine.wait(gone, 10)
    stays = await begin(engine, make_params("b"))
    before = engine.job(gone)["cursor"]
    assert await engine.prune(timedelta(seconds=-5)) == 1
    with pytest.raises(NotFound):
        engine.job(gone)
    assert engine.job(stays)["status"] == "running"
    engine = await start()
    assert int(engine.job(stays)["cursor"].split("-")[1]) >= int(before.split("-")[1])
    world.gate("b").set()
    await engine.wait(stays, 10)


async def test_a_cursor_into_what_was_pruned_is_gone_and_says_where_to_go_on(start, world):
    engine = await start()
    first = await begin(engine, make_params("a"))
    await engine.wait(first, 10)
    between = engine.job(first)["cursor"]
    second = await begin(engine, make_params("b"))
    await engine.wait(second, 10)
    newest = engine.job(second)["cursor"]
    await engine.prune(timedelta(seconds=-5))
    for _ in range(2):
        with pytest.raises(CursorGone) as refused:
            await anext(engine.follow(None, between))
        assert refused.value.details == {"oldest": newest, "newest": newest}
        engine = await start()
    third = await begin(engine, make_params("c"))
    await engine.wait(third, 10)
    batches = engine.follow(None, newest)
    assert (await anext(batches))[0].job_id == third
    await batches.aclose()


async def test_only_what_was_pruned_is_gone(engine, world):
    first = await begin(engine, make_params("a"))
    await engine.wait(first, 10)
    world.gate("b")
    second = await begin(engine, make_params("b"))
    await until(world, "begin b")
    cursor = engine.job(second)["cursor"]
    await engine.prune(timedelta(seconds=-5))
    world.gate("b").set()
    await engine.wait(second, 10)
    batches = engine.follow(None, cursor)
    assert (await anext(batches))[0].job_id == second
    await batches.aclose()
