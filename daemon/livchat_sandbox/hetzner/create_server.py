"""An order for a server: read, refused for what is wrong with it, or taken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.http import Refused, bad_field, flag, set_labels, taken, text
from livchat_sandbox.storage.state import PrimaryIp, Server

Data = dict[str, Any]

# RFC 1123: labels of letters, digits and inner hyphens, joined by dots.
NAME = re.compile(
    r"(?!.{254})[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
USER_DATA_MOST = 32 * 1024


@dataclass(frozen=True)
class Net:
    """Which public addresses it gets: reserved ones, or its own."""

    enable_ipv4: bool
    enable_ipv6: bool
    ipv4: PrimaryIp | None
    ipv6: PrimaryIp | None


@dataclass(frozen=True)
class Order:
    """An order with nothing wrong in it."""

    name: str
    type: str
    location: str
    image: int
    keys: list[str]
    user_data: str
    labels: dict[str, str]
    net: Net
    start: bool


class Orders:
    """Reads and takes orders."""

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self, data: Data) -> Order:
        """The order in a body; `Refused` for the first thing that is wrong."""
        name = text(data, "name")
        kind = self._type(data)
        image = self.image(data, kind["name"])
        net = self._net(data)
        location = self._location(data, kind, net)
        order = Order(
            name=name,
            type=kind["name"],
            location=location,
            image=image["id"],
            keys=self._keys(data),
            user_data=_user_data(data),
            labels=set_labels(data),
            net=net,
            start=flag(data, "start_after_create", default=True),
        )
        # What depends on the present state is told last, as there.
        self.check_name(name)
        self._check_stock(kind, location)
        return order

    def take(self, order: Order) -> Server:
        """Make the server, with its addresses. Its actions have not begun."""
        server = Server(
            id=self._world.new_id(),
            name=order.name,
            status="initializing",
            created=self._world.clock.now(),
            type=order.type,
            location=order.location,
            image=order.image,
            labels=order.labels,
            user_data=order.user_data,
            keys=order.keys,
            ipv4=None,
            ipv6=None,
        )
        self._world.state.servers[server.id] = server
        net = order.net
        for kind, wanted, reserved in (
            ("ipv4", net.enable_ipv4, net.ipv4),
            ("ipv6", net.enable_ipv6, net.ipv6),
        ):
            if wanted:
                own = reserved or self._world.new_address(kind, order.location)
                self._world.assign(own, server)
        return server

    def check_name(self, name: str) -> None:
        """Refuse a name that is no host name, or is taken."""
        if not NAME.fullmatch(name):
            raise bad_field("name", "must be a valid hostname")
        if any(server.name == name for server in self._world.state.servers.values()):
            raise taken("server name is already used", "name")

    def image(self, data: Data, server_type: str) -> Data:
        """The image asked for, for the architecture of a type."""
        kind = self._world.catalog.server_type(server_type) or {}
        found = self._world.catalog.image(data.get("image"), kind["architecture"])
        if found is None:
            raise bad_field("image", "image not found")
        if found["architecture"] != kind["architecture"]:
            raise bad_field("image", "image and server type have different architectures")
        if found["deprecated"]:
            raise bad_field("image", f"image {found['name']} is deprecated")
        return found

    def _type(self, data: Data) -> Data:
        asked = data.get("server_type")
        kind = self._world.catalog.server_type(asked)
        if kind is None:
            raise bad_field("server_type", f"server type {asked} not found")
        if kind["deprecation"] is not None:
            raise Refused(
                422,
                "invalid_input",
                f"server type {kind['name']} is deprecated and cannot be ordered any more",
                {"fields": [{"name": "server_type", "messages": ["is unavailable"]}]},
            )
        return kind

    def _location(self, data: Data, kind: Data, net: Net) -> str:
        reserved = net.ipv4 or net.ipv6
        asked = data.get("location")
        if asked is None:
            asked = reserved.location if reserved else _first_place(self._world.in_stock(kind))
        place = self._world.catalog.location(asked)
        if place is None:
            raise bad_field("location", "location not found")
        if place["name"] not in [offer["name"] for offer in kind["locations"]]:
            raise bad_field("location", "unsupported location for server type")
        for address in (net.ipv4, net.ipv6):
            if address is not None and address.location != place["name"]:
                code = "primary_ip_datacenter_mismatch"
                raise Refused(422, code, "primary ip and server are in different locations")
        return str(place["name"])

    def _check_stock(self, kind: Data, location: str) -> None:
        places = self._world.in_stock(kind)["locations"]
        if not any(place["available"] for place in places if place["name"] == location):
            message = f"server type {kind['name']} is unavailable in {location}"
            raise Refused(412, "resource_unavailable", message)

    def _keys(self, data: Data) -> list[str]:
        asked = data.get("ssh_keys") or []
        if not isinstance(asked, list):
            raise bad_field("ssh_keys", "not a list")
        return [self._key(name) for name in asked]

    def _key(self, asked: object) -> str:
        for key in self._world.state.ssh_keys.values():
            if key.name == asked or str(key.id) == str(asked):
                return key.public_key
        raise bad_field("ssh_keys", f"SSH key {asked} not found")

    def _net(self, data: Data) -> Net:
        given = data.get("public_net") or {}
        if not isinstance(given, dict):
            raise bad_field("public_net", "not an object")
        net = Net(
            enable_ipv4=flag(given, "enable_ipv4", default=True),
            enable_ipv6=flag(given, "enable_ipv6", default=True),
            ipv4=self._reserved(given, "ipv4"),
            ipv6=self._reserved(given, "ipv6"),
        )
        if not (net.enable_ipv4 or net.enable_ipv6):
            raise bad_field("public_net", "a server needs a public address or a network")
        return net

    def _reserved(self, given: Data, kind: str) -> PrimaryIp | None:
        number = given.get(kind)
        if number is None:
            return None
        if not flag(given, f"enable_{kind}", default=True):
            raise bad_field(f"public_net.enable_{kind}", f"must be true with {kind}")
        address = self._world.state.primary_ips.get(number) if isinstance(number, int) else None
        if address is None:
            raise bad_field(f"public_net.{kind}", "primary ip not found")
        if address.kind != kind:
            raise Refused(412, "primary_ip_version_mismatch", f"primary ip is not an {kind}")
        if address.server is not None:
            raise Refused(422, "primary_ip_assigned", "primary ip is already assigned")
        return address


def _user_data(data: Data) -> str:
    value = data.get("user_data") or ""
    if not isinstance(value, str):
        raise bad_field("user_data", "not text")
    if len(value.encode()) > USER_DATA_MOST:
        raise bad_field("user_data", "is too long")
    return value


def _first_place(kind: Data) -> str | None:
    return next((str(offer["name"]) for offer in kind["locations"] if offer["available"]), None)
