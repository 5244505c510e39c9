"""What a removal that was stopped says is left: nothing of what is forgotten already."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from livchat.wire.apps import AppStatus
from livchat.wire.servers import ServerStatus
from livchatd.jobs.step import Run
from livchatd.steps.apps.delete import ForgetApp, RemoveStack
from livchatd.steps.deps import Tools
from livchatd.steps.facts import RemovalLearnt
from livchatd.steps.params import DeleteAppOrder, DeleteServerOrder
from livchatd.steps.server.delete import DeleteMachine, ForgetServer
from livchatd.storage.database import Database
from livchatd.storage.inventory import AppRecord, Inventory, ServerRecord

WHEN = "2026-11-25T08:00:00Z"
RUN = cast("Run[RemovalLearnt]", None)
SERVER = DeleteServerOrder(name="prod", provider="sandbox")
APP = DeleteAppOrder(server="prod", provider="sandbox", app_name="n8n", title="n8n")


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


def tools_of(inventory: Inventory) -> Tools:
    others: dict[str, Any] = dict.fromkeys(Tools.__dataclass_fields__)
    return Tools(**{**others, "inventory": inventory, "pace": 0.0})


async def test_a_server_is_without_its_machine_for_as_long_as_it_is_known(
    inventory: Inventory,
) -> None:
    tools = tools_of(inventory)
    machine = DeleteMachine(key="machine", tools=tools, order=SERVER)
    assert machine.leaves(RUN) == ["prod, maybe without its machine"]
    assert ForgetServer(key="forget", tools=tools, order=SERVER).leaves(RUN) == []
    await inventory.remove_server("prod")
    assert machine.leaves(RUN) == []


async def test_an_app_is_without_its_stack_for_as_long_as_it_is_known(
    inventory: Inventory,
) -> None:
    tools = tools_of(inventory)
    stack = RemoveStack(key="stack", tools=tools, order=APP)
    assert stack.leaves(RUN) == ["n8n on prod, maybe without its stack"]
    assert ForgetApp(key="forget", tools=tools, order=APP).leaves(RUN) == []
    await inventory.remove_app("prod", "n8n")
    assert stack.leaves(RUN) == []
