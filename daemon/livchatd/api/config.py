"""Configuration over HTTP: the vault, and the credentials in it."""

from __future__ import annotations

from aiohttp import web

from livchat.wire.config import (
    ConfigureCertificates,
    ConfigureCloudflare,
    ConfigureProvider,
    Init,
)
from livchatd.api.http.messages import OPERATIONS, read_body, reply
from livchatd.api.middleware.auth import set_audit_target


async def init(request: web.Request) -> web.Response:
    await read_body(request, Init)
    return reply(await request.app[OPERATIONS].config.init())


async def configure_provider(request: web.Request) -> web.Response:
    body = await read_body(request, ConfigureProvider)
    set_audit_target(request, body.name)
    return reply(await request.app[OPERATIONS].config.configure_provider(body))


async def configure_cloudflare(request: web.Request) -> web.Response:
    body = await read_body(request, ConfigureCloudflare)
    return reply(await request.app[OPERATIONS].config.configure_cloudflare(body))


async def configure_certificates(request: web.Request) -> web.Response:
    body = await read_body(request, ConfigureCertificates)
    set_audit_target(request, body.zone_name)
    return reply(await request.app[OPERATIONS].config.configure_certificates(body))
