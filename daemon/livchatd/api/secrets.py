"""Secrets over HTTP: keys for all who may call, values for who asks to see them, written down."""

from __future__ import annotations

from aiohttp import web

from livchat.wire.secrets import PutSecret
from livchatd.api.http.messages import ORCHESTRATOR, part, query, read, reply
from livchatd.api.http.queries import SecretsQuery
from livchatd.api.middleware.audit import entry
from livchatd.api.middleware.auth import caller


async def index(request: web.Request) -> web.Response:
    reveal = await _reveals(request)
    return reply(await request.app[ORCHESTRATOR].secrets.all(reveal=reveal))


async def show(request: web.Request) -> web.Response:
    key, reveal = part(request, "key"), await _reveals(request)
    return reply(await request.app[ORCHESTRATOR].secrets.one(key, reveal=reveal))


async def put(request: web.Request) -> web.Response:
    key, want = part(request, "key"), await read(request, PutSecret)
    return reply(await request.app[ORCHESTRATOR].secrets.put(key, want))


async def delete(request: web.Request) -> web.Response:
    return reply(await request.app[ORCHESTRATOR].secrets.delete(part(request, "key")))


async def _reveals(request: web.Request) -> bool:
    """Whether values are asked for: that is on disk before any of them is told."""
    if not query(request, SecretsQuery).reveal:
        return False
    asked = entry(request, "secrets_reveal", 200, caller(request))
    await request.app[ORCHESTRATOR].audit.keep(asked)
    return True
