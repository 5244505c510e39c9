"""What a fault does to a call over HTTP: instead of the answer, before it, or after it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web

from livchat_sandbox.clock import Clock

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Work = Callable[[], Awaitable[web.StreamResponse]]

SLOW, SLOW_LEAST = 20.0, 0.5
LONGEST = 150.0
"""Real seconds for which a call that is never answered is held; its caller gives up long before."""
_LOOK = 0.05
_PAGE = "<html><head><title>One moment</title></head><body><h1>One moment</h1></body></html>\n"
_UNLINGERING = struct.pack("ii", 1, 0)


class NoSuchFault(LookupError):
    """It is none of those that are the same everywhere."""


async def network(
    name: str, clock: Clock, request: web.BaseRequest, work: Work
) -> web.StreamResponse:
    """The answer under a fault that all services have; `work` does what was asked for."""
    if name == "slow":
        await pause(clock)
        return await work()
    if name == "garbage":
        return _garbage()
    if name == "truncated":
        return _truncated(await work())
    if name not in {"timeout_before", "timeout_after", "reset", "lost"}:
        raise NoSuchFault(name)
    if name in {"timeout_after", "lost"}:
        await work()
    if name in {"timeout_before", "timeout_after"}:
        await _until_it_hangs_up(request)
    hang_up(request.transport)
    return web.Response()


async def pause(clock: Clock) -> None:
    """How long a slow answer takes."""
    await asyncio.sleep(max(clock.scaled(SLOW), SLOW_LEAST))


def hang_up(transport: asyncio.BaseTransport | None) -> None:
    """End a connection by a reset, not by a polite end."""
    if not isinstance(transport, asyncio.Transport):
        return
    side = transport.get_extra_info("socket")
    if side is not None and side.family != socket.AF_UNIX:
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _UNLINGERING)
    transport.abort()


async def _until_it_hangs_up(request: web.BaseRequest) -> None:
    # aiohttp tells of a caller that is gone by taking the transport away, and by nothing else.
    for _ in range(int(LONGEST / _LOOK)):
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(_LOOK)


def _garbage() -> web.Response:
    return web.Response(text=_PAGE, content_type="text/html")


def _truncated(answer: web.StreamResponse) -> web.StreamResponse:
    whole = answer.body if isinstance(answer, web.Response) else None
    if not isinstance(whole, bytes) or not whole:
        return _garbage()
    kind = answer.content_type
    return web.Response(body=whole[: len(whole) // 2], status=answer.status, content_type=kind)
