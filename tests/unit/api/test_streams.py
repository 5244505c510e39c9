"""Streams under slow, gone and refused watchers, over a feed that never ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from livchat.errors import CursorGone
from livchatd.api import streams
from livchatd.api.http.messages import OPERATIONS, add_version_headers, errors
from livchatd.api.middleware.auth import RESUMED, Authenticator
from livchatd.api.streams import OPEN_REQUESTS, OpenRequests
from livchatd.jobs.event_feed import Event
from livchatd.operations.operations import Operations

EVENTS = "http://d/events"
LARGE = "x" * 30_000


class Feed:
    """Stands for the operations: what their streams look like from here."""

    def __init__(self, batches: list[list[Event]] | None = None, *, endless: bool = False) -> None:
        self.batches = batches or []
        self.endless = endless
        self.open = 0
        self.closed = asyncio.Event()

    @property
    def jobs(self) -> Feed:
        return self

    async def follow(self, job_id: str | None, after: str | None) -> AsyncIterator[list[Event]]:
        if after == "gone-1":
            raise CursorGone("gone", details={"begin": "x"})
        self.open += 1
        try:
            for batch in self.batches:
                yield batch
            while self.endless:
                await asyncio.sleep(0)
                yield [_event(1, f'{{"log":"{LARGE}"}}')]
            await asyncio.Event().wait()
        finally:
            self.open -= 1
            self.closed.set()


def _event(seq: int, body: str = '{"at":"t"}') -> Event:
    event = Event(seq, 1, "job_1", "log", body)
    event.epoch = "e"
    return event


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Any]:
    runners = []

    async def start(feed: Feed) -> tuple[web.AppRunner, Path]:
        app = web.Application(middlewares=[errors, Authenticator().middleware])
        app[OPERATIONS] = cast(Operations, feed)
        app[RESUMED] = asyncio.Event()
        app[RESUMED].set()
        app[OPEN_REQUESTS] = open_requests = OpenRequests()
        app.on_response_prepare.append(add_version_headers)
        app.on_shutdown.append(open_requests.close)
        app.router.add_get("/events", streams.all_events)
        runner = web.AppRunner(app, shutdown_timeout=0.3)
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "s")).start()
        runners.append(runner)
        return runner, tmp_path / "s"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_headers_come_before_the_first_event(serve: Any) -> None:
    _, path = await serve(Feed())
    async with asyncio.timeout(5), _session(path) as session, session.get(EVENTS) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream"


async def test_a_refusal_is_an_answer_and_no_stream(serve: Any) -> None:
    _, path = await serve(Feed())
    async with _session(path) as session, session.get(f"{EVENTS}?after=gone-1") as answer:
        assert answer.status == 410
        assert (await answer.json())["details"] == {"begin": "x"}


async def test_heartbeats_are_no_events(serve: Any) -> None:
    _, path = await serve(Feed([[], [_event(1)], []]))
    async with _session(path) as session:
        async with session.get(EVENTS) as answer:
            told = await answer.content.readuntil(b": still here\n\n")
            assert told == b": still here\n\n"
            told = await answer.content.readuntil(b": still here\n\n")
            assert told.startswith(b"id: e-1\nevent: log\ndata: {")
        async with session.get(EVENTS, headers={"Accept": "application/x-ndjson"}) as answer:
            lines = [await answer.content.readline() for _ in range(3)]
            assert lines[0] == lines[2] == b"\n"
            assert lines[1].startswith(b'{"id":"e-1","event":"log","data":{')


async def test_a_reader_that_takes_nothing_is_cut_off(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WRITE_SECONDS", 0.2)
    feed = Feed(endless=True)
    _, path = await serve(feed)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(path))
        silent.sendall(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
        async with asyncio.timeout(10):
            await feed.closed.wait()
    assert feed.open == 0


async def test_a_reader_that_is_cut_off_has_no_connection_left_to_read_from(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WRITE_SECONDS", 0.2)
    feed = Feed(endless=True)
    _, path = await serve(feed)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(path))
        silent.sendall(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
        silent.settimeout(0)
        received = b""
        async with asyncio.timeout(10):
            await feed.closed.wait()
            while chunk := await asyncio.get_running_loop().sock_recv(silent, 1 << 20):
                received += chunk
    assert received.startswith(b"HTTP/1.1 200")
    # Cut in the middle: what it never read is not sent after all, and no end is made up.
    assert not received.endswith(b"0\r\n\r\n")


async def test_a_watcher_that_is_gone_is_forgotten(serve: Any) -> None:
    feed = Feed(endless=True)
    _, path = await serve(feed)
    with socket.socket(socket.AF_UNIX) as watcher:
        watcher.connect(str(path))
        watcher.sendall(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
        watcher.settimeout(0)
        await asyncio.get_running_loop().sock_recv(watcher, 10)
    async with asyncio.timeout(10):
        await feed.closed.wait()


async def test_a_stream_ends_whole_at_shutdown(serve: Any) -> None:
    feed = Feed([[_event(1)]])
    runner, path = await serve(feed)
    async with asyncio.timeout(5), _session(path) as session, session.get(EVENTS) as answer:
        await answer.content.readuntil(b"\n\n")
        stopping = asyncio.create_task(runner.cleanup())
        # An end without the last chunk would be a ClientPayloadError here.
        assert await answer.content.read() == b""
        await stopping
    assert feed.open == 0


def _session(path: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)))
