"""The set-up of a server in the inventory: that it has begun, and that it is done."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from livchat.wire.servers import ServerStatus
from livchatd.jobs.step import Run
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger
from livchatd.steps.params import SetupServerOrder
from livchatd.steps.setup.system import SystemStep
from livchatd.storage.database import now
from livchatd.storage.inventory import ServerRecord

PORTS = "open_ports"


class BeginSetup(SystemStep):
    usually: ClassVar[float] = 0.05

    @property
    def title(self) -> str:
        return "Note the domain"

    async def check(self, run: Run[Ledger]) -> bool:
        return _set_up(self.tools.inventory.server(self.order.name), self.order)

    async def apply(self, run: Run[Ledger]) -> None:
        open_now = self.tools.inventory.server(self.order.name).open_ports
        run.learnt.earlier.setdefault(PORTS, json.dumps(open_now))
        await run.save()
        await self.tools.inventory.change_server(
            self.order.name, status=ServerStatus.SETTING_UP.value, **_chosen(self.order)
        )

    async def undo(self, run: Run[Ledger]) -> None:
        await settle_server(self.tools, self.order.name)
        before = run.learnt.earlier.pop(PORTS, None)
        if before is not None and self.tools.inventory.find(self.order.name) is not None:
            # The firewall goes back too: a set-up that names no ports must not open them after all.
            await self.tools.inventory.change_server(self.order.name, open_ports=json.loads(before))


class RecordSetup(SystemStep):
    usually: ClassVar[float] = 0.05

    @property
    def title(self) -> str:
        return "Record the set-up"

    async def check(self, run: Run[Ledger]) -> bool:
        return _set_up(self.tools.inventory.server(self.order.name), self.order)

    async def apply(self, run: Run[Ledger]) -> None:
        await self.tools.inventory.change_server(
            self.order.name,
            status=ServerStatus.READY.value,
            setup_at=now(),
            **_chosen(self.order),
        )


async def settle_server(tools: Tools, name: str) -> None:
    """After a set-up that came to nothing: the server is what it was before."""
    record = tools.inventory.find(name)
    if record is not None and record.status is ServerStatus.SETTING_UP:
        before = ServerStatus.READY if record.setup_at else ServerStatus.RUNNING
        await tools.inventory.change_server(name, status=before.value)


def _chosen(order: SetupServerOrder) -> dict[str, Any]:
    return {
        "zone_name": order.zone_name,
        "subdomain": order.subdomain,
        "ssl_email": order.ssl_email,
        "timezone": order.timezone,
        "open_ports": order.open_ports,
        "challenge": order.challenge,
        "challenge_asked": order.challenge_asked,
    }


def _set_up(record: ServerRecord, order: SetupServerOrder) -> bool:
    kept = {name: getattr(record, name) for name in _chosen(order)}
    return record.status is ServerStatus.READY and kept == _chosen(order)
