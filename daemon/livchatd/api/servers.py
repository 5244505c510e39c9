"""Servers over HTTP. What takes time answers 202 with a job; the rest answers at once."""

from __future__ import annotations

from aiohttp import web

from livchat.wire.servers import CreateServer, ExecCommand, SetupServer
from livchat.wire.up import Up
from livchatd.api.http.messages import ORCHESTRATOR, part, query, read, reply
from livchatd.api.http.queries import PlanQuery
from livchatd.api.middleware.audit import concerning
from livchatd.api.middleware.idempotency import accepted, asked


async def create(request: web.Request) -> web.Response:
    only_plan = query(request, PlanQuery).plan
    order = await read(request, CreateServer)
    concerning(request, order.name)
    if only_plan:
        return reply(await request.app[ORCHESTRATOR].plan_server(order))
    return accepted(await request.app[ORCHESTRATOR].create_server(order, await asked(request)))


async def index(request: web.Request) -> web.Response:
    return reply(request.app[ORCHESTRATOR].servers())


async def show(request: web.Request) -> web.Response:
    return reply(request.app[ORCHESTRATOR].server(part(request, "name")))


async def delete(request: web.Request) -> web.Response:
    name = part(request, "name")
    return accepted(await request.app[ORCHESTRATOR].delete_server(name, await asked(request)))


async def setup(request: web.Request) -> web.Response:
    name, order = part(request, "name"), await read(request, SetupServer)
    return accepted(await request.app[ORCHESTRATOR].setup_server(name, order, await asked(request)))


async def execute(request: web.Request) -> web.Response:
    name, want = part(request, "name"), await read(request, ExecCommand)
    return reply(await request.app[ORCHESTRATOR].execute(name, want))


async def ssh(request: web.Request) -> web.Response:
    return reply(await request.app[ORCHESTRATOR].ssh_access(part(request, "name")))


async def up(request: web.Request) -> web.Response:
    only_plan = query(request, PlanQuery).plan
    order = await read(request, Up)
    concerning(request, order.server)
    if only_plan:
        return reply(await request.app[ORCHESTRATOR].plan(order))
    return accepted(await request.app[ORCHESTRATOR].up(order, await asked(request)))
