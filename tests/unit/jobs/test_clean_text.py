"""What a step prints or fails with is cleaned before a job keeps it; then secrets are found."""

from __future__ import annotations

from livchat.errors import CommandFailed, ProviderUnavailable
from livchatd.jobs.engine import Submission

from .conftest import MakeParams

HOSTILE = "the \x1b[31mcontainer\x1b[0m said hun\x1b[1mter22\u202e\x9b\x07"


async def test_a_jobs_error_has_nothing_hidden_in_it_and_no_secret(start, world) -> None:
    world.errors["a"] = [CommandFailed(HOSTILE)]
    engine = await start(redact=lambda text: text.replace("hunter22", "[secret]"))
    made = await engine.submit(
        Submission(workflow="make", params=MakeParams(steps={"a": []}), summary="Make a")
    )
    job = await engine.wait(made.job_id, 10)
    assert job["status"] == "failed"
    assert job["error"] == "Make a: the container said [secret]"
    assert job["steps"][0]["error"] == "the container said [secret]"


async def test_a_log_line_has_nothing_hidden_in_it_and_no_secret(start, world) -> None:
    world.errors["a"] = [ProviderUnavailable(HOSTILE)]
    engine = await start(redact=lambda text: text.replace("hunter22", "[secret]"))
    made = await engine.submit(
        Submission(workflow="make", params=MakeParams(steps={"a": []}), summary="Make a")
    )
    job = await engine.wait(made.job_id, 10)
    assert job["status"] == "completed"
    (retried,) = [line["message"] for line in job["logs"] if "trying again" in line["message"]]
    assert retried.startswith("the container said [secret]; trying again")
