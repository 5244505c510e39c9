"""Servers, addresses, keys and actions in the form in which Hetzner's API shows them."""

from __future__ import annotations

from typing import Any

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.http import stamp
from livchat_sandbox.storage.state import Action, PrimaryIp, Server, SshKey

Data = dict[str, Any]


class Views:
    """Turns records of the world into JSON data."""

    def __init__(self, world: World) -> None:
        self._world = world

    def server(self, server: Server) -> Data:
        """A server with its type, image and place, whole."""
        kind = self._world.catalog.server_type(server.type) or {}
        prices = [p for p in kind["prices"] if p["location"] == server.location]
        return {
            "id": server.id,
            "name": server.name,
            "status": server.status,
            "created": stamp(server.created),
            "public_net": self._public_net(server),
            "private_net": [],
            "server_type": kind,
            "image": self._world.catalog.image(server.image),
            "iso": None,
            "location": self._world.catalog.location(server.location),
            "rescue_enabled": False,
            "locked": self._world.lifecycle.locked(server),
            "backup_window": None,
            "outgoing_traffic": 0,
            "ingoing_traffic": 0,
            "included_traffic": prices[0]["included_traffic"] if prices else 0,
            "protection": {"delete": server.protected, "rebuild": server.protected},
            "labels": server.labels,
            "volumes": [],
            "load_balancers": [],
            "primary_disk_size": kind["disk"],
            "placement_group": None,
        }

    def address(self, address: PrimaryIp) -> Data:
        """A Primary IP."""
        return {
            "id": address.id,
            "name": address.name,
            "ip": address.ip,
            "type": address.kind,
            "assignee_id": address.server,
            "assignee_type": "server",
            "auto_delete": address.auto_delete,
            "blocked": False,
            "created": stamp(address.created),
            "dns_ptr": _pointers(address),
            "labels": address.labels,
            "location": self._world.catalog.location(address.location),
            "protection": {"delete": address.protected},
        }

    def key(self, key: SshKey) -> Data:
        """An SSH key."""
        return {
            "id": key.id,
            "name": key.name,
            "fingerprint": key.fingerprint,
            "public_key": key.public_key,
            "labels": key.labels,
            "created": stamp(key.created),
        }

    def action(self, action: Action) -> Data:
        """An action, and how far it is: 100 only when it has ended."""
        running = action.status == "running"
        length = max(action.ends - action.started, 1e-9)
        share = (self._world.clock.now() - action.started) / length
        failure = {"code": "action_failed", "message": action.error} if action.error else None
        return {
            "id": action.id,
            "command": action.command,
            "status": action.status,
            "progress": min(99, max(0, int(share * 100))) if running else 100,
            "started": stamp(action.started),
            "finished": None if running else stamp(action.ends),
            "resources": [{"id": number, "type": kind} for number, kind in action.resources],
            "error": failure,
        }

    def _public_net(self, server: Server) -> Data:
        net: Data = {"ipv4": None, "ipv6": None, "floating_ips": [], "firewalls": []}
        for address in self._world.addresses_of(server):
            pointers = _pointers(address)
            net[address.kind] = {
                "id": address.id,
                "ip": address.ip,
                "blocked": False,
                "dns_ptr": pointers[0]["dns_ptr"] if address.kind == "ipv4" else pointers,
            }
        return net


def _pointers(address: PrimaryIp) -> list[dict[str, str]]:
    if address.kind == "ipv4" and address.ip not in address.pointers:
        reverse = ".".join(reversed(address.ip.split(".")))
        return [{"ip": address.ip, "dns_ptr": f"static.{reverse}.clients.sandbox.invalid"}]
    return [{"ip": ip, "dns_ptr": name} for ip, name in address.pointers.items()]
