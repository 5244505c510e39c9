"""What a deletion that was stopped says is left: nothing of what has left the inventory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from livchat.wire.apps import AppStatus
from livchat.wire.servers import ServerStatus
from livchatd.steps.apps.delete import RemoveAppFromInventory, RemoveStack
from livchatd.steps.params import DeleteAppParams, DeleteServerParams
from livchatd.steps.server.delete import DeleteMachine, RemoveServerFromInventory
from livchatd.storage.database import Database
from livchatd.storage.inventory import AppRecord, Inventory, ServerRecord

WHEN = "2026-11-25T08:00:00Z"
UNUSED: Any = None
"""What leftovers() of a deletion does not look at: its context, and what its step works with."""
SERVER = DeleteServerParams(name="prod", provider="sandbox")
APP = DeleteAppParams(server="prod", provider="sandbox", app_name="n8n", title="n8n")


@pytest.fixture
async def inventory(tmp_path: Path) -> AsyncIterator[Inventory]:
    database = Database(tmp_path / "livchat.db")
    inventory = Inventory(database)
    await inventory.add_server(
        ServerRecord(name="prod", provider="sandbox", status=ServerStatus.READY, created_at=WHEN)
    )
    await inventory.put_app(
        "prod",
        AppRecord(
            app_name="n8n", instance="n8n", version="1", status=AppStatus.RUNNING, deployed_at=WHEN
        ),
    )
    yield inventory
    await database.close()


async def test_a_server_is_without_its_machine_for_as_long_as_it_is_known(
    inventory: Inventory,
) -> None:
    machine = DeleteMachine(SERVER, inventory, UNUSED, UNUSED, UNUSED, key="machine")
    last = RemoveServerFromInventory(SERVER, inventory, UNUSED, UNUSED, key="forget")
    assert machine.leftovers(UNUSED) == ["prod, maybe without its machine"]
    assert last.leftovers(UNUSED) == []
    await inventory.remove_server("prod")
    assert machine.leftovers(UNUSED) == []


async def test_an_app_is_without_its_stack_for_as_long_as_it_is_known(
    inventory: Inventory,
) -> None:
    stack = RemoveStack(APP, inventory, UNUSED, UNUSED, key="stack")
    assert stack.leftovers(UNUSED) == ["n8n on prod, maybe without its stack"]
    assert RemoveAppFromInventory(APP, inventory, key="forget").leftovers(UNUSED) == []
    await inventory.remove_app("prod", "n8n")
    assert stack.leftovers(UNUSED) == []
