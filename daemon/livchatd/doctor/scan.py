"""One look of the doctor at every account, beside what is known here before and after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from livchat.errors import Forbidden, LivChatError, NotConfigured, TimedOut, Unauthorized
from livchat.wire.doctor import Checked, Finding, Unreachable
from livchatd.credentials.credentials import Credentials
from livchatd.doctor import findings as tell
from livchatd.installation import PREFIX, Home
from livchatd.integrations.cloudflare import Dns, Record, Zone
from livchatd.providers.base import Provider, Thing
from livchatd.providers.registry import Accounts
from livchatd.steps.orphans import CLOUDFLARE, SANDBOX, Known, known
from livchatd.steps.repair import RecordOrder, ThingOrder
from livchatd.steps.server.existing import OWN
from livchatd.storage.inventory import Inventory, ServerRecord

T = TypeVar("T")
Found = tuple[Finding, ThingOrder | RecordOrder] | None

WITHIN = 40.0
"""Seconds that a look may take: what has not answered by then is told as such."""
AT_ONCE = 6
"""Zones that are asked for at the same time."""


@dataclass
class Look:
    """What one look has seen so far: findings, with the order that mends each."""

    home: Home
    inventory: Inventory
    accounts: Accounts
    credentials: Credentials
    busy: Callable[[], Iterable[str]]
    findings: list[Finding] = field(default_factory=list)
    orders: dict[str, ThingOrder | RecordOrder] = field(default_factory=dict)
    checked: list[Checked] = field(default_factory=list)
    unreachable: list[Unreachable] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._before = self._known()
        self._until = asyncio.get_running_loop().time() + WITHIN

    async def everywhere(self) -> None:
        """Look at every provider and every DNS account."""
        providers = [self._provider(name, cloud) for name, cloud in self.accounts.items()]
        await asyncio.gather(*providers, self._dns(CLOUDFLARE), self._dns(SANDBOX))
        for name in sorted({one.provider for one in self._before.servers.values()}):
            if name not in self.accounts:
                error = NotConfigured(
                    f"there is no token for {name}, and servers are there",
                    hint=f"livchat config provider {name}",
                )
                self._tell(name, error)

    async def _provider(self, name: str, cloud: Provider) -> None:
        if name == OWN or not await self._wanted(name, cloud):
            return
        things = await self._ask(name, cloud.things)
        if things is None:
            return
        if (wrong := tell.clock(name, cloud.ahead)) is not None:
            self.findings.append(wrong)
        after = self._known()
        for thing in things:
            self._add(tell.thing(thing, name, self.home, self._before, after))
        ours = [one for one in things if tell.is_ours(one, self.home)]
        for server in self._missing(name, ours, after):
            await self._lost(server, cloud, ours)
        counted = [
            f"{word}: {sum(o.kind == kind for o in ours)}" for kind, word in tell.KINDS.items()
        ]
        self.checked.append(Checked(name=name, detail=", ".join(counted)))

    def _missing(self, name: str, ours: Sequence[Thing], after: Known) -> Iterator[ServerRecord]:
        """Servers there that are lost, or whose machine is not among what is ours."""
        there = {one.id for one in ours if one.kind == "machine"}
        for server in after.servers.values():
            if server.provider != name or server.name in self._before.busy | after.busy:
                continue
            if server.machine_id not in there or server.status is tell.LOST:
                yield server

    async def _lost(self, server: ServerRecord, cloud: Provider, ours: Sequence[Thing]) -> None:
        machine_id, machine = server.machine_id, None
        if machine_id is not None and not any(one.id == machine_id for one in ours):

            async def look() -> tuple[Thing | None]:
                return (await cloud.thing("machine", machine_id),)

            answer = await self._ask(server.provider, look)
            if answer is None:
                return
            machine = answer[0]
        self.findings.append(tell.server(server, machine, ours))

    async def _dns(self, account: str) -> None:
        dns = await self._account(account)
        zones = await self._ask(account, dns.zones) if dns is not None else None
        if dns is None or zones is None:
            return
        gate = asyncio.Semaphore(AT_ONCE)

        async def marked(zone: Zone) -> list[tuple[Zone, Record]]:
            async with gate:
                return [(zone, record) for record in await dns.records(zone.id, owners=PREFIX)]

        async def everywhere() -> list[tuple[Zone, Record]]:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(marked(zone)) for zone in zones]
            except ExceptionGroup as several:
                raise several.exceptions[0] from several
            return [found for task in tasks for found in task.result()]

        found = await self._ask(account, everywhere)
        if found is None:
            return
        after = self._known()
        for zone, record in found:
            place = tell.ZonePlace(account, zone.id)
            self._add(tell.record(record, place, self.home, self._before, after))
        ours = sum((record.comment or "").startswith(self.home.comments) for _, record in found)
        detail = f"zones: {len(zones)}, records of ours: {ours}"
        self.checked.append(Checked(name=f"{account} DNS", detail=detail))

    async def _account(self, account: str) -> Dns | None:
        """The DNS account; None where there is none, or none that is to be started."""
        if account == SANDBOX and not await self._wanted(SANDBOX, self.accounts[SANDBOX]):
            return None
        try:
            return await self.credentials.dns(SANDBOX if account == SANDBOX else OWN)
        except NotConfigured as error:
            servers = self._before.servers.values()
            if any(one.zone_name is not None and one.provider != SANDBOX for one in servers):
                self._tell(account, error)
        except LivChatError as error:
            self._tell(account, error)
        return None

    async def _wanted(self, name: str, cloud: Provider) -> bool:
        """Whether it is to be asked: the sandbox is not started only for that."""
        servers = self._before.servers.values()
        return await cloud.there() or any(server.provider == name for server in servers)

    async def _ask(self, name: str, call: Callable[[], Awaitable[T]]) -> T | None:
        """The answer; None where there is none, which is a finding or told as unreachable."""
        try:
            async with asyncio.timeout_at(self._until):
                return await call()
        except TimeoutError:
            self._tell(name, TimedOut(f"{name} did not answer within {WITHIN:.0f} s"))
        except (Unauthorized, Forbidden) as refused:
            self.findings.append(tell.refused(name, refused))
        except LivChatError as failed:
            self._tell(name, failed)
        return None

    def _add(self, found: Found) -> None:
        if found is not None:
            finding, order = found
            self.findings.append(finding)
            self.orders[finding.id] = order

    def _tell(self, name: str, error: LivChatError) -> None:
        told = Unreachable(name=name, why=error.message, hint=error.hint)
        if told not in self.unreachable:
            self.unreachable.append(told)

    def _known(self) -> Known:
        return known(self.inventory, self.busy())
