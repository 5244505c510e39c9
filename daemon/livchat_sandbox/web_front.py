"""The sites of all machines over HTTP: DNS leads a host to a machine, Traefik to an app."""

from __future__ import annotations

import html

from aiohttp import web

from livchat_sandbox.cloud.world import World

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto}}</style>
</head><body><h1>{title}</h1><p>{text}</p></body></html>
"""


class WebFront:
    """What a browser sees: every site of the sandbox, by the Host header."""

    def __init__(self, world: World) -> None:
        self._world = world

    def app(self) -> web.Application:
        """Return the application to be served."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.show)
        return app

    async def show(self, request: web.Request) -> web.Response:
        """Show the site of the request's host."""
        host = request.host.partition(":")[0].rstrip(".").lower()
        machine = self._world.machine_for(host)
        if machine is None:
            return self._no_machine(host)
        authorization = request.headers.get("Authorization", "")
        response = machine.web_response(host, request.path, authorization)
        if response is None:
            return web.Response(status=404, text="404 page not found\n")
        content_type, _, _ = response.content_type.partition(";")
        return web.Response(
            status=response.status,
            body=response.body.encode(),
            content_type=content_type,
            charset="utf-8",
            headers=response.headers,
        )

    def _no_machine(self, host: str) -> web.Response:
        name = html.escape(host)
        ips = self._world.resolve(host)
        if ips:
            text = f"{name} points at {html.escape(', '.join(ips))}, but no machine runs there."
        else:
            text = f"No DNS record in the sandbox points {name} at a machine."
        return web.Response(
            status=502,
            text=_PAGE.format(title=f"Nothing at {name}", text=text),
            content_type="text/html",
        )
