"""What others leave in a cloud, made with the vendors' own libraries."""

from __future__ import annotations

import json
import weakref
from typing import Any

from cloudflare import Cloudflare
from hcloud import Client
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType
from hcloud.servers import BoundServer

from livchat.asyncssh_guard import asyncssh
from tests.integration.daemon_process import DaemonProcess

ANOTHER = "0000beef"
JOB = "job_20260101_000000_aaaaaaaaaaaa"


class Strangers:
    """Makes things in a sandbox without a daemon's help. `address` is the sandbox's own."""

    def __init__(self, address: dict[str, Any]) -> None:
        self.cloud = Client(address["token"], api_endpoint=address["hetzner"])
        self.dns = Cloudflare(api_token=address["cloudflare_token"], base_url=address["cloudflare"])
        # Their connections end with it, rather than with the test run.
        weakref.finalize(self, self.cloud._client._session.close)
        weakref.finalize(self, self.dns.close)
        self.zones = {zone.name: zone.id for zone in self.dns.zones.list()}

    def machine(self, name: str, labels: dict[str, str]) -> str:
        made = self.cloud.servers.create(
            name=name,
            server_type=ServerType(name="cx23"),
            image=Image(name="debian-13"),
            location=Location(name="nbg1"),
            labels=labels,
        )
        return str(made.server.id)

    def address(self, name: str, labels: dict[str, str]) -> str:
        made = self.cloud.primary_ips.create(
            type="ipv4",
            name=name,
            location=Location(name="nbg1"),
            assignee_type="server",
            auto_delete=False,
            labels=labels,
        )
        return str(made.primary_ip.id)

    def key(self, name: str, labels: dict[str, str]) -> str:
        made = asyncssh.generate_private_key("ssh-ed25519")
        line = made.export_public_key("openssh").decode().strip()
        return str(self.cloud.ssh_keys.create(name=name, public_key=line, labels=labels).id)

    def record(self, name: str, content: str, comment: str, zone: str = "livchat.localhost") -> str:
        made = self.dns.dns.records.create(
            zone_id=self.zones[zone], name=name, type="A", content=content, ttl=1, comment=comment
        )
        assert made is not None
        return str(made.id)

    def server(self, name: str) -> BoundServer:
        """A machine that is there."""
        found = self.cloud.servers.get_by_name(name)
        assert found is not None
        return found

    def repoint(self, name: str, content: str, zone: str = "livchat.localhost") -> str:
        """Somebody changes a record by hand; its id."""
        zone_id = self.zones[zone]
        found = next(iter(self.dns.dns.records.list(zone_id=zone_id, name={"exact": name})))
        self.dns.dns.records.edit(
            found.id, zone_id=zone_id, name=name, type="A", ttl=1, content=content
        )
        return str(found.id)


def marked(home: str | None, server: str) -> dict[str, str]:
    """The labels of what an installation made; None is one of an older version."""
    told = {"livchat.managed": "true", "livchat.server": server, "livchat.job": JOB}
    return told if home is None else {**told, "livchat.home": home}


def beside(daemon: DaemonProcess) -> Strangers:
    """Strangers in the sandbox of a daemon, which runs."""
    return Strangers(json.loads((daemon.home / "state" / "sandbox" / "sandbox.json").read_text()))


def home_of(daemon: DaemonProcess) -> str:
    """The id of an installation."""
    return (daemon.home / "config" / "home").read_text().strip()
