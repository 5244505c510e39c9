"""Whether the machine behind a server stands already, as the inventory and the provider see it."""

from __future__ import annotations

from livchatd.jobs.step import Run
from livchatd.steps.deps import Tools
from livchatd.steps.facts import MachineLearnt
from livchatd.steps.params import CreateServerOrder

OWN = "own"
"""The provider of machines that were there before us: nothing is bought, nothing deleted."""


async def standing(tools: Tools, order: CreateServerOrder, run: Run[MachineLearnt]) -> bool:
    """Whether inventory and provider both know the machine; notes its addresses."""
    record = tools.inventory.find(order.name)
    if record is None or (order.provider != OWN and record.machine_id is None):
        return False
    run.learnt.ip_address, run.learnt.ipv6_address = record.ip_address, record.ipv6_address
    if order.provider == OWN:
        return True
    machine = await tools.provider(order.provider).find_machine(tools.home.labels(order.name))
    if machine is None or machine.id != record.machine_id:
        return False
    run.learnt.machine_id, run.learnt.address_id = record.machine_id, record.address_id
    return True
