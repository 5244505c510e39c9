"""Portainer's faults: its refusals, and what a network does to any service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from livchat_sandbox.clock import Clock
from livchat_sandbox.faults.http import network
from livchat_sandbox.portainer.http import Failure

REFUSALS: dict[str, Callable[[], Failure]] = {
    "server_error": lambda: Failure(500, "Unable to persist the change", "database is locked"),
    "bad_gateway": lambda: Failure(502, "Unable to reach the environment", "bad gateway"),
    "unavailable": lambda: Failure(503, "Unable to reach the environment", "unavailable"),
    "gateway_timeout": lambda: Failure(504, "Unable to reach the environment", "time-out"),
    "expired": lambda: Failure(401, "Invalid JWT token", "Unauthorized"),
    "throttled": lambda: Failure(403, "Access denied", "Access denied to resource"),
    "conflict": lambda: Failure(
        409, "Stack deployment is already in progress", "stack is deploying"
    ),
}


async def suffer(
    name: str,
    clock: Clock,
    request: web.BaseRequest,
    work: Callable[[], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """The answer under a fault."""
    refused = REFUSALS.get(name)
    if refused is not None:
        raise refused()
    return await network(name, clock, request, work)
