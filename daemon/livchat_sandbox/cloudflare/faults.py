"""Cloudflare's faults: its refusals, the pages of its edge, and a zone that is not active."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.cloudflare.http import Refused
from livchat_sandbox.faults.http import Handler, network

WINDOW = 300
EDGE = {
    "bad_gateway": (502, "Bad gateway"),
    "unavailable": (503, "Service temporarily unavailable"),
    "gateway_timeout": (504, "Gateway time-out"),
}
"""What Cloudflare's edge answers where its API does not: pages, no envelope."""
REFUSALS: dict[str, Callable[[], Refused]] = {
    "rate_limited": lambda: Refused(
        429, 971, "Please wait and consider throttling your request speed"
    ),
    "server_error": lambda: Refused(500, 10013, "Unknown error has occurred"),
    "record_exists": lambda: Refused(400, 81057, "Record already exists."),
    "wrong_token": lambda: Refused(403, 9109, "Invalid access token"),
    "permission": lambda: Refused(403, 10000, "Authentication error"),
}


class CloudflareFaults:
    """Answers calls that a fault hits."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def answer(self, name: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The answer under a fault."""
        if name in REFUSALS:
            answer = REFUSALS[name]().answer()
            if name == "rate_limited":
                wait = max(1, math.ceil(self._world.clock.scaled(WINDOW)))
                answer.headers["Retry-After"] = str(wait)
            return answer
        if name in EDGE:
            status, words = EDGE[name]
            page = f"<html><head><title>{status}: {words}</title></head><body></body></html>\n"
            return web.Response(status=status, text=page, content_type="text/html")
        if name == "zone_pending":
            return await self._pending(request, handler)
        return await network(name, self._world.clock, request, lambda: handler(request))

    async def _pending(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        if not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
            return answer
        told = json.loads(answer.body)
        for zone in told["result"]:
            zone["status"] = "pending"
        return web.json_response(told)
