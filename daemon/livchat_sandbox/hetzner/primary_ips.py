"""Hetzner's API: Primary IPs."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.http import (
    Refused,
    bad_field,
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
    taken,
    text,
)
from livchat_sandbox.hetzner.views import Views
from livchat_sandbox.storage.state import PrimaryIp, Server

SORTS = {"id": "id", "created": "created"}


class AddressRoutes:
    """Primary IPs: list, create, show, change, delete, assign, unassign."""

    def __init__(self, world: World, views: Views) -> None:
        self._world = world
        self._views = views

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
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
        """Addresses by name, label or IP."""
        ip = request.query.get("ip")
        rows = named(request, self._world.state.primary_ips.values())
        rows = [row for row in rows if ip is None or row.ip == ip]
        return page(request, "primary_ips", in_order(request, rows, SORTS), self._views.address)

    async def create(self, request: web.Request) -> web.Response:
        """Reserve an address, in a location or for a server that is off."""
        data = await body(request)
        name, kind = text(data, "name"), text(data, "type")
        if kind not in ("ipv4", "ipv6"):
            raise bad_field("type", "must be ipv4 or ipv6")
        self._check_name(name)
        labels, auto_delete = set_labels(data), flag(data, "auto_delete", default=False)
        server = self._assignee(data, kind) if data.get("assignee_id") is not None else None
        location = server.location if server else self._location(data)
        address = self._world.new_address(kind, location, name=name)
        address.labels, address.auto_delete = labels, auto_delete
        action = None
        if server is not None:
            self._world.assign(address, server)
            action = self._world.lifecycle.begin("create_primary_ip", server, address)
        return reply(
            {
                "primary_ip": self._views.address(address),
                "action": self._views.action(action) if action else None,
            },
            201,
        )

    async def show(self, request: web.Request) -> web.Response:
        """One address."""
        return reply({"primary_ip": self._views.address(self._address(request))})

    async def update(self, request: web.Request) -> web.Response:
        """Change an address's name, labels, or whether it goes with its server."""
        address, data = self._address(request), await body(request)
        if "name" in data and data["name"] != address.name:
            self._check_name(text(data, "name"))
            address.name = data["name"]
        if "labels" in data:
            address.labels = set_labels(data)
        address.auto_delete = flag(data, "auto_delete", default=address.auto_delete)
        self._world.changed()
        return reply({"primary_ip": self._views.address(address)})

    async def delete(self, request: web.Request) -> web.Response:
        """Give an address back; a server that has it must be off."""
        address = self._address(request)
        if address.protected:
            raise protected("primary_ip")
        self._check_free(address)
        self._world.drop_address(address)
        return web.Response(status=204)

    async def assign(self, request: web.Request) -> web.Response:
        """Give an address to a server that is off and has none of its kind."""
        address, data = self._address(request), await body(request)
        if address.server is not None:
            raise Refused(422, "primary_ip_assigned", "primary ip is already assigned")
        server = self._assignee(data, address.kind)
        if server.location != address.location:
            code = "primary_ip_datacenter_mismatch"
            raise Refused(422, code, "primary ip and server are in different locations")
        self._world.assign(address, server)
        return self._begun("assign_primary_ip", server, address)

    async def unassign(self, request: web.Request) -> web.Response:
        """Take an address from its server, which must be off."""
        address = self._address(request)
        if address.server is None:
            raise Refused(422, "primary_ip_not_assigned", "primary ip is not assigned")
        server = self._world.state.servers[address.server]
        self._check_free(address)
        self._world.unassign(address)
        return self._begun("unassign_primary_ip", server, address)

    async def change_protection(self, request: web.Request) -> web.Response:
        """Switch deletion off or on."""
        address, data = self._address(request), await body(request)
        address.protected = flag(data, "delete", default=address.protected)
        return self._begun("change_protection", None, address)

    async def change_dns_ptr(self, request: web.Request) -> web.Response:
        """Set or reset a reverse DNS name."""
        address, data = self._address(request), await body(request)
        ip, name = text(data, "ip"), data.get("dns_ptr")
        if name is None:
            address.pointers.pop(ip, None)
        else:
            address.pointers[ip] = text(data, "dns_ptr")
        return self._begun("change_dns_ptr", None, address)

    def _begun(self, command: str, server: Server | None, address: PrimaryIp) -> web.Response:
        action = self._world.lifecycle.begin(command, server, address)
        return reply({"action": self._views.action(action)}, 201)

    def _address(self, request: web.Request) -> PrimaryIp:
        number = request.match_info["id"]
        address = self._world.state.primary_ips.get(int(number))
        if address is None:
            raise missing("primary_ip", number)
        return address

    def _assignee(self, data: dict[str, Any], kind: str) -> Server:
        server = self._world.state.servers.get(data.get("assignee_id") or 0)
        if data.get("assignee_type") != "server" or server is None:
            raise bad_field("assignee_id", "there is no such server")
        if self._world.lifecycle.locked(server):
            raise locked()
        if server.status != "off":
            raise Refused(422, "server_not_stopped", "server is not stopped")
        if (server.ipv4 if kind == "ipv4" else server.ipv6) is not None:
            raise Refused(422, "server_has_" + kind, f"server has an {kind} already")
        return server

    def _location(self, data: dict[str, Any]) -> str:
        place = self._world.catalog.location(data.get("location"))
        if place is None:
            raise bad_field("location", "location not found")
        return str(place["name"])

    def _check_free(self, address: PrimaryIp) -> None:
        server = self._world.state.servers.get(address.server or 0)
        if server is None:
            return
        if self._world.lifecycle.locked(server):
            raise locked()
        if server.status != "off":
            raise Refused(422, "server_not_stopped", "server is not stopped")

    def _check_name(self, name: str) -> None:
        if any(address.name == name for address in self._world.state.primary_ips.values()):
            raise taken("primary ip name is already used", "name")
