"""Hetzner's API: servers, and what is done with them."""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import web

from livchat_sandbox.cloud.lifecycle import DURATIONS
from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.create_server import Orders
from livchat_sandbox.hetzner.http import (
    body,
    flag,
    in_order,
    locked,
    missing,
    named,
    page,
    protected,
    reply,
    set_labels,
    text,
)
from livchat_sandbox.hetzner.views import Views
from livchat_sandbox.storage.state import Action, Server

SORTS = {"id": "id", "name": "name", "created": "created"}
# What is called, the action that it begins, and what the server shows meanwhile.
POWER = {
    "poweron": ("start_server", "starting"),
    "poweroff": ("stop_server", "stopping"),
    "shutdown": ("shutdown_server", "stopping"),
    "reboot": ("reboot_server", "running"),
    "reset": ("reset_server", "running"),
}


class ServerRoutes:
    """Servers: list, create, show, change, delete, power, rebuild."""

    def __init__(self, world: World, views: Views) -> None:
        self._world = world
        self._views = views
        self._orders = Orders(world)

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        one = r"/v1/servers/{id:\d+}"
        return [
            web.get("/v1/servers", self.index),
            web.post("/v1/servers", self.create),
            web.get(one, self.show),
            web.put(one, self.update),
            web.delete(one, self.delete),
            *(web.post(f"{one}/actions/{name}", self.power) for name in POWER),
            web.post(one + "/actions/rebuild", self.rebuild),
            web.post(one + "/actions/reset_password", self.reset_password),
            web.post(one + "/actions/change_protection", self.change_protection),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """Servers by name, label or status."""
        wanted = request.query.getall("status", [])
        servers = named(request, self._world.state.servers.values())
        servers = [server for server in servers if not wanted or server.status in wanted]
        return page(request, "servers", in_order(request, servers, SORTS), self._views.server)

    async def create(self, request: web.Request) -> web.Response:
        """Order a server. What is wrong with the order is told before anything is made."""
        order = self._orders.read(await body(request))
        server = self._orders.take(order)
        begin = self._world.lifecycle.begin
        first = begin("create_server", server)
        after = DURATIONS["create_server"]
        later = [begin("start_server", server, wait=after)] if order.start else []
        answer = {
            "server": self._views.server(server),
            "action": self._views.action(first),
            "next_actions": [self._views.action(action) for action in later],
            "root_password": None if server.keys else secrets.token_urlsafe(15),
        }
        return reply(answer, 201)

    async def show(self, request: web.Request) -> web.Response:
        """One server."""
        return reply({"server": self._views.server(self._server(request))})

    async def update(self, request: web.Request) -> web.Response:
        """Change a server's name or labels."""
        server, data = self._server(request), await body(request)
        if "name" in data and data["name"] != server.name:
            name = text(data, "name")
            self._orders.check_name(name)
            server.name = name
        if "labels" in data:
            server.labels = set_labels(data)
        self._world.changed()
        return reply({"server": self._views.server(server)})

    async def delete(self, request: web.Request) -> web.Response:
        """Begin to delete a server."""
        server = self._unlocked(request)
        if server.protected:
            raise protected("server")
        return self._begun(self._world.lifecycle.delete(server), 200)

    async def power(self, request: web.Request) -> web.Response:
        """Begin to switch it on, off, or off and on."""
        server = self._unlocked(request)
        command, status = POWER[request.path.rpartition("/")[2]]
        if server.status == "off" and command != "start_server":
            return self._begun(self._world.lifecycle.begin("stop_server", server))
        if server.status == "running" and command == "start_server":
            status = "running"
        return self._begun(self._world.lifecycle.power(command, status, server))

    async def rebuild(self, request: web.Request) -> web.Response:
        """Begin to put a fresh image on it."""
        server = self._unlocked(request)
        if server.protected:
            raise protected("server")
        image = self._orders.image(await body(request), server.type)
        action = self._world.lifecycle.rebuild(server, image["id"])
        password = None if server.keys else secrets.token_urlsafe(15)
        return self._begun(action, root_password=password)

    async def reset_password(self, request: web.Request) -> web.Response:
        """Give root a new password."""
        action = self._world.lifecycle.begin("reset_password", self._unlocked(request))
        return self._begun(action, root_password=secrets.token_urlsafe(15))

    async def change_protection(self, request: web.Request) -> web.Response:
        """Switch deletion off or on."""
        server, data = self._unlocked(request), await body(request)
        server.protected = flag(data, "delete", default=server.protected)
        return self._begun(self._world.lifecycle.begin("change_protection", server))

    def _begun(self, action: Action, status: int = 201, **more: Any) -> web.Response:
        return reply({"action": self._views.action(action), **more}, status)

    def _server(self, request: web.Request) -> Server:
        number = request.match_info["id"]
        server = self._world.state.servers.get(int(number))
        if server is None:
            raise missing("server", number)
        return server

    def _unlocked(self, request: web.Request) -> Server:
        server = self._server(request)
        if self._world.lifecycle.locked(server):
            raise locked()
        return server
