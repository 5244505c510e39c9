"""Delete a server: its names first, then what costs money, then what we know of it."""

from __future__ import annotations

from typing import Any

from livchat.wire.jobs import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.deps import Tools
from livchatd.steps.facts import RemovalLearnt
from livchatd.steps.params import DeleteServerOrder
from livchatd.steps.server.delete import (
    DeleteKey,
    DeleteMachine,
    ForgetServer,
    MarkServer,
    ReleaseAddress,
    RemoveServerNames,
    settle_deletion,
)
from livchatd.steps.server.existing import OWN


def delete_server(tools: Tools) -> Workflow[DeleteServerOrder, RemovalLearnt]:
    async def settle(order: DeleteServerOrder, learnt: RemovalLearnt, status: JobStatus) -> None:
        if status is JobStatus.CANCELLED:
            await settle_deletion(tools, order, learnt)

    return Workflow(
        name="delete_server",
        params=DeleteServerOrder,
        learnt=RemovalLearnt,
        steps=lambda order: delete_steps(tools, order),
        result=told,
        settle=settle,
    )


def told(order: DeleteServerOrder, learnt: RemovalLearnt) -> dict[str, Any]:
    """What became of the server, and what is still there."""
    stays = [f"the machine {order.name} and all that is on it"] if order.provider == OWN else []
    return {"server": {"name": order.name}, "left": [*stays, *learnt.left]}


def delete_steps(tools: Tools, order: DeleteServerOrder) -> list[Step[RemovalLearnt]]:
    mark = MarkServer(key="mark", tools=tools, order=order)
    names = RemoveServerNames(key="names", after=("mark",), tools=tools, order=order)
    if order.provider == OWN:
        return [mark, names, ForgetServer(key="forget", after=("names",), tools=tools, order=order)]
    return [
        mark,
        names,
        # An address given back while names still point at it serves whoever gets it next.
        DeleteMachine(key="machine", after=("names",), tools=tools, order=order),
        ReleaseAddress(key="address", after=("machine",), tools=tools, order=order),
        DeleteKey(key="ssh_key", after=("mark",), tools=tools, order=order),
        ForgetServer(key="forget", after=("address", "ssh_key"), tools=tools, order=order),
    ]
