"""The set-up of a server in the inventory: its site is recorded first, that it is ready last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from livchat.wire.servers import ServerStatus
from livchatd.jobs.step import Step, StepContext
from livchatd.steps.facts import JobFacts
from livchatd.steps.params import SetupServerParams
from livchatd.storage.database import now
from livchatd.storage.inventory import Inventory, ServerChanges

PORTS = "open_ports"
"""The key of the ports that were open before, in the job's facts."""


@dataclass(frozen=True)
class InventoryStep(Step[JobFacts]):
    """A step that records the set-up in the inventory.

    There is nothing to do for a server that is ready with the same settings.
    """

    params: SetupServerParams
    inventory: Inventory
    expected_seconds = 0.05

    async def check(self, context: StepContext[JobFacts]) -> bool:
        record, chosen = self.inventory.server(self.params.name), _changes(self.params)
        kept = {name: getattr(record, name) for name in chosen}
        return record.status is ServerStatus.READY and kept == chosen


class BeginSetup(InventoryStep):
    """Records the server's site, and that it is being set up.

    The undo gives the server its earlier status and its earlier open ports.
    """

    title = "Note the domain"

    async def apply(self, context: StepContext[JobFacts]) -> None:
        open_now = self.inventory.server(self.params.name).open_ports
        context.facts.earlier.setdefault(PORTS, json.dumps(open_now))
        await context.save()
        changes = _changes(self.params) | ServerChanges(status=ServerStatus.SETTING_UP)
        await self.inventory.change_server(self.params.name, **changes)

    async def undo(self, context: StepContext[JobFacts]) -> None:
        await end_failed_setup(self.inventory, self.params.name)
        before = context.facts.earlier.pop(PORTS, None)
        if before is not None and self.inventory.find(self.params.name) is not None:
            # The firewall goes back too: a set-up that names no ports must not open them after all.
            await self.inventory.change_server(self.params.name, open_ports=json.loads(before))


class RecordSetup(InventoryStep):
    """Records that the server is ready for apps, and since when."""

    title = "Record the set-up"

    async def apply(self, context: StepContext[JobFacts]) -> None:
        changes = _changes(self.params) | ServerChanges(status=ServerStatus.READY, setup_at=now())
        await self.inventory.change_server(self.params.name, **changes)


async def end_failed_setup(inventory: Inventory, name: str) -> None:
    """Give a server whose set-up did not complete the status that it had before."""
    record = inventory.find(name)
    if record is not None and record.status is ServerStatus.SETTING_UP:
        before = ServerStatus.READY if record.setup_at else ServerStatus.RUNNING
        await inventory.change_server(name, status=before)


def setup_result(params: SetupServerParams) -> dict[str, Any]:
    """Return the server as a job's result has it."""
    return {"server": {"name": params.name, "zone_name": params.zone_name}}


def _changes(params: SetupServerParams) -> ServerChanges:
    """Return what a set-up changes in the server's record."""
    return ServerChanges(
        zone_name=params.zone_name,
        subdomain=params.subdomain,
        ssl_email=params.ssl_email,
        timezone=params.timezone,
        open_ports=params.open_ports,
        challenge=params.challenge,
        challenge_asked=params.challenge_asked,
    )
