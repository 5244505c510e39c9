"""Add a server: a machine of the user's own, logged in to and looked at, nothing on it changed."""

from __future__ import annotations

from typing import Any

from livchat.wire.jobs import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger
from livchatd.steps.params import AddServerOrder
from livchatd.steps.server.join import LogIn, RecordMachine, TakeName, forget
from livchatd.steps.setup.preflight import Preflight
from livchatd.storage.vault_keys import client_key

LANE = "server"
"""One fails, all are undone: the name is free again."""


def add_server(tools: Tools) -> Workflow[AddServerOrder, Ledger]:
    async def settle(order: AddServerOrder, learnt: Ledger, status: JobStatus) -> None:
        del learnt
        if status is JobStatus.COMPLETED:
            return
        await forget(tools, order.name)
        if status is JobStatus.CANCELLED and tools.inventory.find(order.name) is None:
            await tools.vault.delete(client_key(order.name))

    return Workflow(
        name="add_server",
        params=AddServerOrder,
        learnt=Ledger,
        steps=lambda order: add_steps(tools, order),
        result=told,
        settle=settle,
    )


def add_steps(tools: Tools, order: AddServerOrder) -> list[Step[Ledger]]:
    return [
        TakeName(key="name", lane=LANE, tools=tools, order=order),
        LogIn(key="login", lane=LANE, after=("name",), tools=tools, order=order),
        Preflight(key="preflight", lane=LANE, after=("login",), tools=tools, server=order.name),
        RecordMachine(
            key="server", lane=LANE, after=("preflight",), inside="name", tools=tools, order=order
        ),
    ]


def told(order: AddServerOrder, learnt: Ledger) -> dict[str, Any]:
    """The machine as the job's result tells it, with all that was found on it."""
    server = {"name": order.name, "provider": order.provider, "ip_address": order.ip_address}
    return {"server": server, **learnt.found}
