"""Portainer's faults at work: its refusals, and what a network does to any service."""

from __future__ import annotations

from aiohttp import web

from livchat_sandbox.clock import Clock
from livchat_sandbox.faults.effects import PortainerDown, PortainerRefusal
from livchat_sandbox.faults.http import Respond, apply_network_effect
from livchat_sandbox.faults.registry import PORTAINER
from livchat_sandbox.net.reset import reset_connection
from livchat_sandbox.portainer.http import ApiError


async def apply_fault(
    name: str, clock: Clock, request: web.BaseRequest, respond: Respond
) -> web.StreamResponse:
    """Return the answer to a call under a fault; `respond` does what the call asks for.

    Raises the fault's `ApiError` if it is a refusal.
    """
    effect = PORTAINER[name].effect
    if isinstance(effect, PortainerRefusal):
        raise ApiError(effect.status, effect.message, effect.details)
    if isinstance(effect, PortainerDown):
        reset_connection(request.transport)
        return web.Response()
    return await apply_network_effect(effect, clock, request, respond)
