"""The feed of events: a cursor for each watcher over the table, and a bell that wakes them.

A watcher is no queue: it reads what is after its cursor, from a short memory of the newest events
or from the table, and sleeps until the bell of its job rings. So nothing is dropped, a slow watcher
costs nothing, and a job never waits for one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from functools import cached_property

RECENT = 8192
"""How many of the newest events are kept in memory."""
PAGE = 500


class Event:
    """One event; `body` is its JSON object without job_id and seq."""

    def __init__(self, seq: int, n: int, job_id: str, type: str, body: str) -> None:  # noqa: A002
        self.seq = seq
        self.n = n
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


class Feed:
    """Events as they are committed, for any number of watchers."""

    def __init__(
        self, epoch: str, head: int, read: Callable[[int | None, int, int], list[Event]]
    ) -> None:
        self.epoch = epoch
        self.head = head
        self._read = read
        self._recent: list[Event] = []
        self._bells: dict[int | None, asyncio.Event] = defaultdict(asyncio.Event)
        self._beats = 0
        self.closing = False

    def publish(self, events: list[Event]) -> None:
        """Tell events that are on disk now, in order."""
        if not events:
            return
        for event in events:
            event.epoch = self.epoch
        if self._recent and events[0].seq != self._recent[-1].seq + 1:
            self._recent = []
        self._recent.extend(events)
        if len(self._recent) > 2 * RECENT:
            self._recent = self._recent[-RECENT:]
        self.head = events[-1].seq
        for n in {event.n for event in events}:
            self._ring(n)
        self._ring(None)

    def beat(self) -> None:
        """Wake every watcher: one that has nothing new gets an empty batch.

        Called each 15 s: one timer for all costs less than one for each.
        """
        self._beats += 1
        for n in list(self._bells):
            self._ring(n)

    def close(self) -> None:
        """End every stream; jobs go on."""
        self.closing = True
        for n in list(self._bells):
            self._ring(n)

    async def follow(
        self, n: int | None, after: int, *, ended: bool = False
    ) -> AsyncIterator[list[Event]]:
        """Batches of events after a number, of one job (until its end) or of all.

        An empty batch is a heartbeat: the stream is alive. `ended` says that the job has ended
        already: the stream closes after what is there.
        """
        cursor = after
        while not self.closing:
            bell = self._bells[n]
            batch = self._after(n, cursor)
            if batch:
                cursor = batch[-1].seq
                yield batch
                if n is not None and batch[-1].type == "end":
                    return
                continue
            if ended:
                return
            cursor = max(cursor, self.head)
            beats = self._beats
            await bell.wait()
            if beats != self._beats:
                yield []

    def _after(self, n: int | None, cursor: int) -> list[Event]:
        recent = self._recent
        if recent and cursor >= recent[0].seq - 1:
            newer = recent[cursor - recent[0].seq + 1 :]
            return newer[:PAGE] if n is None else [event for event in newer if event.n == n][:PAGE]
        events = self._read(n, cursor, PAGE)
        for event in events:
            event.epoch = self.epoch
        return events

    def _ring(self, n: int | None) -> None:
        bell = self._bells.pop(n, None)
        if bell is not None:
            bell.set()
