"""The daemon itself over HTTP: who it is, how it is, its credentials."""

from __future__ import annotations

from time import monotonic

from aiohttp import web

from livchat import __version__
from livchat.wire.config import (
    ConfigureCertificates,
    ConfigureCloudflare,
    ConfigureProvider,
    Init,
)
from livchatd.api.http.messages import ORCHESTRATOR, read, reply
from livchatd.api.middleware.audit import concerning

STARTED = web.AppKey("started", float)


async def root(_: web.Request) -> web.Response:
    return reply(
        {"message": "LivChat Setup", "version": __version__, "docs": "/docs", "health": "/health"}
    )


async def health(request: web.Request) -> web.Response:
    return reply(
        {
            "status": "ok",
            "version": __version__,
            "uptime_seconds": round(monotonic() - request.app[STARTED], 3),
            "jobs": request.app[ORCHESTRATOR].engine.counts(),
        }
    )


async def init(request: web.Request) -> web.Response:
    await read(request, Init)
    return reply(await request.app[ORCHESTRATOR].credentials.init())


async def configure_provider(request: web.Request) -> web.Response:
    order = await read(request, ConfigureProvider)
    concerning(request, order.name)
    return reply(await request.app[ORCHESTRATOR].credentials.configure_provider(order))


async def configure_cloudflare(request: web.Request) -> web.Response:
    order = await read(request, ConfigureCloudflare)
    return reply(await request.app[ORCHESTRATOR].credentials.configure_cloudflare(order))


async def configure_certificates(request: web.Request) -> web.Response:
    order = await read(request, ConfigureCertificates)
    concerning(request, order.zone_name)
    return reply(await request.app[ORCHESTRATOR].certificates.configure(order))
