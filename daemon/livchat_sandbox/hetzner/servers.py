"""Hetzner's API: servers, and what is done with them."""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import web

from livchat_sandbox.cloud.lifecycle import ACTION_SECONDS
from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.collection import server_collection
from livchat_sandbox.hetzner.create_server import ServerCreation
from livchat_sandbox.hetzner.http import bool_field, json_response, locked, protected, read_body
from livchat_sandbox.hetzner.views import Views
from livchat_sandbox.storage.state import Action, Server

POWER_COMMANDS = {
    "poweron": ("start_server", "starting"),
    "poweroff": ("stop_server", "stopping"),
    "shutdown": ("shutdown_server", "stopping"),
    "reboot": ("reboot_server", "running"),
    "reset": ("reset_server", "running"),
}
"""By route: the action that it begins, and the status that the server shows meanwhile."""


class ServerRoutes:
    """The routes of servers: list, create, show, change, delete, power, rebuild."""

    def __init__(self, world: World, views: Views) -> None:
        self._world = world
        self._views = views
        self._servers = server_collection(world.state)
        self._creation = ServerCreation(world, self._servers)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of servers."""
        one = r"/v1/servers/{id:\d+}"
        return [
            web.get("/v1/servers", self.index),
            web.post("/v1/servers", self.create),
            web.get(one, self.show),
            web.put(one, self.update),
            web.delete(one, self.delete),
            *(web.post(f"{one}/actions/{name}", self.power) for name in POWER_COMMANDS),
            web.post(one + "/actions/rebuild", self.rebuild),
            web.post(one + "/actions/reset_password", self.reset_password),
            web.post(one + "/actions/change_protection", self.change_protection),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """List servers by name, label or status."""
        statuses = request.query.getall("status", [])
        return self._servers.page(
            request, self._views.server, lambda server: not statuses or server.status in statuses
        )

    async def create(self, request: web.Request) -> web.Response:
        """Create a server. What is wrong with the request is told before anything is made."""
        wanted = self._creation.parse(await read_body(request))
        server = self._creation.create(wanted)
        begin = self._world.lifecycle.begin_action
        first = begin("create_server", server)
        delay = ACTION_SECONDS["create_server"]
        following = [begin("start_server", server, delay=delay)] if wanted.start else []
        body = {
            "server": self._views.server(server),
            "action": self._views.action(first),
            "next_actions": [self._views.action(action) for action in following],
            "root_password": _root_password(server),
        }
        return json_response(body, 201)

    async def show(self, request: web.Request) -> web.Response:
        """Show one server."""
        return json_response({"server": self._views.server(self._servers.get(request))})

    async def update(self, request: web.Request) -> web.Response:
        """Change a server's name or labels."""
        server = self._servers.get(request)
        self._servers.rename_and_label(server, await read_body(request))
        self._world.mark_dirty()
        return json_response({"server": self._views.server(server)})

    async def delete(self, request: web.Request) -> web.Response:
        """Begin to delete a server."""
        server = self._unlocked(request)
        if server.protected:
            raise protected("server")
        return self._begun(self._world.lifecycle.begin_deletion(server), 200)

    async def power(self, request: web.Request) -> web.Response:
        """Begin to switch a server on, off, or off and on."""
        server = self._unlocked(request)
        command, status = POWER_COMMANDS[request.path.rpartition("/")[2]]
        if server.status == "off" and command != "start_server":
            return self._begun(self._world.lifecycle.begin_action("stop_server", server))
        if server.status == "running" and command == "start_server":
            status = "running"
        return self._begun(self._world.lifecycle.begin_power_change(command, status, server))

    async def rebuild(self, request: web.Request) -> web.Response:
        """Begin to put a fresh image on a server."""
        server = self._unlocked(request)
        if server.protected:
            raise protected("server")
        image = self._creation.find_image(await read_body(request), server.type)
        action = self._world.lifecycle.begin_rebuild(server, image["id"])
        return self._begun(action, root_password=_root_password(server))

    async def reset_password(self, request: web.Request) -> web.Response:
        """Give root a new password."""
        action = self._world.lifecycle.begin_action("reset_password", self._unlocked(request))
        return self._begun(action, root_password=secrets.token_urlsafe(15))

    async def change_protection(self, request: web.Request) -> web.Response:
        """Forbid or allow that a server is deleted."""
        server, data = self._unlocked(request), await read_body(request)
        server.protected = bool_field(data, "delete", default=server.protected)
        return self._begun(self._world.lifecycle.begin_action("change_protection", server))

    def _begun(self, action: Action, status: int = 201, **more: Any) -> web.Response:
        return json_response({"action": self._views.action(action), **more}, status)

    def _unlocked(self, request: web.Request) -> Server:
        server = self._servers.get(request)
        if self._world.lifecycle.is_locked(server):
            raise locked()
        return server


def _root_password(server: Server) -> str | None:
    """Return a new password, or None for a server that SSH keys open."""
    return None if server.keys else secrets.token_urlsafe(15)
