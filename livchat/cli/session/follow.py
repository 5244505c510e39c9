"""Follow a job from the terminal to its end, and turn its end into a result and an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import Any

import typer

from livchat.client import ENDED, Client
from livchat.errors import JobCancelled, JobFailed, WaitTimedOut
from livchat.output import show, tables
from livchat.output.formatting import roughly
from livchat.output.job_view import View, failed_step
from livchat.output.messages import say
from livchat.output.progress import watch
from livchat.output.show import Format

Json = dict[str, Any]
Human = Callable[[Json], Iterable[str]]

STOPPED_WATCHING = 130
LONGEST_WAIT = 30.0
"""Seconds that one request for a job's end may take; longer waits are several of them."""


def submitted(
    client: Client, accepted: Json, output: Format, *, wait: bool, human: Human = tables.outcome
) -> Json | None:
    """Follow the job that was accepted and return it, or say how to."""
    job_id = accepted["job_id"]
    if wait:
        return follow(client, job_id, output, human=human)
    show.result(accepted, output, human=lambda _: [job_id], quiet=lambda _: [job_id])
    if output is Format.HUMAN:
        show.note(say("started", message=accepted["message"], job=job_id))
    return None


def follow(client: Client, job_id: str, output: Format, *, human: Human = tables.outcome) -> Json:
    """Watch a job until it ends and show its result; return it.

    Ctrl-C ends the watching, never the work. Raises JobFailed or JobCancelled after the job.
    """
    with _detachable(job_id):
        job = _stream(client, job_id) if output is Format.NDJSON else _watch(client, job_id, output)
    finish(job, output, human=human)
    return job


def wait_for(client: Client, job_id: str, timeout: float | None) -> Json:
    """Wait for a job's end without a word; `timeout` in seconds, None for ever."""
    deadline = None if timeout is None else monotonic() + timeout
    with _detachable(job_id):
        while True:
            left = LONGEST_WAIT if deadline is None else max(0.0, deadline - monotonic())
            job = client.wait(job_id, min(left, LONGEST_WAIT))
            if job["status"] in ENDED:
                return job
            if deadline is not None and monotonic() >= deadline:
                message = say("wait_timed_out", job=job_id, time=roughly(timeout or 0))
                raise WaitTimedOut(message, hint=f"livchat job watch {job_id}")


def finish(job: Json, output: Format, *, human: Human = tables.outcome) -> None:
    """Show what became of a job that has ended; raise unless it was completed."""
    completed = job["status"] == "completed"
    if output is not Format.NDJSON:
        show.result(job, output, human=human if completed else lambda _: [])
    if completed:
        return
    if job["status"] == "cancelled":
        raise JobCancelled(
            say("job_cancelled", summary=job["summary"]),
            hint=job.get("hint") or f"livchat job retry {job['job_id']}",
            details={"why": _rollback(job), "left_behind": job.get("left_behind") or []},
        )
    raise _failure(job)


def _failure(job: Json) -> JobFailed:
    step = failed_step(job)
    key = "job_failed" if step else "job_failed_early"
    error = JobFailed(
        say(key, summary=job["summary"], step=step["name"] if step else ""),
        hint=job.get("hint") or f"livchat job retry {job['job_id']}",
        details={"why": job.get("error"), "left_behind": job.get("left_behind") or []},
    )
    if error.details["left_behind"]:
        error.exit_code = 3
    return error


def _rollback(job: Json) -> str | None:
    return say(f"rollback_{job['rollback']}") if job.get("rollback") else None


def _watch(client: Client, job_id: str, output: Format) -> Json:
    view = View(client.job(job_id))
    with watch(view, silent=output is Format.QUIET) as watcher:
        if view.ended:
            return view.job
        for event in client.job_events(job_id, view.job["cursor"]):
            view.apply(event.name, event.data, event.id)
            watcher.changed()
    return client.job(job_id)


def _stream(client: Client, job_id: str) -> Json:
    for event in client.job_events(job_id):
        show.write([event.line])
    return client.job(job_id)


@contextmanager
def _detachable(job_id: str) -> Iterator[None]:
    """Ctrl-C says how to come back and exits 130; a second one exits at once; SIGTERM is silent."""
    before = [(number, signal.signal(number, _leave)) for number in (signal.SIGTERM, signal.SIGHUP)]
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        show.note(say("goes_on", job=job_id))
        raise typer.Exit(STOPPED_WATCHING) from None
    finally:
        for number, old in before:
            signal.signal(number, old)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(STOPPED_WATCHING)
