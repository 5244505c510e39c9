"""A job followed to its end, which becomes a result and an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import Any

import typer

from livchat.client.client import Client
from livchat.errors import JobCancelled, JobFailed, WaitTimedOut
from livchat.job_state import ENDED
from livchat.messages import in_words
from livchat.output import show
from livchat.output.formatting import roughly
from livchat.output.job_view import JobView, failed_step
from livchat.output.messages import translate
from livchat.output.progress import watch
from livchat.output.show import Format
from livchat.output.tables.jobs import job_result

Json = dict[str, Any]
Human = Callable[[Json], Iterable[str]]

STOPPED_WATCHING = 130
LONGEST_WAIT = 30.0
"""Seconds that one request for a job's end may take; longer waits are several of them."""


def follow(client: Client, job_id: str, output: Format, *, human: Human = job_result) -> Json:
    """Watch a job until it ends and show its result; return it.

    Ctrl-C ends the watching, never the work. Raises JobFailed or JobCancelled where it ended so.
    """
    with _detachable(job_id):
        job = _stream(client, job_id) if output is Format.NDJSON else _watch(client, job_id, output)
    finish(job, output, human=human)
    return job


def wait_for(client: Client, job_id: str, timeout: float | None) -> Json:
    """The job once it has ended, without showing anything.

    Raises WaitTimedOut after `timeout` seconds; None is for ever.
    """
    deadline = None if timeout is None else monotonic() + timeout
    with _detachable(job_id):
        while True:
            left = LONGEST_WAIT if deadline is None else max(0.0, deadline - monotonic())
            job = client.wait(job_id, min(left, LONGEST_WAIT))
            if job["status"] in ENDED:
                return job
            if deadline is not None and monotonic() >= deadline:
                message = translate("wait_timed_out", job=job_id, time=roughly(timeout or 0))
                raise WaitTimedOut(message, hint=f"livchat job watch {job_id}")


def finish(job: Json, output: Format, *, human: Human = job_result) -> None:
    """Show the result of a job that has ended. Raises JobFailed or JobCancelled if it has none."""
    completed = job["status"] == "completed"
    if output is not Format.NDJSON:
        show.result(job, output, human=human if completed else lambda _: [])
    if completed:
        return
    if job["status"] == "cancelled":
        raise JobCancelled(
            translate("job_cancelled", summary=job["summary"]),
            hint=in_words(job, "hint") or f"livchat job retry {job['job_id']}",
            details={"why": _rollback(job), "left_behind": job.get("left_behind") or []},
        )
    raise _failure(job)


def _failure(job: Json) -> JobFailed:
    step = failed_step(job)
    key = "job_failed" if step else "job_failed_early"
    error = JobFailed(
        translate(key, summary=job["summary"], step=in_words(step, "name") if step else ""),
        hint=in_words(job, "hint") or f"livchat job retry {job['job_id']}",
        details={
            "why": in_words(job, "error") or None,
            "left_behind": job.get("left_behind") or [],
        },
    )
    if error.details["left_behind"]:
        error.exit_code = 3
    return error


def _rollback(job: Json) -> str | None:
    return translate(f"rollback_{job['rollback']}") if job.get("rollback") else None


def _watch(client: Client, job_id: str, output: Format) -> Json:
    view = JobView(client.job(job_id))
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
    """Ctrl-C says how to watch again and exits 130; another exits at once; SIGTERM says nothing."""
    before = [(number, signal.signal(number, _leave)) for number in (signal.SIGTERM, signal.SIGHUP)]
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        show.note(translate("goes_on", job=job_id))
        raise typer.Exit(STOPPED_WATCHING) from None
    finally:
        for number, old in before:
            signal.signal(number, old)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(STOPPED_WATCHING)
