"""Providers over HTTP: what they sell, where, and with which operating systems."""

from __future__ import annotations

from aiohttp import web

from livchatd.api.http.messages import OPERATIONS, read_query, reply
from livchatd.api.http.queries import ProviderQuery, TypesQuery


async def server_types(request: web.Request) -> web.Response:
    query = read_query(request, TypesQuery)
    operations = request.app[OPERATIONS].providers
    return reply(await operations.server_types(query.provider, query.region))


async def locations(request: web.Request) -> web.Response:
    query = read_query(request, ProviderQuery)
    return reply(await request.app[OPERATIONS].providers.locations(query.provider))


async def images(request: web.Request) -> web.Response:
    query = read_query(request, ProviderQuery)
    return reply(await request.app[OPERATIONS].providers.images(query.provider))
