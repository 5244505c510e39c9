"""The repair of what the doctor found: each thing is checked once more before it is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from livchat.errors import ProviderError
from livchatd.installation import Installation, read_comment
from livchatd.integrations.dns import Dns, Record
from livchatd.jobs.step import Step, StepContext
from livchatd.providers.base import Provider
from livchatd.steps.deps import Providers
from livchatd.steps.facts import RepairFacts
from livchatd.steps.orphans import (
    CLOUDFLARE,
    KnownState,
    known_state,
    orphaned_record,
    orphaned_resource,
)
from livchatd.steps.params import RecordRepair, ResourceRepair
from livchatd.steps.server_dns import ServerDns
from livchatd.storage.inventory import Inventory

RESOURCE_NAMES = {"machine": "machine", "address": "address", "key": "SSH key"}
"""What a person calls each kind of resource at a provider."""
ActiveServers = Callable[[], Iterable[str]]
"""Returns the servers at which a job is at work."""


@dataclass(frozen=True)
class RepairStep(Step[RepairFacts]):
    """A step of the repair. Its check leaves, with the reason, what has changed since the scan."""

    inventory: Inventory
    active_servers: ActiveServers
    installation: Installation

    def _known(self) -> KnownState:
        return known_state(self.inventory, self.active_servers())

    def _leave(self, context: StepContext[RepairFacts], finding: str, why: str) -> bool:
        """Note that a finding is left as it is: there is nothing to be done."""
        context.log(f"it is left as it is: {why}", "warning")
        context.facts.kept = {**context.facts.kept, finding: why}
        return True

    def _note_done(self, context: StepContext[RepairFacts], finding: str) -> None:
        if finding not in context.facts.mended:
            context.facts.mended = [*context.facts.mended, finding]


@dataclass(frozen=True)
class DeleteResource(RepairStep):
    """Deletes a machine, address or key that belongs to no server and has the owner it had.

    Raises `ProviderError` if it is still there afterwards.
    """

    params: ResourceRepair
    providers: Providers
    expected_seconds = 3.0

    @property
    def title(self) -> str:
        params = self.params
        return f"Delete {RESOURCE_NAMES[params.kind]} {params.thing_id} at {params.provider}"

    async def check(self, context: StepContext[RepairFacts]) -> bool:
        params = self.params
        resource = await self._provider.resource(params.kind, params.thing_id)
        if resource is None:
            context.log("it is gone already")
            return True
        if not params.owner.covers(resource.owner):
            return self._leave(context, params.finding, "its labels have changed")
        ours = params.owner.installation_id == self.installation.id
        if ours and orphaned_resource(resource, params.provider, self._known()) is None:
            return self._leave(context, params.finding, "it belongs to a server by now")
        return False

    async def apply(self, context: StepContext[RepairFacts]) -> None:
        params = self.params
        await self._provider.delete_resource(params.kind, params.thing_id, params.owner)
        self._note_done(context, params.finding)

    async def verify(self, context: StepContext[RepairFacts]) -> None:
        params = self.params
        if await self._provider.resource(params.kind, params.thing_id) is not None:
            raise ProviderError(f"{params.finding} was deleted, but it is still there")

    def leftovers(self, context: StepContext[RepairFacts]) -> list[str]:
        return [] if self.params.finding in context.facts.mended else [self.params.finding]

    @property
    def _provider(self) -> Provider:
        return self.providers.configured(self.params.provider)


@dataclass(frozen=True)
class RepairRecord(RepairStep):
    """Deletes a DNS record, or points it at its server, if it has the comment it had.

    Raises `ProviderError` if it is not so afterwards.
    """

    params: RecordRepair
    dns: ServerDns
    expected_seconds = 1.0

    @property
    def title(self) -> str:
        name = f"{self.params.name} ({self.params.record_id[:8]})"
        if self.params.mend == "point":
            return f"Point record {name} at its server"
        return f"Delete record {name}"

    async def check(self, context: StepContext[RepairFacts]) -> bool:
        params, comment = self.params, read_comment(self.params.comment)
        record = await self._record(await self._dns())
        if record is None:
            context.log("it is gone already")
            return True
        if comment is None or record.comment != params.comment:
            return self._leave(context, params.finding, "its comment has changed")
        if comment.installation_id != self.installation.id:
            return False
        orphan = orphaned_record(record, comment, params.account, self._known())
        if orphan is None and params.mend == "point":
            context.log("it points at its server already")
            return True
        if orphan is None:
            return self._leave(context, params.finding, "it belongs to a server by now")
        if orphan.mend != params.mend:
            why = f"it is another matter by now: {orphan.why}"
            return self._leave(context, params.finding, why)
        return False

    async def apply(self, context: StepContext[RepairFacts]) -> None:
        params, dns = self.params, await self._dns()
        if params.mend == "delete":
            await dns.delete_record(params.zone_id, params.record_id)
        else:
            address = self._address()
            await dns.ensure_record(params.zone_id, params.name, "A", address, params.comment)
            context.log(f"{params.name} points at {address}")
        self._note_done(context, params.finding)

    async def verify(self, context: StepContext[RepairFacts]) -> None:
        params, dns = self.params, await self._dns()
        if params.mend == "delete":
            if await self._record(dns) is not None:
                raise ProviderError(f"{params.name} was deleted, but its record is still there")
            return
        address, records = self._address(), await dns.records(params.zone_id, name=params.name)
        if not any(record.content == address for record in records):
            raise ProviderError(
                f"{params.name} was pointed at {address}, but its record says not so"
            )

    def leftovers(self, context: StepContext[RepairFacts]) -> list[str]:
        return [] if self.params.finding in context.facts.mended else [self.params.finding]

    def _address(self) -> str:
        comment = read_comment(self.params.comment)
        server = self._known().by_short_name.get(comment.server) if comment is not None else None
        if server is None:
            raise ProviderError(f"the server that {self.params.name} is for is gone")
        return self.inventory.address(server.name)

    async def _dns(self) -> Dns:
        # The user's own account serves the servers of every provider but the sandbox.
        return await self.dns.account("own" if self.params.account == CLOUDFLARE else "sandbox")

    async def _record(self, dns: Dns) -> Record | None:
        records = await dns.records(self.params.zone_id, name=self.params.name)
        return next((record for record in records if record.id == self.params.record_id), None)


def repair_result(facts: RepairFacts) -> dict[str, Any]:
    """Return what was repaired, and what was left as it is with the reason."""
    left = [f"{finding} ({why})" for finding, why in facts.kept.items()]
    return {"mended": facts.mended, "left": left}
