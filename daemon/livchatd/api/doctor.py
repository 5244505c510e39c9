"""The doctor over HTTP: a look that changes nothing, and a job that mends."""

from __future__ import annotations

from aiohttp import web

from livchat.wire.doctor import MendFindings
from livchatd.api.http.messages import ORCHESTRATOR, read, reply
from livchatd.api.middleware.idempotency import accepted, asked


async def look(request: web.Request) -> web.Response:
    return reply(await request.app[ORCHESTRATOR].doctor.look())


async def mend(request: web.Request) -> web.Response:
    order = await read(request, MendFindings)
    return accepted(await request.app[ORCHESTRATOR].mend(order.findings, await asked(request)))
