"""`up` over HTTP: from nothing to running apps in one job, or the plan of it."""

from __future__ import annotations

from aiohttp import web

from livchat.wire.up import Up
from livchatd.api.http.messages import OPERATIONS, accepted, read_body, read_query, reply
from livchatd.api.http.queries import PlanQuery
from livchatd.api.middleware.auth import caller_of, set_audit_target


async def up(request: web.Request) -> web.Response:
    plan_only = read_query(request, PlanQuery).plan
    body = await read_body(request, Up)
    set_audit_target(request, body.server)
    operations = request.app[OPERATIONS].up
    if plan_only:
        return reply(await operations.plan(body))
    return accepted(await operations.up(body, caller_of(request)))
