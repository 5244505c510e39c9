"""Waits for jobs: with progress, up to a limit, across restarts of the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import Any

import anyio
from anyio import to_thread
from mcp.server.context import ServerRequestContext

from livchat.client.client import Client
from livchat.errors import LivChatError
from livchat.job_state import ENDED, apply_event
from livchat.mcp.inputs import WaitForJobInput

Json = dict[str, Any]
Context = ServerRequestContext[Any, Any]

HEARTBEAT_SECONDS = 10.0
"""Seconds after which progress is reported though there is none: clients give up on silence."""
WHOLE = 100.0
_SMALLEST_PROGRESS = 0.01


class JobWaits:
    """All waits of a conversation; those for the same job share one follower."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._followers: dict[str, JobFollower] = {}

    async def wait(self, ctx: Context, request: WaitForJobInput) -> Json:
        """The job once it ends, or as it stands after `max_wait` seconds; it goes on by itself.

        Raises the error of the client where the job cannot be followed.
        """
        follower = self._followers.get(request.job_id)
        if follower is None:
            job = await to_thread.run_sync(self._look, request.job_id, abandon_on_cancel=True)
            if job["status"] in ENDED:
                return job
            # Another wait may have begun to follow it meanwhile.
            follower = self._followers.setdefault(request.job_id, JobFollower(self._connect, job))
        with anyio.move_on_after(request.max_wait):
            await self._report(ctx, follower)
        if follower.ended:
            self._followers.pop(request.job_id, None)
        if follower.error is not None:
            raise follower.error
        return follower.job

    async def _report(self, ctx: Context, follower: JobFollower) -> None:
        """Report progress, which only grows, at each change and at each heartbeat."""
        reached, last_message = 0.0, ""
        while True:
            job = follower.job
            message = progress_message(job)
            amount = min(WHOLE, max(float(job["progress"]), reached + _SMALLEST_PROGRESS))
            new = message != last_message or amount > reached + _SMALLEST_PROGRESS
            if amount > reached and new:
                await ctx.session.report_progress(amount, WHOLE, message)
                reached, last_message = amount, message
            if follower.ended:
                return
            with anyio.move_on_after(HEARTBEAT_SECONDS) as silence:
                await follower.change()
            if silence.cancelled_caught:
                last_message = ""

    def _look(self, job_id: str) -> Json:
        client = self._connect()
        try:
            return client.job(job_id)
        finally:
            client.close()


class JobFollower:
    """Follows one job to its end, across restarts of the daemon, for all who wait for it.

    Waits come and go; its thread stays until the job ends, and ends with its process.
    """

    def __init__(self, connect: Callable[[], Client], job: Json) -> None:
        self.job = job
        self.error: LivChatError | None = None
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        Thread(target=self._follow, args=(job,), daemon=True, name=job["job_id"]).start()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come: the job has ended, or it cannot be followed."""
        return self.error is not None or self.job["status"] in ENDED

    async def change(self) -> None:
        """Wait until something has changed."""
        await self._changed.wait()

    def _follow(self, job: Json) -> None:
        client: Client | None = None
        try:
            client = self._connect()
            for event in client.job_events(job["job_id"], job["cursor"]):
                whole = event.name == "snapshot"
                job = event.data if whole else apply_event(job, event.data, event.id)
                self._loop.call_soon_threadsafe(self._set, job, None)
        except LivChatError as error:
            self._end(job, error)
        except RuntimeError:
            return  # The loop is closed: nobody waits any more.
        finally:
            if client is not None:
                client.close()

    def _end(self, job: Json, error: LivChatError) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set, job, error)

    def _set(self, job: Json, error: LivChatError | None) -> None:
        self.job, self.error = job, error
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def progress_message(job: Json) -> str:
    """Where a job stands, in one line."""
    if job["waiting_for"]:
        return f"à espera de {job['waiting_for']}"
    done, rest = len(job["steps_completed"]), len(job["steps_remaining"])
    step = job["current_step"] or job["status"]
    return f"{step} ({done}/{done + rest} passos)"
