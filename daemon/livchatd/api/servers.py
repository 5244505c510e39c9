"""Servers over HTTP: what takes time is accepted as a job, the rest is answered at once."""

from __future__ import annotations

from aiohttp import web

from livchat.wire.servers import CreateServer, ExecCommand, SetupServer
from livchatd.api.http.messages import (
    OPERATIONS,
    accepted,
    path_param,
    read_body,
    read_query,
    reply,
)
from livchatd.api.http.queries import PlanQuery
from livchatd.api.middleware.auth import caller_of, set_audit_target


async def create(request: web.Request) -> web.Response:
    plan_only = read_query(request, PlanQuery).plan
    body = await read_body(request, CreateServer)
    set_audit_target(request, body.name)
    operations = request.app[OPERATIONS].servers
    if plan_only:
        return reply(await operations.plan(body))
    return accepted(await operations.create(body, caller_of(request)))


async def index(request: web.Request) -> web.Response:
    return reply(request.app[OPERATIONS].servers.list())


async def show(request: web.Request) -> web.Response:
    return reply(request.app[OPERATIONS].servers.show(path_param(request, "name")))


async def delete(request: web.Request) -> web.Response:
    name = path_param(request, "name")
    return accepted(await request.app[OPERATIONS].servers.delete(name, caller_of(request)))


async def setup(request: web.Request) -> web.Response:
    name, body = path_param(request, "name"), await read_body(request, SetupServer)
    return accepted(await request.app[OPERATIONS].servers.setup(name, body, caller_of(request)))


async def execute(request: web.Request) -> web.Response:
    name, body = path_param(request, "name"), await read_body(request, ExecCommand)
    return reply(await request.app[OPERATIONS].exec.run(name, body))


async def ssh(request: web.Request) -> web.Response:
    return reply(await request.app[OPERATIONS].servers.ssh_access(path_param(request, "name")))
