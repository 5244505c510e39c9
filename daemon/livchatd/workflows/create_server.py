"""Create a server: a machine that is reached by SSH, or nothing left at all."""

from __future__ import annotations

from typing import Any

from livchat.wire.jobs import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.deps import Tools
from livchatd.steps.facts import MachineLearnt
from livchatd.steps.params import CreateServerOrder
from livchatd.steps.server.inventory_entry import (
    AwaitSsh,
    RecordServer,
    ReserveName,
    settle_creation,
)
from livchatd.steps.server.machine import AwaitMachine, CreateMachine, ReserveAddress
from livchatd.steps.server.offers import taken
from livchatd.steps.server.ssh_keys import MakeKeys, RegisterKey

LANE = "server"
"""One fails, all are undone: a machine that nobody can use costs money for nothing."""


def create_server(tools: Tools) -> Workflow[CreateServerOrder, MachineLearnt]:
    async def settle(order: CreateServerOrder, learnt: MachineLearnt, status: JobStatus) -> None:
        if status is not JobStatus.COMPLETED:
            await settle_creation(tools, order, learnt)

    return Workflow(
        name="create_server",
        params=CreateServerOrder,
        learnt=MachineLearnt,
        steps=lambda order: create_steps(tools, order),
        result=lambda order, learnt: {"server": told(order, learnt)},
        settle=settle,
    )


def create_steps(
    tools: Tools, order: CreateServerOrder, zone_name: str | None = None
) -> list[Step[MachineLearnt]]:
    """`zone_name` is where records will point at the server, if that is known already."""
    return [
        ReserveName(key="name", lane=LANE, tools=tools, order=order),
        MakeKeys(key="keys", lane=LANE, after=("name",), tools=tools, order=order),
        ReserveAddress(
            key="address", lane=LANE, after=("name",), tools=tools, order=order, zone_name=zone_name
        ),
        RegisterKey(key="ssh_key", lane=LANE, after=("keys",), tools=tools, order=order),
        CreateMachine(
            key="machine", lane=LANE, after=("address", "ssh_key"), tools=tools, order=order,
            zone_name=zone_name,
        ),
        AwaitMachine(
            key="boot", lane=LANE, after=("machine",), inside="machine", tools=tools, order=order
        ),
        AwaitSsh(key="ssh", lane=LANE, after=("boot",), inside="machine", tools=tools, order=order),
        RecordServer(
            key="server", lane=LANE, after=("ssh",), inside="name", tools=tools, order=order
        ),
    ]  # fmt: skip


def told(order: CreateServerOrder, learnt: MachineLearnt) -> dict[str, Any]:
    """The server as the job's result tells it; `instead_of` is what could not be had."""
    bought = taken(order, learnt)
    before = [*order.sold_out, *order.offers[: learnt.taken]]
    return {
        **{
            key: value or None for key, value in bought.model_dump(exclude={"price_hourly"}).items()
        },
        "instead_of": [str(offer) for offer in before],
        "name": order.name,
        "provider": order.provider,
        "ip_address": learnt.ip_address,
        "ipv6_address": learnt.ipv6_address,
    }
