"""Events over HTTP: one generator, two encodings, writes that never wait for a slow reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from typing import Any

from aiohttp import web

from livchatd.api.http.messages import ORCHESTRATOR, part, query, reply
from livchatd.api.http.queries import EventsQuery, WaitQuery
from livchatd.jobs.event_feed import Event

WRITE_LIMIT = 10.0
"""Seconds after which a reader that takes nothing is cut off; it resumes by its cursor."""
UNTIMED = 32 * 1024
"""Bytes in a connection's buffer up to which a write does not wait; aiohttp's limit is 64 KiB."""
OPENING = 0.02
"""Seconds for which a stream that is refused may take to say so, before its headers are sent."""

NDJSON = "application/x-ndjson"


class Watchers:
    """The requests that are open for long; the daemon ends them when it stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False

    def add(self) -> None:
        """The current request is one."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def remove(self) -> None:
        """The current request is one no more."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.discard(task)

    def dismissed(self) -> bool:
        """Whether the current request was cancelled because the daemon stops; it may go on then."""
        task = asyncio.current_task()
        if not self._closing or task is None:
            return False
        task.uncancel()
        return True

    async def close(self, _: web.Application) -> None:
        """End all, at once."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()


WATCHERS = web.AppKey("watchers", Watchers)


async def of_job(request: web.Request) -> web.StreamResponse:
    return await _stream(request, part(request, "job_id"))


async def of_all(request: web.Request) -> web.StreamResponse:
    return await _stream(request, None)


async def wait(request: web.Request) -> web.StreamResponse:
    engine, job_id = request.app[ORCHESTRATOR].engine, part(request, "job_id")
    watchers = request.app[WATCHERS]
    watchers.add()
    try:
        return reply(await engine.wait(job_id, query(request, WaitQuery).timeout))
    except asyncio.CancelledError:
        if not watchers.dismissed():
            raise
        return reply(engine.job(job_id))
    finally:
        watchers.remove()


async def _stream(request: web.Request, job_id: str | None) -> web.StreamResponse:
    after = query(request, EventsQuery).after or request.headers.get("Last-Event-ID")
    lines = NDJSON in request.headers.get("Accept", "")
    events = request.app[ORCHESTRATOR].engine.follow(job_id, after or None)
    watchers = request.app[WATCHERS]
    watchers.add()
    kind = NDJSON if lines else "text/event-stream"
    response = web.StreamResponse(headers={"Content-Type": kind, "Cache-Control": "no-store"})
    try:
        async with aclosing(_opened(events)) as batches:
            await anext(batches)
            await response.prepare(request)
            async for batch in batches:
                await _write(request, response, _frames(batch, lines=lines))
    except asyncio.CancelledError:
        if not watchers.dismissed():
            raise
    except ConnectionError:
        return response
    finally:
        watchers.remove()
    if response.prepared:
        with suppress(ConnectionError):
            await response.write_eof()
    return response


async def _opened(events: AsyncIterator[list[Event]]) -> AsyncGenerator[list[Event], None]:
    """The batches, after an empty one which says that the stream is real: headers may go out."""
    first = asyncio.ensure_future(_next(events))
    try:
        await asyncio.wait({first}, timeout=OPENING)
        if first.done():
            await first
        yield []
        batch = await first
        while batch is not None:
            yield batch
            batch = await _next(events)
    finally:
        first.cancel()


async def _next(events: AsyncIterator[list[Event]]) -> list[Event] | None:
    return await anext(events, None)


def _frames(batch: Iterable[Event], *, lines: bool) -> bytes:
    """The frames of a batch; the heartbeat of an empty one."""
    if lines:
        return b"".join([event.ndjson for event in batch]) or b"\n"
    return b"".join([event.sse for event in batch]) or b": still here\n\n"


async def _write(request: web.Request, response: web.StreamResponse, frames: bytes) -> None:
    transport = request.transport
    if transport is not None and transport.get_write_buffer_size() + len(frames) < UNTIMED:
        # It fits into the buffer, so it does not wait: no timer for each watcher of each event.
        await response.write(frames)
        return
    try:
        async with asyncio.timeout(WRITE_LIMIT):
            await response.write(frames)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the reader is too slow") from None
