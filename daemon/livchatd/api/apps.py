"""Apps over HTTP: the catalog, and what runs on a server."""

from __future__ import annotations

from aiohttp import web

from livchat.wire.apps import DeployApp
from livchatd.api.http.messages import ORCHESTRATOR, part, query, read, reply
from livchatd.api.http.queries import DeleteAppQuery
from livchatd.api.middleware.audit import concerning
from livchatd.api.middleware.idempotency import accepted, asked


async def catalog(request: web.Request) -> web.Response:
    return reply(await request.app[ORCHESTRATOR].apps())


async def show(request: web.Request) -> web.Response:
    return reply(await request.app[ORCHESTRATOR].app(part(request, "app_name")))


async def installed(request: web.Request) -> web.Response:
    return reply(request.app[ORCHESTRATOR].installed(part(request, "name")))


async def deploy(request: web.Request) -> web.Response:
    name, order = part(request, "name"), await read(request, DeployApp)
    concerning(request, name, order.app_name)
    return accepted(await request.app[ORCHESTRATOR].deploy_app(name, order, await asked(request)))


async def delete(request: web.Request) -> web.Response:
    name, app = part(request, "name"), part(request, "app_name")
    purge, ask = query(request, DeleteAppQuery).purge, await asked(request)
    return accepted(await request.app[ORCHESTRATOR].delete_app(name, app, ask, purge=purge))
