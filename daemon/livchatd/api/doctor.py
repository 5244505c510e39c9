"""The doctor over HTTP: a diagnosis, which changes nothing, and a job that repairs."""

from __future__ import annotations

from aiohttp import web

from livchat.wire.doctor import MendFindings
from livchatd.api.http.messages import OPERATIONS, accepted, read_body, reply
from livchatd.api.middleware.auth import caller_of


async def diagnose(request: web.Request) -> web.Response:
    return reply(await request.app[OPERATIONS].doctor.diagnose())


async def repair(request: web.Request) -> web.Response:
    body = await read_body(request, MendFindings)
    operations = request.app[OPERATIONS].doctor
    return accepted(await operations.repair(body.findings, caller_of(request)))
