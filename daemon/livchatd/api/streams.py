"""Events over HTTP: one generator, two encodings, and no write that waits long for a reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, suppress
from typing import Any, Protocol

from aiohttp import web

from livchatd.api.http.messages import OPERATIONS, path_param, read_query, reply
from livchatd.api.http.queries import EventsQuery, WaitQuery

WRITE_SECONDS = 10.0
"""Seconds that a write may wait: a reader that takes nothing is aborted, and may resume later."""
UNTIMED_BYTES = 32 * 1024
"""Bytes in a connection's buffer up to which a write does not wait; aiohttp's limit is 64 KiB."""
REFUSAL_SECONDS = 0.02
"""Seconds that a stream may take to be refused, before its headers are sent."""

NDJSON = "application/x-ndjson"


class EncodedEvent(Protocol):
    """An event as it is sent, in both encodings."""

    @property
    def sse(self) -> bytes:
        """Its frame in text/event-stream."""

    @property
    def ndjson(self) -> bytes:
        """Its line in application/x-ndjson."""


Batch = Sequence[EncodedEvent]


class OpenRequests:
    """The requests that stay open; the daemon cancels them when it stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False

    def add(self) -> None:
        """Add the current request."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def remove(self) -> None:
        """Remove the current request."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.discard(task)

    def cancelled_by_shutdown(self) -> bool:
        """Return whether `close` cancelled the current request, which may then finish."""
        task = asyncio.current_task()
        if not self._closing or task is None:
            return False
        task.uncancel()
        return True

    async def close(self, _: web.Application) -> None:
        """Cancel all of them."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()


OPEN_REQUESTS = web.AppKey("open_requests", OpenRequests)


async def job_events(request: web.Request) -> web.StreamResponse:
    return await _stream(request, path_param(request, "job_id"))


async def all_events(request: web.Request) -> web.StreamResponse:
    return await _stream(request, None)


async def wait(request: web.Request) -> web.StreamResponse:
    jobs, job_id = request.app[OPERATIONS].jobs, path_param(request, "job_id")
    open_requests = request.app[OPEN_REQUESTS]
    open_requests.add()
    try:
        return reply(await jobs.wait(job_id, read_query(request, WaitQuery).timeout))
    except asyncio.CancelledError:
        if not open_requests.cancelled_by_shutdown():
            raise
        return reply(jobs.show(job_id))
    finally:
        open_requests.remove()


async def _stream(request: web.Request, job_id: str | None) -> web.StreamResponse:
    after = read_query(request, EventsQuery).after or request.headers.get("Last-Event-ID")
    as_lines = NDJSON in request.headers.get("Accept", "")
    events = request.app[OPERATIONS].jobs.follow(job_id, after or None)
    open_requests = request.app[OPEN_REQUESTS]
    open_requests.add()
    media = NDJSON if as_lines else "text/event-stream"
    response = web.StreamResponse(headers={"Content-Type": media, "Cache-Control": "no-store"})
    try:
        async with aclosing(_accepted(events)) as batches:
            await anext(batches)
            await response.prepare(request)
            async for batch in batches:
                await _write(request, response, _frames(batch, as_lines=as_lines))
    except asyncio.CancelledError:
        if not open_requests.cancelled_by_shutdown():
            raise
    except ConnectionError:
        return response
    finally:
        open_requests.remove()
    if response.prepared:
        with suppress(ConnectionError):
            await response.write_eof()
    return response


async def _accepted(events: AsyncIterator[Batch]) -> AsyncGenerator[Batch, None]:
    """Yield an empty batch once the stream is not refused, so that headers may be sent; then all.

    Raises what `events` raises before its first batch, if that comes within `REFUSAL_SECONDS`.
    """
    first = asyncio.ensure_future(_next(events))
    try:
        await asyncio.wait({first}, timeout=REFUSAL_SECONDS)
        if first.done():
            await first
        yield []
        batch = await first
        while batch is not None:
            yield batch
            batch = await _next(events)
    finally:
        first.cancel()


async def _next(events: AsyncIterator[Batch]) -> Batch | None:
    return await anext(events, None)


def _frames(batch: Iterable[EncodedEvent], *, as_lines: bool) -> bytes:
    """Return the frames of a batch; for an empty one a heartbeat."""
    if as_lines:
        return b"".join([event.ndjson for event in batch]) or b"\n"
    return b"".join([event.sse for event in batch]) or b": still here\n\n"


async def _write(request: web.Request, response: web.StreamResponse, frames: bytes) -> None:
    transport = request.transport
    if transport is not None and transport.get_write_buffer_size() + len(frames) < UNTIMED_BYTES:
        # It fits into the buffer and does not wait: a timer for each event would cost much.
        await response.write(frames)
        return
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await response.write(frames)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the reader is too slow") from None
