"""A submit that is sent again makes no second job."""

from __future__ import annotations

import asyncio
import json

import pytest

from livchat.errors import InvalidRequest
from livchatd.jobs.idempotency import Caller, IdempotencyKey
from livchatd.jobs.job_lists import JobFilter

from .conftest import begin, make_params, submission


def caller(digest: str) -> Caller:
    return Caller("uid:1000", IdempotencyKey("key-12345678", digest))


async def test_twenty_submits_with_one_key_make_one_job(engine):
    made = await asyncio.gather(
        *(engine.submit(submission(make_params("a"), caller=caller("digest"))) for _ in range(20))
    )
    assert [job.replayed for job in made].count(False) == 1
    assert len({job.job_id for job in made}) == 1
    assert {job.body for job in made} == {made[0].body}
    assert json.loads(made[0].body)["job_id"] == made[0].job_id
    _, total, _ = await engine.jobs(JobFilter())
    assert total == 1


async def test_one_key_for_two_requests_is_refused(engine):
    await engine.submit(submission(make_params("a"), caller=caller("one")))
    with pytest.raises(InvalidRequest):
        await engine.submit(submission(make_params("a"), caller=caller("two")))


async def test_a_retry_with_the_key_of_the_first_makes_no_second_job(engine, world):
    world.gate("a")
    first = await begin(engine, make_params("a"))
    await engine.cancel(first)
    await engine.wait(first, 10)
    again = await engine.retry(first, caller("retry"))
    once_more = await engine.retry(first, caller("retry"))
    assert (again.replayed, once_more.replayed) == (False, True)
    assert (once_more.job_id, once_more.body) == (again.job_id, again.body)
    assert json.loads(again.body)["retry_of"] == first


async def test_responses_are_known_by_their_key_for_a_day(engine):
    key = caller("digest").key
    assert not await engine.responses.knows(key)
    await engine.submit(submission(make_params("a"), caller=caller("digest")))
    assert await engine.responses.knows(key)
    assert not await engine.responses.knows(None)
    yesterday = "UPDATE claims SET created_at = '2020-01-01T00:00:00.000000Z'"
    await engine._database.write(lambda tx: tx.execute(yesterday) and None)
    engine.responses.delete_expired()
    assert not await engine.responses.knows(key)
