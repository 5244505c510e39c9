"""What providers have, over HTTP; asked of them live."""

from __future__ import annotations

from aiohttp import web

from livchatd.api.http.messages import ORCHESTRATOR, query, reply
from livchatd.api.http.queries import ProviderQuery, TypesQuery


async def server_types(request: web.Request) -> web.Response:
    want = query(request, TypesQuery)
    return reply(await request.app[ORCHESTRATOR].choices.server_types(want.provider, want.region))


async def locations(request: web.Request) -> web.Response:
    want = query(request, ProviderQuery)
    return reply(await request.app[ORCHESTRATOR].choices.locations(want.provider))


async def images(request: web.Request) -> web.Response:
    want = query(request, ProviderQuery)
    return reply(await request.app[ORCHESTRATOR].choices.images(want.provider))
