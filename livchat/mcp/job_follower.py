"""A job's state, kept up to date by a thread that follows its events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import Any

from livchat.client import ENDED, Client
from livchat.errors import LivChatError
from livchat.wire.jobs import apply

Json = dict[str, Any]


class Follower:
    """Follows one job to its end, across restarts of the daemon, for all who wait for it.

    Waits come and go; the thread stays until the job ends, and ends with its process.
    """

    def __init__(self, connect: Callable[[], Client], job: Json) -> None:
        self.job = job
        self.error: LivChatError | None = None
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._bell = asyncio.Event()
        Thread(target=self._follow, args=(job,), daemon=True, name=job["job_id"]).start()

    @property
    def ended(self) -> bool:
        """Nothing more will come: the job has ended, or it cannot be followed."""
        return self.error is not None or self.job["status"] in ENDED

    async def change(self) -> None:
        """Wait until something has changed."""
        await self._bell.wait()

    def _follow(self, job: Json) -> None:
        client: Client | None = None
        try:
            client = self._connect()
            for event in client.job_events(job["job_id"], job["cursor"]):
                anew = event.name == "snapshot"
                job = event.data if anew else apply(job, event.data, event.id)
                self._loop.call_soon_threadsafe(self._tell, job, None)
        except LivChatError as error:
            self._end(job, error)
        except RuntimeError:
            return  # The loop is closed: nobody waits any more.
        finally:
            if client is not None:
                client.close()

    def _end(self, job: Json, error: LivChatError) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, job, error)

    def _tell(self, job: Json, error: LivChatError | None) -> None:
        self.job, self.error = job, error
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()


def progress_message(job: Json) -> str:
    """Where a job stands, in one line."""
    if job["waiting_for"]:
        return f"à espera de {job['waiting_for']}"
    done, rest = len(job["steps_completed"]), len(job["steps_remaining"])
    step = job["current_step"] or job["status"]
    return f"{step} ({done}/{done + rest} passos)"
