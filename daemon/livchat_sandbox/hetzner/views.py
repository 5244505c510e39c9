"""Servers, addresses, keys and actions in the form in which Hetzner's API shows them."""

from __future__ import annotations

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.http import Json, timestamp
from livchat_sandbox.storage.state import Action, PrimaryIp, Server, SshKey


class Views:
    """Turns rows of the account into JSON data."""

    def __init__(self, world: World) -> None:
        self._world = world

    def server(self, server: Server) -> Json:
        """Return a server with its server type, image and location in full."""
        server_type = self._world.products.server_type(server.type) or {}
        prices = [each for each in server_type["prices"] if each["location"] == server.location]
        return {
            "id": server.id,
            "name": server.name,
            "status": server.status,
            "created": timestamp(server.created),
            "public_net": self._public_net(server),
            "private_net": [],
            "server_type": server_type,
            "image": self._world.products.image(server.image),
            "iso": None,
            "location": self._world.products.location(server.location),
            "rescue_enabled": False,
            "locked": self._world.lifecycle.is_locked(server),
            "backup_window": None,
            "outgoing_traffic": 0,
            "ingoing_traffic": 0,
            "included_traffic": prices[0]["included_traffic"] if prices else 0,
            "protection": {"delete": server.protected, "rebuild": server.protected},
            "labels": server.labels,
            "volumes": [],
            "load_balancers": [],
            "primary_disk_size": server_type["disk"],
            "placement_group": None,
        }

    def primary_ip(self, address: PrimaryIp) -> Json:
        """Return a Primary IP."""
        return {
            "id": address.id,
            "name": address.name,
            "ip": address.ip,
            "type": address.kind,
            "assignee_id": address.server,
            "assignee_type": "server",
            "auto_delete": address.auto_delete,
            "blocked": False,
            "created": timestamp(address.created),
            "dns_ptr": _reverse_names(address),
            "labels": address.labels,
            "location": self._world.products.location(address.location),
            "protection": {"delete": address.protected},
        }

    def ssh_key(self, key: SshKey) -> Json:
        """Return an SSH key."""
        return {
            "id": key.id,
            "name": key.name,
            "fingerprint": key.fingerprint,
            "public_key": key.public_key,
            "labels": key.labels,
            "created": timestamp(key.created),
        }

    def action(self, action: Action) -> Json:
        """Return an action with its progress in percent, which is 100 only when it has ended."""
        running = action.status == "running"
        duration = max(action.ends - action.started, 1e-9)
        share = (self._world.clock.now() - action.started) / duration
        failure = {"code": "action_failed", "message": action.error} if action.error else None
        return {
            "id": action.id,
            "command": action.command,
            "status": action.status,
            "progress": min(99, max(0, int(share * 100))) if running else 100,
            "started": timestamp(action.started),
            "finished": None if running else timestamp(action.ends),
            "resources": [{"id": each, "type": kind} for each, kind in action.resources],
            "error": failure,
        }

    def _public_net(self, server: Server) -> Json:
        net: Json = {"ipv4": None, "ipv6": None, "floating_ips": [], "firewalls": []}
        for address in self._world.addresses_of(server):
            reverse_names = _reverse_names(address)
            net[address.kind] = {
                "id": address.id,
                "ip": address.ip,
                "blocked": False,
                "dns_ptr": reverse_names[0]["dns_ptr"] if address.kind == "ipv4" else reverse_names,
            }
        return net


def _reverse_names(address: PrimaryIp) -> list[dict[str, str]]:
    if address.kind == "ipv4" and address.ip not in address.pointers:
        reverse = ".".join(reversed(address.ip.split(".")))
        return [{"ip": address.ip, "dns_ptr": f"static.{reverse}.clients.sandbox.invalid"}]
    return [{"ip": ip, "dns_ptr": name} for ip, name in address.pointers.items()]
