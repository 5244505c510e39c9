"""The daemon itself over HTTP: its name and its health."""

from __future__ import annotations

from aiohttp import web

from livchat import __version__
from livchatd.api.http.messages import OPERATIONS, reply


async def root(_: web.Request) -> web.Response:
    return reply(
        {"message": "LivChat Setup", "version": __version__, "docs": "/docs", "health": "/health"}
    )


async def health(request: web.Request) -> web.Response:
    return reply(request.app[OPERATIONS].system.health())
