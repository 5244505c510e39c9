"""Cloudflare's faults at work: refusals, pages of its edge, and a zone that is not active."""

from __future__ import annotations

import json
import math

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.cloudflare.http import RATE_LIMIT_WINDOW, ApiError, rate_limited
from livchat_sandbox.faults.effects import (
    CloudflareRefusal,
    EdgePage,
    PendingZones,
    RateLimited,
)
from livchat_sandbox.faults.http import Handler, apply_network_effect
from livchat_sandbox.faults.registry import CLOUDFLARE


class CloudflareFaults:
    """Answers calls that a fault hits."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def respond(
        self, name: str, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Return the answer to a call under a fault."""
        effect = CLOUDFLARE[name].effect
        if isinstance(effect, RateLimited):
            return self._rate_limited()
        if isinstance(effect, CloudflareRefusal):
            return ApiError(effect.status, effect.code, effect.message).response()
        if isinstance(effect, EdgePage):
            return _edge_page(effect)
        if isinstance(effect, PendingZones):
            return _with_pending_zones(await handler(request))
        clock = self._world.clock
        return await apply_network_effect(effect, clock, request, lambda: handler(request))

    def _rate_limited(self) -> web.Response:
        response = rate_limited().response()
        wait = max(1, math.ceil(self._world.clock.scaled(RATE_LIMIT_WINDOW)))
        response.headers["Retry-After"] = str(wait)
        return response


def _edge_page(effect: EdgePage) -> web.Response:
    title = f"{effect.status}: {effect.title}"
    page = f"<html><head><title>{title}</title></head><body></body></html>\n"
    return web.Response(status=effect.status, text=page, content_type="text/html")


def _with_pending_zones(response: web.StreamResponse) -> web.StreamResponse:
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    data = json.loads(response.body)
    for zone in data["result"]:
        zone["status"] = "pending"
    return web.json_response(data)
