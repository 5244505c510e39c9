"""What tests of Hetzner's API in the sandbox do again and again, with Hetzner's own client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hcloud
import pytest
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType

# The client types everything it answers as optional: here that would only be noise.
Cloud = Any
Connect = Callable[..., Cloud]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here"


def order(cloud: Cloud, name: str = "prod-01", **more: Any) -> Any:
    kind, place = more.pop("kind", "cx23"), more.pop("place", "nbg1")
    return cloud.servers.create(
        name=name,
        server_type=ServerType(name=kind),
        image=Image(name=more.pop("image", "debian-13")),
        location=Location(name=place),
        **more,
    )


def made(cloud: Cloud, name: str = "prod-01", **more: Any) -> Any:
    answer = order(cloud, name, **more)
    for action in [answer.action, *answer.next_actions]:
        action.wait_until_finished()
    return cloud.servers.get_by_id(answer.server.id)


def reserve(cloud: Cloud, name: str = "prod-01", **more: Any) -> Any:
    place = Location(name=more.pop("place", "nbg1"))
    return cloud.primary_ips.create(type="ipv4", name=name, location=place, **more).primary_ip


def refusal(code: str) -> Any:
    return pytest.raises(hcloud.APIException, check=lambda error: error.code == code)
