"""The inventory: records of servers and apps, and changes of some of their fields."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from livchat.errors import Conflict, NotFound
from livchat.wire.apps import AppStatus
from livchat.wire.servers import Challenge, ServerStatus
from livchatd.storage.database import Database, now
from livchatd.storage.inventory import AppRecord, Inventory, ServerRecord, fingerprint

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8tVDYrm6SfbVgGkPvfPLdcFzmXT5kmkLxEIrRV3XHs"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "livchat.db")
    yield opened
    await opened.close()


@pytest.fixture
async def inventory(database: Database) -> Inventory:
    found = Inventory(database)
    await found.add_server(server("prod"))
    return found


def server(name: str, **more: Any) -> ServerRecord:
    return ServerRecord(
        name=name, provider="hetzner", status=ServerStatus.CREATING, created_at=now(), **more
    )


def app(name: str) -> AppRecord:
    return AppRecord(
        app_name=name, instance=name, version="1", status=AppStatus.RUNNING, deployed_at=now()
    )


async def test_a_change_keeps_every_other_field(inventory: Inventory) -> None:
    before = inventory.server("prod")
    await inventory.change_server("prod", status=ServerStatus.RUNNING, ip_address="203.0.113.9")
    await inventory.change_server(
        "prod", open_ports=["25/tcp"], challenge=Challenge.DNS, subdomain="lab", zone_name="a.com"
    )
    assert inventory.server("prod") == before.model_copy(
        update={
            "status": ServerStatus.RUNNING,
            "ip_address": "203.0.113.9",
            "open_ports": ["25/tcp"],
            "challenge": Challenge.DNS,
            "subdomain": "lab",
            "zone_name": "a.com",
        }
    )
    assert inventory.server("prod").domain == "lab.a.com"


async def test_a_field_that_is_changed_to_none_is_none(inventory: Inventory) -> None:
    await inventory.change_server("prod", subdomain="lab", zone_name="a.com")
    await inventory.change_server("prod", subdomain=None)
    assert (inventory.server("prod").subdomain, inventory.server("prod").domain) == (None, "a.com")


async def test_a_change_of_a_server_that_is_gone_brings_it_not_back(inventory: Inventory) -> None:
    await inventory.put_app("prod", app("n8n"))
    await inventory.remove_server("prod")
    await inventory.change_server("prod", status=ServerStatus.READY)
    assert inventory.find("prod") is None
    assert inventory.app_names() == {}
    with pytest.raises(NotFound):
        inventory.server("prod")


async def test_a_pinned_host_key_has_its_fingerprint_beside_it(inventory: Inventory) -> None:
    await inventory.pin_host_key("prod", HOST_KEY)
    record = inventory.server("prod")
    assert (record.host_key, record.host_key_fingerprint) == (HOST_KEY, fingerprint(HOST_KEY))


async def test_a_name_is_taken_once(inventory: Inventory, database: Database) -> None:
    for name, taken in (("prod", True), ("new", False), ("new", True)):
        reserving = database.write(partial(inventory.reserve, record=server(name)))
        if taken:
            with pytest.raises(Conflict):
                await reserving
        else:
            await reserving
    assert [record.name for record in inventory.servers()] == ["new", "prod"]


async def test_a_server_is_shown_with_its_apps_and_its_job(inventory: Inventory) -> None:
    shown = inventory.server("prod").to_wire(["n8n", "postgres"], "job_1")
    assert (shown.name, shown.apps, shown.job_id) == ("prod", ["n8n", "postgres"], "job_1")
    assert "host_key" not in shown.model_dump()
