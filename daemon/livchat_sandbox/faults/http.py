"""What a network's fault does to a call over HTTP, in place of the answer, before or after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from livchat_sandbox.clock import Clock
from livchat_sandbox.faults.effects import Delivery, NetworkEffect
from livchat_sandbox.net.reset import reset_connection

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Respond = Callable[[], Awaitable[web.StreamResponse]]

SLOW_SECONDS, SLOW_REAL_SECONDS = 20.0, 0.5
MAX_HOLD_SECONDS = 150.0
"""Real seconds for which a call that is never answered is held; its caller gives up long before."""
_CHECK_SECONDS = 0.05
_PROXY_PAGE = (
    "<html><head><title>One moment</title></head><body><h1>One moment</h1></body></html>\n"
)


async def apply_network_effect(
    effect: NetworkEffect, clock: Clock, request: web.BaseRequest, respond: Respond
) -> web.StreamResponse:
    """Return the answer to a request under a fault; `respond` does what the request asks for."""
    if effect.delivery is Delivery.LATE:
        await slow_answer_delay(clock)
    response = await respond() if effect.processed else _proxy_page()
    if effect.delivery in {Delivery.WHOLE, Delivery.LATE}:
        return response
    if effect.delivery is Delivery.CUT:
        return _cut(response)
    if effect.delivery is Delivery.NEVER:
        await _until_caller_gives_up(request)
    reset_connection(request.transport)
    return web.Response()


async def slow_answer_delay(clock: Clock) -> None:
    """Wait for as long as a slow answer takes."""
    await asyncio.sleep(max(clock.scaled(SLOW_SECONDS), SLOW_REAL_SECONDS))


async def _until_caller_gives_up(request: web.BaseRequest) -> None:
    # aiohttp tells of a caller that is gone by taking the transport away, and by nothing else.
    for _ in range(int(MAX_HOLD_SECONDS / _CHECK_SECONDS)):
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(_CHECK_SECONDS)


def _proxy_page() -> web.Response:
    return web.Response(text=_PROXY_PAGE, content_type="text/html")


def _cut(response: web.StreamResponse) -> web.StreamResponse:
    body = response.body if isinstance(response, web.Response) else None
    if not isinstance(body, bytes) or not body:
        return _proxy_page()
    half = body[: len(body) // 2]
    return web.Response(body=half, status=response.status, content_type=response.content_type)
