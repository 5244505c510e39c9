"""The event feed: each watcher reads on from a cursor of its own, and is woken by new events.

A watcher is no queue. It reads what is after its cursor, from a short memory of the newest events
or from the table, and sleeps until there is more. So nothing is dropped, a slow watcher costs
nothing, and a job never waits for one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from functools import cached_property

RECENT_COUNT = 8192
"""How many of the newest events are kept in memory."""
BATCH_COUNT = 500
"""How many events a batch has at most."""


class Event:
    """One event. `body` is its JSON object without `job_id` and `seq`, `job_number` the job's `n`.

    Its cursor is `epoch-seq`; the feed sets the epoch, which names the table.
    """

    def __init__(self, seq: int, job_number: int, job_id: str, type: str, body: str) -> None:  # noqa: A002
        self.seq = seq
        self.job_number = job_number
        self.job_id = job_id
        self.type = type
        self.body = body
        self.epoch = ""

    @cached_property
    def data(self) -> str:
        """The event's data: one line of JSON."""
        return f'{{"job_id":"{self.job_id}","seq":{self.seq},{self.body[1:]}'

    @cached_property
    def sse(self) -> bytes:
        """The frame for text/event-stream."""
        return f"id: {self.epoch}-{self.seq}\nevent: {self.type}\ndata: {self.data}\n\n".encode()

    @cached_property
    def ndjson(self) -> bytes:
        """The frame for application/x-ndjson."""
        cursor = f"{self.epoch}-{self.seq}"
        return f'{{"id":"{cursor}","event":"{self.type}","data":{self.data}}}\n'.encode()


class EventFeed:
    """Events as they are committed, for any number of watchers.

    `head` is the number of the newest event. `read` reads events from the table: of a job's number
    or of all (None), after an event's number, at most so many.
    """

    def __init__(
        self, epoch: str, head: int, read: Callable[[int | None, int, int], list[Event]]
    ) -> None:
        self.epoch = epoch
        self.head = head
        self._read = read
        self._recent: list[Event] = []
        self._wakeups: dict[int | None, asyncio.Event] = defaultdict(asyncio.Event)
        self._heartbeats = 0
        self.closing = False

    def publish(self, events: list[Event]) -> None:
        """Show events to the watchers; they are on disk, and come in the order of their numbers."""
        if not events:
            return
        for event in events:
            event.epoch = self.epoch
        if self._recent and events[0].seq != self._recent[-1].seq + 1:
            self._recent = []
        self._recent.extend(events)
        if len(self._recent) > 2 * RECENT_COUNT:
            self._recent = self._recent[-RECENT_COUNT:]
        self.head = events[-1].seq
        for job_number in {event.job_number for event in events}:
            self._wake(job_number)
        self._wake(None)

    def heartbeat(self) -> None:
        """Wake every watcher: one that has nothing new gets an empty batch.

        One timer for all costs less than one for each.
        """
        self._heartbeats += 1
        self._wake_all()

    def close(self) -> None:
        """End every stream; jobs go on."""
        self.closing = True
        self._wake_all()

    async def follow(
        self, job_number: int | None, after: int, *, ended_by: int | None = None
    ) -> AsyncIterator[list[Event]]:
        """Yield batches of the events after a number, of one job until its end, or of all.

        An empty batch is a heartbeat: the stream is alive. `ended_by` is the number of an event by
        which the job had ended already: the stream closes after what is there, once all events up
        to that one have been published (a commit is on disk a moment before it is).
        """
        cursor = after
        while not self.closing:
            # The last events of a job that has ended may be another's: any publication counts.
            wakeup = self._wakeups[job_number if ended_by is None else None]
            batch = self._after(job_number, cursor)
            if batch:
                cursor = batch[-1].seq
                yield batch
                if job_number is not None and batch[-1].type == "end":
                    return
                continue
            if ended_by is not None and self.head >= ended_by:
                return
            cursor = max(cursor, self.head)
            heartbeats = self._heartbeats
            await wakeup.wait()
            if heartbeats != self._heartbeats:
                yield []

    def _after(self, job_number: int | None, cursor: int) -> list[Event]:
        """Return the next batch after a number, from memory if it reaches so far back."""
        recent = self._recent
        if recent and cursor >= recent[0].seq - 1:
            newer = recent[cursor - recent[0].seq + 1 :]
            if job_number is not None:
                newer = [event for event in newer if event.job_number == job_number]
            return newer[:BATCH_COUNT]
        events = self._read(job_number, cursor, BATCH_COUNT)
        for event in events:
            event.epoch = self.epoch
        return events

    def _wake(self, job_number: int | None) -> None:
        wakeup = self._wakeups.pop(job_number, None)
        if wakeup is not None:
            wakeup.set()

    def _wake_all(self) -> None:
        for job_number in list(self._wakeups):
            self._wake(job_number)
