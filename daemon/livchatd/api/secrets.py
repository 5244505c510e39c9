"""Secrets over HTTP: their keys, and their values if a request reveals them."""

from __future__ import annotations

from aiohttp import web

from livchat.wire.secrets import PutSecret
from livchatd.api.http.messages import OPERATIONS, path_param, read_body, read_query, reply
from livchatd.api.http.queries import SecretsQuery
from livchatd.api.middleware.auth import audit_entry, caller_name


async def index(request: web.Request) -> web.Response:
    reveal = await _reveals(request)
    return reply(await request.app[OPERATIONS].secrets.list(reveal=reveal))


async def show(request: web.Request) -> web.Response:
    key, reveal = path_param(request, "key"), await _reveals(request)
    return reply(await request.app[OPERATIONS].secrets.show(key, reveal=reveal))


async def put(request: web.Request) -> web.Response:
    key, body = path_param(request, "key"), await read_body(request, PutSecret)
    return reply(await request.app[OPERATIONS].secrets.put(key, body))


async def delete(request: web.Request) -> web.Response:
    return reply(await request.app[OPERATIONS].secrets.delete(path_param(request, "key")))


async def _reveals(request: web.Request) -> bool:
    """Return whether a request reveals values; then the audit log has it on disk before."""
    if not read_query(request, SecretsQuery).reveal:
        return False
    entry = audit_entry(request, "secrets_reveal", 200, caller_name(request))
    await request.app[OPERATIONS].audit_log.record(entry)
    return True
