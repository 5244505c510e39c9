"""The machines' sites over plain HTTP: DNS leads a host to a machine, its proxy to an app."""

from __future__ import annotations

import html

from aiohttp import web

from livchat_sandbox.cloud.world import World

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto}}</style>
</head><body><h1>{title}</h1><p>{text}</p></body></html>
"""


class Front:
    """What a browser sees: the way in to every site of the sandbox, by its Host header."""

    def __init__(self, world: World) -> None:
        self._world = world

    def app(self) -> web.Application:
        """The application to be served."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.show)
        return app

    async def show(self, request: web.Request) -> web.Response:
        """The site of the request's host."""
        host = request.host.partition(":")[0].rstrip(".").lower()
        machine = self._world.machine_for(host)
        if machine is None:
            return self._nowhere(host)
        site = machine.site(host, request.path, request.headers.get("Authorization", ""))
        if site is None:
            return web.Response(status=404, text="404 page not found\n")
        kind, _, _ = site.content_type.partition(";")
        return web.Response(
            status=site.status,
            body=site.body.encode(),
            content_type=kind,
            charset="utf-8",
            headers=site.headers,
        )

    def _nowhere(self, host: str) -> web.Response:
        name = html.escape(host)
        ips = self._world.resolve(host)
        if ips:
            told = f"{name} points at {html.escape(', '.join(ips))}, but no machine runs there."
        else:
            told = f"No DNS record in the sandbox points {name} at a machine."
        return web.Response(
            status=502,
            text=PAGE.format(title=f"Nothing at {name}", text=told),
            content_type="text/html",
        )
