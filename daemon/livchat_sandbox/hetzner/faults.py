"""Hetzner's faults: its refusals, and actions that fail after they were begun."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.faults.http import Handler, network
from livchat_sandbox.hetzner.http import Refused, locked, taken

LIMIT = 3600
Make = Callable[[], Refused]


def _limit() -> Refused:
    details = {"limits": [{"name": "project_limit"}]}
    return Refused(403, "resource_limit_exceeded", "project limit exceeded", details)


def _retired() -> Refused:
    message = "server type is deprecated and cannot be ordered any more"
    fields = {"fields": [{"name": "server_type", "messages": ["is unavailable"]}]}
    return Refused(422, "invalid_input", message, fields)


REFUSALS: dict[str, Make] = {
    "rate_limited": lambda: Refused(
        429, "rate_limit_exceeded", f"limit of {LIMIT} requests per hour reached"
    ),
    "server_error": lambda: Refused(500, "server_error", "an internal error occurred"),
    "bad_gateway": lambda: Refused(502, "bad_gateway", "bad gateway"),
    "unavailable": lambda: Refused(503, "unavailable", "service is temporarily unavailable"),
    "gateway_timeout": lambda: Refused(504, "timeout", "the request timed out"),
    "maintenance": lambda: Refused(403, "maintenance", "cannot perform operation: maintenance"),
    "conflict": lambda: Refused(409, "conflict", "the resource was changed: please retry"),
    "locked": locked,
    "wrong_token": lambda: Refused(401, "unauthorized", "the token you have provided is invalid"),
    "readonly_token": lambda: Refused(401, "token_readonly", "the token is read-only"),
    "uniqueness_error": lambda: taken("name is already used", "name"),
    "resource_limit_exceeded": _limit,
    "resource_unavailable": lambda: Refused(
        412, "resource_unavailable", "server type is unavailable in this location"
    ),
    "placement_error": lambda: Refused(422, "placement_error", "error during placement"),
    "type_retired": _retired,
}


class HetznerFaults:
    """Answers calls that a fault hits."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def answer(self, name: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The answer under a fault."""
        if name in REFUSALS:
            answer = REFUSALS[name]().answer()
            if name == "rate_limited":
                full_at = self._world.clock.now() + self._world.clock.scaled(LIMIT)
                answer.headers["RateLimit-Limit"] = str(LIMIT)
                answer.headers["RateLimit-Remaining"] = "0"
                answer.headers["RateLimit-Reset"] = str(math.ceil(full_at))
            return answer
        if name in {"action_failed", "start_failed"}:
            return await self._spoil(request, handler, last=name == "start_failed")
        return await network(name, self._world.clock, request, lambda: handler(request))

    async def _spoil(
        self, request: web.Request, handler: Handler, *, last: bool
    ) -> web.StreamResponse:
        """Do it, and let the actions that it began fail when they would end; or the last only."""
        answer = await handler(request)
        raw = answer.body if isinstance(answer, web.Response) else None
        told = json.loads(raw) if isinstance(raw, bytes) and answer.status < 300 else {}
        begun = [action for action in (told.get("action"), *told.get("next_actions", [])) if action]
        for action in begun[-1:] if last else begun:
            self._world.lifecycle.spoil(action["id"])
        return answer
