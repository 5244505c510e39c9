"""Apps over HTTP: the catalog, and the apps on a server."""

from __future__ import annotations

from aiohttp import web

from livchat.wire.apps import DeployApp
from livchatd.api.http.messages import (
    OPERATIONS,
    accepted,
    path_param,
    read_body,
    read_query,
    reply,
)
from livchatd.api.http.queries import DeleteAppQuery
from livchatd.api.middleware.auth import caller_of, set_audit_target


async def catalog(request: web.Request) -> web.Response:
    return reply(await request.app[OPERATIONS].apps.list())


async def show(request: web.Request) -> web.Response:
    return reply(await request.app[OPERATIONS].apps.show(path_param(request, "app_name")))


async def installed(request: web.Request) -> web.Response:
    return reply(request.app[OPERATIONS].apps.installed(path_param(request, "name")))


async def deploy(request: web.Request) -> web.Response:
    server, body = path_param(request, "name"), await read_body(request, DeployApp)
    set_audit_target(request, server, body.app_name)
    operations = request.app[OPERATIONS].apps
    return accepted(await operations.deploy(server, body, caller_of(request)))


async def delete(request: web.Request) -> web.Response:
    server, app = path_param(request, "name"), path_param(request, "app_name")
    purge = read_query(request, DeleteAppQuery).purge
    operations = request.app[OPERATIONS].apps
    return accepted(await operations.delete(server, app, caller_of(request), purge=purge))
