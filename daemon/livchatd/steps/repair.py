"""Mending what the doctor found: each thing is looked at once more before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from livchat.errors import ProviderError
from livchat.wire.doctor import Mending
from livchatd.installation import HOME, read_comment
from livchatd.integrations.cloudflare import Dns, Record
from livchatd.jobs.step import Learnt, Run, Step
from livchatd.providers.base import ThingKind
from livchatd.steps.deps import Tools
from livchatd.steps.orphans import CLOUDFLARE, Known, known, stray_record, stray_thing
from livchatd.steps.params import Order

WORDS = {"machine": "machine", "address": "address", "key": "SSH key"}


class ThingOrder(Order):
    """A machine, address or key to be deleted: it must carry these labels still."""

    finding: str
    provider: str
    kind: ThingKind
    thing_id: str
    labels: dict[str, str]


class RecordOrder(Order):
    """A record to be deleted or pointed at its server: it must have this comment still."""

    finding: str
    account: str
    zone_id: str
    record_id: str
    name: str
    comment: str
    mend: Mending


class MendLearnt(Learnt):
    """What was mended, and what was left as it is with the reason, by finding."""

    mended: list[str] = Field(default_factory=list)
    kept: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MendStep(Step[MendLearnt]):
    """A step of the mending. `busy` gives the servers at which jobs are at work."""

    tools: Tools
    busy: Callable[[], Iterable[str]]

    def _known(self) -> Known:
        return known(self.tools.inventory, self.busy())

    def _keep(self, run: Run[MendLearnt], finding: str, why: str) -> bool:
        run.log(f"it is left as it is: {why}", "warning")
        run.learnt.kept = {**run.learnt.kept, finding: why}
        return True

    def _done(self, run: Run[MendLearnt], finding: str) -> None:
        if finding not in run.learnt.mended:
            run.learnt.mended = [*run.learnt.mended, finding]


@dataclass(frozen=True, kw_only=True)
class DeleteThing(MendStep):
    order: ThingOrder
    usually: ClassVar[float] = 3.0

    @property
    def title(self) -> str:
        order = self.order
        return f"Delete {WORDS[order.kind]} {order.thing_id} at {order.provider}"

    async def check(self, run: Run[MendLearnt]) -> bool:
        order = self.order
        thing = await self.tools.provider(order.provider).thing(order.kind, order.thing_id)
        if thing is None:
            run.log("it is gone already")
            return True
        if not order.labels.items() <= thing.labels.items():
            return self._keep(run, order.finding, "its labels have changed")
        ours = order.labels.get(HOME) == self.tools.home.id
        if ours and stray_thing(thing, order.provider, self._known()) is None:
            return self._keep(run, order.finding, "it belongs to a server by now")
        return False

    async def apply(self, run: Run[MendLearnt]) -> None:
        order = self.order
        provider = self.tools.provider(order.provider)
        await provider.discard(order.kind, order.thing_id, order.labels)
        self._done(run, order.finding)

    async def verify(self, run: Run[MendLearnt]) -> None:
        order = self.order
        if await self.tools.provider(order.provider).thing(order.kind, order.thing_id) is not None:
            raise ProviderError(f"{order.finding} was deleted, but it is still there")

    def leaves(self, run: Run[MendLearnt]) -> list[str]:
        return [] if self.order.finding in run.learnt.mended else [self.order.finding]


@dataclass(frozen=True, kw_only=True)
class MendRecord(MendStep):
    order: RecordOrder
    usually: ClassVar[float] = 1.0

    @property
    def title(self) -> str:
        name = f"{self.order.name} ({self.order.record_id[:8]})"
        if self.order.mend == "point":
            return f"Point record {name} at its server"
        return f"Delete record {name}"

    async def check(self, run: Run[MendLearnt]) -> bool:
        order, said = self.order, read_comment(self.order.comment)
        record = await self._record(await self._dns())
        if record is None:
            run.log("it is gone already")
            return True
        if said is None or record.comment != order.comment:
            return self._keep(run, order.finding, "its comment has changed")
        if said.home != self.tools.home.id:
            return False
        found = stray_record(record, said, order.account, self._known())
        if found is None and order.mend == "point":
            run.log("it points at its server already")
            return True
        if found is None:
            return self._keep(run, order.finding, "it belongs to a server by now")
        if found.mend != order.mend:
            return self._keep(run, order.finding, f"it is another matter by now: {found.why}")
        return False

    async def apply(self, run: Run[MendLearnt]) -> None:
        order, dns = self.order, await self._dns()
        if order.mend == "delete":
            await dns.delete(order.zone_id, order.record_id)
        else:
            address = self._address()
            await dns.put(order.zone_id, order.name, "A", address, order.comment)
            run.log(f"{order.name} points at {address}")
        self._done(run, order.finding)

    async def verify(self, run: Run[MendLearnt]) -> None:
        order = self.order
        dns = await self._dns()
        if order.mend == "delete":
            if await self._record(dns) is not None:
                raise ProviderError(f"{order.name} was deleted, but its record is still there")
            return
        wanted, found = self._address(), await dns.records(order.zone_id, name=order.name)
        if not any(record.content == wanted for record in found):
            raise ProviderError(f"{order.name} was pointed at {wanted}, but its record says not so")

    def leaves(self, run: Run[MendLearnt]) -> list[str]:
        return [] if self.order.finding in run.learnt.mended else [self.order.finding]

    def _address(self) -> str:
        said = read_comment(self.order.comment)
        server = self._known().marks.get(said.server) if said is not None else None
        if server is None:
            raise ProviderError(f"the server that {self.order.name} is for is gone")
        return self.tools.address(server.name)

    async def _dns(self) -> Dns:
        # The user's own account serves the servers of every other provider.
        return await self.tools.dns("own" if self.order.account == CLOUDFLARE else "sandbox")

    async def _record(self, dns: Dns) -> Record | None:
        found = await dns.records(self.order.zone_id, name=self.order.name)
        return next((record for record in found if record.id == self.order.record_id), None)
