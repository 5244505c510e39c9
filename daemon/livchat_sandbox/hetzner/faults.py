"""Hetzner's faults at work: refusals, and actions that fail after they were begun."""

from __future__ import annotations

import json
import math

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.faults.effects import FailedActions, HetznerRefusal, RateLimited
from livchat_sandbox.faults.http import Handler, apply_network_effect
from livchat_sandbox.faults.registry import HETZNER
from livchat_sandbox.hetzner.http import REQUESTS_PER_HOUR, ApiError, rate_limit_exceeded


class HetznerFaults:
    """Answers calls that a fault hits."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def respond(
        self, name: str, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Return the answer to a call under a fault."""
        effect = HETZNER[name].effect
        if isinstance(effect, RateLimited):
            return self._rate_limited()
        if isinstance(effect, HetznerRefusal):
            return ApiError(effect.status, effect.code, effect.message, effect.details).response()
        if isinstance(effect, FailedActions):
            return await self._with_failing_actions(request, handler, effect)
        clock = self._world.clock
        return await apply_network_effect(effect, clock, request, lambda: handler(request))

    def _rate_limited(self) -> web.Response:
        response = rate_limit_exceeded(REQUESTS_PER_HOUR).response()
        full_at = self._world.clock.now() + self._world.clock.scaled(REQUESTS_PER_HOUR)
        response.headers["RateLimit-Limit"] = str(REQUESTS_PER_HOUR)
        response.headers["RateLimit-Remaining"] = "0"
        response.headers["RateLimit-Reset"] = str(math.ceil(full_at))
        return response

    async def _with_failing_actions(
        self, request: web.Request, handler: Handler, effect: FailedActions
    ) -> web.StreamResponse:
        """Do what is asked for, and let the actions that it began fail when they would end."""
        response = await handler(request)
        body = response.body if isinstance(response, web.Response) else None
        data = json.loads(body) if isinstance(body, bytes) and response.status < 300 else {}
        actions = [
            action for action in (data.get("action"), *data.get("next_actions", [])) if action
        ]
        for action in actions[-1:] if effect.last_only else actions:
            self._world.lifecycle.make_fail(action["id"])
        return response
