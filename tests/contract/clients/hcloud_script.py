"""An operator's day at Hetzner, written from hcloud's own documentation: endpoint and token only.

Run with the endpoint as argument and the token in HCLOUD_TOKEN; prints what it saw as JSON.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import sys
from typing import Any

from hcloud import APIException, Client
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType
from hcloud.servers.domain import ServerCreatePublicNetwork

USER_DATA = "#cloud-config\nruncmd:\n- [touch, /root/was-here]\n"


def public_key(number: int) -> str:
    """A public key line of its own for each number."""
    kind = b"ssh-ed25519"
    blob = struct.pack("!I", len(kind)) + kind + struct.pack("!I", 32) + number.to_bytes(32, "big")
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} key-{number}"


def refused(call: Any, *arguments: Any, **named: Any) -> str:
    """The code of the refusal that a call meets."""
    try:
        call(*arguments, **named)
    except APIException as error:
        return str(error.code)
    return "not refused"


def main(client: Any) -> dict[str, Any]:
    """All of it, and nothing left at the end."""
    seen: dict[str, Any] = {}
    keys = [
        client.ssh_keys.create(f"key-{n}", public_key(n), labels={"n": str(n % 2)})
        for n in range(55)
    ]
    seen["keys"] = len(client.ssh_keys.get_all())
    seen["odd keys"] = len(client.ssh_keys.get_all(label_selector="n==1"))
    second = client.ssh_keys.get_list(page=2, per_page=20)
    pages = second.meta.pagination
    seen["page"] = [len(second.ssh_keys), pages.page, pages.last_page, pages.total_entries]
    seen["same key"] = refused(client.ssh_keys.create, "other", public_key(0))

    kinds = {kind.name: kind for kind in client.server_types.get_all()}
    seen["retired"] = sorted(name for name, kind in kinds.items() if kind.deprecation is not None)
    seen["places"] = sorted(place.name for place in client.locations.get_all())
    images = client.images.get_all(type=["system"], architecture=["x86"])
    seen["images"] = sorted(image.name for image in images if image.name.startswith("debian"))

    place = Location(name="nbg1")
    address = client.primary_ips.create(
        type="ipv4", name="prod", location=place, assignee_type="server", auto_delete=False
    ).primary_ip
    ordered = client.servers.create(
        name="prod-01",
        server_type=ServerType(name="cx23"),
        image=Image(name="debian-13"),
        location=place,
        ssh_keys=[keys[0]],
        user_data=USER_DATA,
        labels={"role": "web", "env": "prod"},
        public_net=ServerCreatePublicNetwork(ipv4=address, enable_ipv4=True, enable_ipv6=True),
    )
    seen["actions"] = [ordered.action.command, *(action.command for action in ordered.next_actions)]
    seen["password"] = ordered.root_password
    ordered.action.wait_until_finished()
    for action in ordered.next_actions:
        action.wait_until_finished()
    server = client.servers.get_by_name("prod-01")
    seen["running"] = [server.status, server.public_net.ipv4.ip == address.ip]
    seen["done"] = client.actions.get_by_id(ordered.action.id).progress
    for selector in (
        "role==web",
        "env!=prod",
        "role in (web,db),!gone",
        "env notin (prod)",
        "role",
    ):
        seen[selector] = [found.name for found in client.servers.get_all(label_selector=selector)]
    server.update(labels={"role": "db"})
    seen["labels"] = client.servers.get_by_id(server.id).labels

    seen["taken"] = refused(
        client.servers.create, name="prod-01", server_type=ServerType(name="cx23"),
        image=Image(name="debian-13"), location=place,
    )  # fmt: skip
    seen["no such type"] = refused(
        client.servers.create, name="b", server_type=ServerType(name="cx9999"),
        image=Image(name="debian-13"), location=place,
    )  # fmt: skip
    gone = ServerType(name=seen["retired"][0])
    seen["retired type"] = refused(
        client.servers.create, name="b", server_type=gone, image=Image(name="debian-13")
    )
    sold_out = [
        (kind.name, at.location.name)
        for kind in kinds.values()
        for at in kind.locations
        if not at.available and at.deprecation is None
    ]
    name, where = sold_out[0]
    image = Image(name="debian-13")
    if kinds[name].architecture == "arm":
        image = client.images.get_by_name_and_architecture("debian-13", "arm")
    seen["sold out"] = refused(
        client.servers.create, name="b", server_type=ServerType(name=name), image=image,
        location=Location(name=where),
    )  # fmt: skip
    seen["address in use"] = refused(address.delete)

    server.reboot().wait_until_finished()
    seen["rebooted"] = client.servers.get_by_id(server.id).status
    server.power_off().wait_until_finished()
    seen["off"] = client.servers.get_by_id(server.id).status
    address.unassign().wait_until_finished()
    seen["unassigned"] = client.primary_ips.get_by_id(address.id).assignee_id
    address.assign(assignee_id=server.id, assignee_type="server").wait_until_finished()
    seen["assigned"] = client.primary_ips.get_by_id(address.id).assignee_id == server.id
    server.power_on().wait_until_finished()
    seen["on"] = client.servers.get_by_id(server.id).status
    rebuilt = server.rebuild(Image(name="ubuntu-24.04"))
    rebuilt.action.wait_until_finished()
    seen["rebuilt"] = client.servers.get_by_id(server.id).image.name

    server.delete().wait_until_finished()
    seen["gone"] = [client.servers.get_by_name("prod-01"), refused(server.reload)]
    seen["address stays"] = client.primary_ips.get_by_name("prod").assignee_id
    address.delete()
    for key in keys:
        key.delete()
    seen["left"] = [
        len(kind.get_all()) for kind in (client.servers, client.primary_ips, client.ssh_keys)
    ]
    return seen


if __name__ == "__main__":
    account = Client(
        token=os.environ["HCLOUD_TOKEN"],
        api_endpoint=sys.argv[1],
        application_name="operator",
        poll_interval=0.02,
        timeout=30,
    )
    sys.stdout.write(json.dumps(main(account), default=str))
