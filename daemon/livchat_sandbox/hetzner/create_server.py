"""The creation of a server: a request is parsed, refused for what is wrong with it, or granted."""

from __future__ import annotations

from dataclasses import dataclass

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.collection import Collection
from livchat_sandbox.hetzner.http import (
    ApiError,
    Json,
    bool_field,
    invalid_field,
    labels_field,
    text_field,
)
from livchat_sandbox.storage.state import PrimaryIp, Server

MAX_USER_DATA_BYTES = 32 * 1024


@dataclass(frozen=True)
class PublicNet:
    """Which public addresses a server gets: reserved ones where given, else its own."""

    enable_ipv4: bool
    enable_ipv6: bool
    ipv4: PrimaryIp | None
    ipv6: PrimaryIp | None


@dataclass(frozen=True)
class ServerRequest:
    """A request for a server with nothing wrong in it. `keys` are public key lines."""

    name: str
    type: str
    location: str
    image: int
    keys: list[str]
    user_data: str
    labels: dict[str, str]
    net: PublicNet
    start: bool


class ServerCreation:
    """Parses requests for servers, and creates the servers."""

    def __init__(self, world: World, servers: Collection[Server]) -> None:
        self._world = world
        self._servers = servers

    def parse(self, data: Json) -> ServerRequest:
        """Return the request in a body; raise an `ApiError` for the first thing that is wrong."""
        name = text_field(data, "name")
        server_type = self._server_type(data)
        image = self.find_image(data, server_type["name"])
        net = self._public_net(data)
        location = self._location(data, server_type, net)
        request = ServerRequest(
            name=name,
            type=server_type["name"],
            location=location,
            image=image["id"],
            keys=self._keys(data),
            user_data=_user_data(data),
            labels=labels_field(data),
            net=net,
            start=bool_field(data, "start_after_create", default=True),
        )
        # What depends on the present state is checked last, as at Hetzner.
        self._servers.check_name(name)
        self._check_stock(server_type, location)
        return request

    def create(self, request: ServerRequest) -> Server:
        """Add the server and its addresses to the account. Its actions have not begun."""
        server = Server(
            id=self._world.state.new_id(),
            name=request.name,
            status="initializing",
            created=self._world.clock.now(),
            type=request.type,
            location=request.location,
            image=request.image,
            labels=request.labels,
            user_data=request.user_data,
            keys=request.keys,
            ipv4=None,
            ipv6=None,
        )
        self._servers.rows[server.id] = server
        net = request.net
        for kind, enabled, reserved in (
            ("ipv4", net.enable_ipv4, net.ipv4),
            ("ipv6", net.enable_ipv6, net.ipv6),
        ):
            if enabled:
                address = reserved or self._world.new_address(kind, request.location)
                self._world.assign(address, server)
        return server

    def find_image(self, data: Json, server_type: str) -> Json:
        """Return the image that a body names, for the architecture of a server type.

        Raises a 422 if there is none, or it is deprecated.
        """
        architecture = (self._world.products.server_type(server_type) or {})["architecture"]
        image = self._world.products.image(data.get("image"), architecture)
        if image is None:
            raise invalid_field("image", "image not found")
        if image["architecture"] != architecture:
            raise invalid_field("image", "image and server type have different architectures")
        if image["deprecated"]:
            raise invalid_field("image", f"image {image['name']} is deprecated")
        return image

    def _server_type(self, data: Json) -> Json:
        name = data.get("server_type")
        server_type = self._world.products.server_type(name)
        if server_type is None:
            raise invalid_field("server_type", f"server type {name} not found")
        if server_type["deprecation"] is not None:
            raise ApiError(
                422,
                "invalid_input",
                f"server type {server_type['name']} is deprecated and cannot be ordered any more",
                {"fields": [{"name": "server_type", "messages": ["is unavailable"]}]},
            )
        return server_type

    def _location(self, data: Json, server_type: Json, net: PublicNet) -> str:
        """Return the name of the location: the one given, else that of a reserved address."""
        reserved = net.ipv4 or net.ipv6
        name = data.get("location")
        if name is None:
            stocked = self._world.with_stock(server_type)
            name = reserved.location if reserved else _first_available(stocked)
        location = self._world.products.location(name)
        if location is None:
            raise invalid_field("location", "location not found")
        if location["name"] not in [offer["name"] for offer in server_type["locations"]]:
            raise invalid_field("location", "unsupported location for server type")
        for address in (net.ipv4, net.ipv6):
            if address is not None and address.location != location["name"]:
                code = "primary_ip_datacenter_mismatch"
                raise ApiError(422, code, "primary ip and server are in different locations")
        return str(location["name"])

    def _check_stock(self, server_type: Json, location: str) -> None:
        offers = self._world.with_stock(server_type)["locations"]
        if not any(offer["available"] for offer in offers if offer["name"] == location):
            message = f"server type {server_type['name']} is unavailable in {location}"
            raise ApiError(412, "resource_unavailable", message)

    def _keys(self, data: Json) -> list[str]:
        names = data.get("ssh_keys") or []
        if not isinstance(names, list):
            raise invalid_field("ssh_keys", "not a list")
        return [self._public_key(name) for name in names]

    def _public_key(self, name_or_id: object) -> str:
        for key in self._world.state.ssh_keys.values():
            if key.name == name_or_id or str(key.id) == str(name_or_id):
                return key.public_key
        raise invalid_field("ssh_keys", f"SSH key {name_or_id} not found")

    def _public_net(self, data: Json) -> PublicNet:
        settings = data.get("public_net") or {}
        if not isinstance(settings, dict):
            raise invalid_field("public_net", "not an object")
        net = PublicNet(
            enable_ipv4=bool_field(settings, "enable_ipv4", default=True),
            enable_ipv6=bool_field(settings, "enable_ipv6", default=True),
            ipv4=self._reserved(settings, "ipv4"),
            ipv6=self._reserved(settings, "ipv6"),
        )
        if not (net.enable_ipv4 or net.enable_ipv6):
            raise invalid_field("public_net", "a server needs a public address or a network")
        return net

    def _reserved(self, settings: Json, kind: str) -> PrimaryIp | None:
        """Return the reserved address of a kind that the settings name, or None."""
        number = settings.get(kind)
        if number is None:
            return None
        if not bool_field(settings, f"enable_{kind}", default=True):
            raise invalid_field(f"public_net.enable_{kind}", f"must be true with {kind}")
        address = self._world.state.primary_ips.get(number) if isinstance(number, int) else None
        if address is None:
            raise invalid_field(f"public_net.{kind}", "primary ip not found")
        if address.kind != kind:
            raise ApiError(412, "primary_ip_version_mismatch", f"primary ip is not an {kind}")
        if address.server is not None:
            raise ApiError(422, "primary_ip_assigned", "primary ip is already assigned")
        return address


def _user_data(data: Json) -> str:
    value = data.get("user_data") or ""
    if not isinstance(value, str):
        raise invalid_field("user_data", "not text")
    if len(value.encode()) > MAX_USER_DATA_BYTES:
        raise invalid_field("user_data", "is too long")
    return value


def _first_available(server_type: Json) -> str | None:
    return next(
        (str(offer["name"]) for offer in server_type["locations"] if offer["available"]), None
    )
