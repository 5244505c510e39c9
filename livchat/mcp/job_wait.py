"""Waits for jobs: with progress, up to a limit, across restarts of the daemon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from anyio import to_thread
from mcp.server.context import ServerRequestContext

from livchat.client import ENDED, Client
from livchat.mcp.inputs import WaitForJob
from livchat.mcp.job_follower import Follower, progress_message

Json = dict[str, Any]
Context = ServerRequestContext[Any, Any]

BEAT = 10.0
"""Seconds after which progress is told though there is none: clients give up on silence."""
WHOLE = 100.0
_LEAST = 0.01


class Waits:
    """All waits of a conversation; those for the same job share the one who follows it."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._followers: dict[str, Follower] = {}

    async def wait(self, ctx: Context, order: WaitForJob) -> Json:
        """The job once it ends, or as it stands after `max_wait` seconds; it goes on by itself."""
        follower = self._followers.get(order.job_id)
        if follower is None:
            job = await to_thread.run_sync(self._look, order.job_id, abandon_on_cancel=True)
            if job["status"] in ENDED:
                return job
            # Another wait may have begun to follow it meanwhile.
            follower = self._followers.setdefault(order.job_id, Follower(self._connect, job))
        with anyio.move_on_after(order.max_wait):
            await self._watch(ctx, follower)
        if follower.ended:
            self._followers.pop(order.job_id, None)
        if follower.error is not None:
            raise follower.error
        return follower.job

    async def _watch(self, ctx: Context, follower: Follower) -> None:
        """Tell progress, which only grows, at each change and at each beat."""
        reached, said = 0.0, ""
        while True:
            job = follower.job
            message = progress_message(job)
            amount = min(WHOLE, max(float(job["progress"]), reached + _LEAST))
            if amount > reached and (message != said or amount > reached + _LEAST):
                await ctx.session.report_progress(amount, WHOLE, message)
                reached, said = amount, message
            if follower.ended:
                return
            with anyio.move_on_after(BEAT) as quiet:
                await follower.change()
            if quiet.cancelled_caught:
                said = ""

    def _look(self, job_id: str) -> Json:
        client = self._connect()
        try:
            return client.job(job_id)
        finally:
            client.close()
