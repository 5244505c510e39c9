"""Connections of clients that are slow, silent or many."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from livchat.errors import RateLimited
from livchatd.api.http import messages
from livchatd.api.http.messages import errors, json_body, reply
from livchatd.api.listener import slow_clients
from livchatd.api.listener.slow_clients import ListeningSocket, UnauthenticatedConnections
from livchatd.api.middleware import auth_throttle
from livchatd.api.middleware.auth import RESUMED, Authenticator
from livchatd.api.middleware.auth_throttle import FailedLogins

TOKEN = "t" * 20
Serve = Callable[[socket.socket], Awaitable[None]]


async def echo(request: web.Request) -> web.Response:
    return reply({"got": await json_body(request)})


async def large(_: web.Request) -> web.Response:
    return reply("x" * 20_000_000)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    authenticator = Authenticator(token=lambda: TOKEN, open_paths=frozenset({"/open"}))
    app = web.Application(middlewares=[errors, authenticator.middleware])
    app[RESUMED] = asyncio.Event()
    app[RESUMED].set()
    app.router.add_route("*", "/", echo)
    app.router.add_get("/open", echo)
    app.router.add_get("/large", large)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()

    async def start(listener: socket.socket) -> None:
        await ListeningSocket(runner, listener, backlog=16).start()

    yield start
    await runner.cleanup()


@pytest.fixture
async def path(serve: Serve, tmp_path: Path) -> Path:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    await serve(listener)
    return tmp_path / "s"


async def told(path: Path, *parts: bytes, pause: float = 0) -> bytes:
    """What is answered to bytes that come in parts, until the connection is closed."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        async with asyncio.timeout(20):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(pause)
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("parts", [(), (b"GET / HT",), (b"GET / HTTP/1.1\r\n", b"A: b\r\n")])
async def test_a_head_that_does_not_come_ends_the_connection(
    path: Path, monkeypatch: pytest.MonkeyPatch, parts: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(slow_clients, "HEAD_SECONDS", 0.1)
    assert await told(path, *parts) == b""


async def test_a_second_head_has_a_limit_too_and_waiting_between_them_is_free(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_clients, "HEAD_SECONDS", 0.2)
    whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await told(path, whole, whole, b"GET / HT", pause=0.4)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_a_body_that_does_not_come_is_refused_and_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "BODY_SECONDS", 0.1)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
    answer = await told(path, head + b"\r\n{")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"bad_request"' in answer
    assert b"did not come" in answer


async def test_an_answer_that_is_not_taken_is_given_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_clients, "RESPONSE_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(path))
        silent.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        silent.settimeout(0)
        await asyncio.sleep(0.5)
        size = 0
        async with asyncio.timeout(20):
            try:
                while data := await asyncio.get_running_loop().sock_recv(silent, 1 << 20):
                    size += len(data)
            except ConnectionError:
                pass
        assert size < 20_000_000


async def test_unauthenticated_connections_give_way_to_new_ones_and_others_do_not(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UnauthenticatedConnections.__init__, "__defaults__", (3,))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    await serve(listener)
    guest = await asyncio.open_connection("127.0.0.1", port)
    get = f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    assert await _asked(guest, get) == b"HTTP/1.1 200 OK\r\n"
    silent: list[Any] = []
    for _ in range(4):
        silent.append(await asyncio.open_connection("127.0.0.1", port))
        await asyncio.sleep(0.05)
    assert await _ended(silent[0])
    assert await _asked(silent[3], get) == b"HTTP/1.1 200 OK\r\n"
    assert await _asked(guest, get) == b"HTTP/1.1 200 OK\r\n"
    for _, writer in (guest, *silent):
        writer.close()


async def _ended(client: Any) -> bool:
    try:
        async with asyncio.timeout(20):
            return not await client[0].read()
    except ConnectionError:
        return True


async def _asked(client: Any, data: bytes) -> bytes:
    reader, writer = client
    writer.write(data)
    async with asyncio.timeout(20):
        line = await reader.readline()
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length:")[1].split()[0])
        await reader.readexactly(size)
    return bytes(line)


def test_failures_are_forgotten_and_so_are_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [0.0]
    monkeypatch.setattr(auth_throttle, "monotonic", lambda: at[0])
    monkeypatch.setattr(auth_throttle, "MAX_PEERS", 2)
    tries = FailedLogins()
    too_many = [tries.add("a") for _ in range(auth_throttle.MAX_FAILURES)]
    assert too_many == [False] * (auth_throttle.MAX_FAILURES - 1) + [True]
    with pytest.raises(RateLimited) as refused:
        tries.check("a")
    assert refused.value.details == {"retry_after": 60}
    tries.check("b")
    at[0] = auth_throttle.WINDOW_SECONDS + 1
    tries.check("a")
    for peer in ("b", "c", "d"):
        tries.add(peer)
    assert len(tries._failures) == 2
