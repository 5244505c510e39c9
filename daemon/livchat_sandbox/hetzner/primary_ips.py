"""Hetzner's API: Primary IPs."""

from __future__ import annotations

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.collection import primary_ip_collection
from livchat_sandbox.hetzner.http import (
    ApiError,
    Json,
    bool_field,
    invalid_field,
    json_response,
    labels_field,
    locked,
    protected,
    read_body,
    text_field,
)
from livchat_sandbox.hetzner.views import Views
from livchat_sandbox.storage.state import PrimaryIp, Server


class PrimaryIpRoutes:
    """The routes of Primary IPs: list, create, show, change, delete, assign, unassign."""

    def __init__(self, world: World, views: Views) -> None:
        self._world = world
        self._views = views
        self._addresses = primary_ip_collection(world.state)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of Primary IPs."""
        one = r"/v1/primary_ips/{id:\d+}"
        return [
            web.get("/v1/primary_ips", self.index),
            web.post("/v1/primary_ips", self.create),
            web.get(one, self.show),
            web.put(one, self.update),
            web.delete(one, self.delete),
            web.post(one + "/actions/assign", self.assign),
            web.post(one + "/actions/unassign", self.unassign),
            web.post(one + "/actions/change_protection", self.change_protection),
            web.post(one + "/actions/change_dns_ptr", self.change_dns_ptr),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """List addresses by name, label or IP."""
        ip = request.query.get("ip")
        return self._addresses.page(
            request, self._views.primary_ip, lambda address: ip is None or address.ip == ip
        )

    async def create(self, request: web.Request) -> web.Response:
        """Reserve an address, in a location or for a server that is off."""
        data = await read_body(request)
        name, kind = text_field(data, "name"), text_field(data, "type")
        if kind not in ("ipv4", "ipv6"):
            raise invalid_field("type", "must be ipv4 or ipv6")
        self._addresses.check_name(name)
        labels, auto_delete = labels_field(data), bool_field(data, "auto_delete", default=False)
        server = self._assignee(data, kind) if data.get("assignee_id") is not None else None
        location = server.location if server else self._location(data)
        address = self._world.new_address(kind, location, name=name)
        address.labels, address.auto_delete = labels, auto_delete
        action = None
        if server is not None:
            self._world.assign(address, server)
            action = self._world.lifecycle.begin_action("create_primary_ip", server, address)
        return json_response(
            {
                "primary_ip": self._views.primary_ip(address),
                "action": self._views.action(action) if action else None,
            },
            201,
        )

    async def show(self, request: web.Request) -> web.Response:
        """Show one address."""
        address = self._addresses.get(request)
        return json_response({"primary_ip": self._views.primary_ip(address)})

    async def update(self, request: web.Request) -> web.Response:
        """Change an address's name or labels, or whether it is deleted with its server."""
        address, data = self._addresses.get(request), await read_body(request)
        self._addresses.rename_and_label(address, data)
        address.auto_delete = bool_field(data, "auto_delete", default=address.auto_delete)
        self._world.mark_dirty()
        return json_response({"primary_ip": self._views.primary_ip(address)})

    async def delete(self, request: web.Request) -> web.Response:
        """Give an address back; a server that has it must be off."""
        address = self._addresses.get(request)
        if address.protected:
            raise protected("primary_ip")
        server = self._server_of(address)
        if server is not None:
            self._require_off(server)
        self._world.release_address(address)
        return web.Response(status=204)

    async def assign(self, request: web.Request) -> web.Response:
        """Give an address to a server that is off and has none of its kind."""
        address, data = self._addresses.get(request), await read_body(request)
        if address.server is not None:
            raise ApiError(422, "primary_ip_assigned", "primary ip is already assigned")
        server = self._assignee(data, address.kind)
        if server.location != address.location:
            code = "primary_ip_datacenter_mismatch"
            raise ApiError(422, code, "primary ip and server are in different locations")
        self._world.assign(address, server)
        return self._begun("assign_primary_ip", server, address)

    async def unassign(self, request: web.Request) -> web.Response:
        """Take an address from its server, which must be off."""
        address = self._addresses.get(request)
        server = self._server_of(address)
        if server is None:
            raise ApiError(422, "primary_ip_not_assigned", "primary ip is not assigned")
        self._require_off(server)
        self._world.unassign(address)
        return self._begun("unassign_primary_ip", server, address)

    async def change_protection(self, request: web.Request) -> web.Response:
        """Forbid or allow that an address is deleted."""
        address, data = self._addresses.get(request), await read_body(request)
        address.protected = bool_field(data, "delete", default=address.protected)
        return self._begun("change_protection", None, address)

    async def change_dns_ptr(self, request: web.Request) -> web.Response:
        """Set or reset a reverse DNS name."""
        address, data = self._addresses.get(request), await read_body(request)
        ip, name = text_field(data, "ip"), data.get("dns_ptr")
        if name is None:
            address.pointers.pop(ip, None)
        else:
            address.pointers[ip] = text_field(data, "dns_ptr")
        return self._begun("change_dns_ptr", None, address)

    def _begun(self, command: str, server: Server | None, address: PrimaryIp) -> web.Response:
        action = self._world.lifecycle.begin_action(command, server, address)
        return json_response({"action": self._views.action(action)}, 201)

    def _server_of(self, address: PrimaryIp) -> Server | None:
        return self._world.state.servers.get(address.server or 0)

    def _assignee(self, data: Json, kind: str) -> Server:
        """Return the server that a body names, which must be able to take an address of a kind."""
        server = self._world.state.servers.get(data.get("assignee_id") or 0)
        if data.get("assignee_type") != "server" or server is None:
            raise invalid_field("assignee_id", "there is no such server")
        self._require_off(server)
        if (server.ipv4 if kind == "ipv4" else server.ipv6) is not None:
            raise ApiError(422, "server_has_" + kind, f"server has an {kind} already")
        return server

    def _require_off(self, server: Server) -> None:
        if self._world.lifecycle.is_locked(server):
            raise locked()
        if server.status != "off":
            raise ApiError(422, "server_not_stopped", "server is not stopped")

    def _location(self, data: Json) -> str:
        location = self._world.products.location(data.get("location"))
        if location is None:
            raise invalid_field("location", "location not found")
        return str(location["name"])
