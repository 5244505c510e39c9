"""One scan of every provider and DNS account, compared with what is known before and after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from livchat.errors import Forbidden, LivChatError, NotConfigured, TimedOut, Unauthorized
from livchat.wire.doctor import Checked, Unreachable
from livchat.wire.servers import ServerStatus
from livchatd.credentials.credentials import Credentials
from livchatd.doctor import findings
from livchatd.doctor.findings import DoctorFinding, ZoneRef
from livchatd.installation import PREFIX, Installation
from livchatd.integrations.dns import Dns, Record, Zone
from livchatd.providers.base import Provider, Resource
from livchatd.providers.registry import ProviderRegistry
from livchatd.steps.orphans import CLOUDFLARE, SANDBOX, KnownState, known_state
from livchatd.steps.server.inventory_entry import OWN
from livchatd.storage.inventory import Inventory, ServerRecord

T = TypeVar("T")

SCAN_SECONDS = 40.0
"""Seconds that a scan may take: who has not answered by then is reported as unreachable."""
PARALLEL_ZONES = 6
"""Zones whose records are read at the same time."""


@dataclass
class Scan:
    """One scan, and what it has found so far. `busy` returns the servers with jobs at work."""

    installation: Installation
    inventory: Inventory
    registry: ProviderRegistry
    credentials: Credentials
    busy: Callable[[], Iterable[str]]
    findings: list[DoctorFinding] = field(default_factory=list)
    checked: list[Checked] = field(default_factory=list)
    unreachable: list[Unreachable] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._before = self._known()
        self._deadline = asyncio.get_running_loop().time() + SCAN_SECONDS

    async def run(self) -> None:
        """Scan every provider and every DNS account; an error of one becomes a finding."""
        providers = [self._scan_provider(name, each) for name, each in self.registry.items()]
        await asyncio.gather(*providers, self._scan_dns(CLOUDFLARE), self._scan_dns(SANDBOX))
        for name in sorted({server.provider for server in self._before.servers.values()}):
            if name not in self.registry:
                error = NotConfigured(
                    f"there is no token for {name}, and servers are there",
                    hint=f"livchat config provider {name}",
                )
                self._add_unreachable(name, error)

    async def _scan_provider(self, name: str, provider: Provider) -> None:
        if name == OWN or not await self._is_used(name, provider):
            return
        resources = await self._call(name, provider.list_resources)
        if resources is None:
            return
        self._add(findings.clock_finding(name, provider.clock_offset))
        after = self._known()
        for resource in resources:
            self._add(
                findings.resource_finding(resource, name, self.installation, self._before, after)
            )
        ours = [one for one in resources if findings.of_this_installation(one, self.installation)]
        for server in self._lost_servers(name, ours, after):
            await self._add_lost_server(server, provider, ours)
        counts = [
            f"{plural}: {sum(one.kind == kind for one in ours)}"
            for kind, plural in findings.RESOURCES.items()
        ]
        self.checked.append(Checked(name=name, detail=", ".join(counts)))

    def _lost_servers(
        self, provider: str, ours: Sequence[Resource], after: KnownState
    ) -> Iterator[ServerRecord]:
        """Yield the provider's servers that are lost, or whose machine is not among ours."""
        machines = {one.id for one in ours if one.kind == "machine"}
        busy = self._before.servers_with_active_jobs | after.servers_with_active_jobs
        for server in after.servers.values():
            if server.provider != provider or server.name in busy:
                continue
            if server.machine_id not in machines or server.status is ServerStatus.LOST:
                yield server

    async def _add_lost_server(
        self, server: ServerRecord, provider: Provider, ours: Sequence[Resource]
    ) -> None:
        machine_id, machine = server.machine_id, None
        if machine_id is not None and not any(one.id == machine_id for one in ours):

            async def find_machine() -> tuple[Resource | None]:
                return (await provider.resource("machine", machine_id),)

            found = await self._call(server.provider, find_machine)
            if found is None:
                return
            machine = found[0]
        self._add(findings.server_finding(server, machine, ours))

    async def _scan_dns(self, account: str) -> None:
        dns = await self._dns_account(account)
        zones = await self._call(account, dns.zones) if dns is not None else None
        if dns is None or zones is None:
            return
        limit = asyncio.Semaphore(PARALLEL_ZONES)

        async def marked_records(zone: Zone) -> list[tuple[Zone, Record]]:
            async with limit:
                records = await dns.records(zone.id, comment_prefix=PREFIX)
            return [(zone, record) for record in records]

        async def of_all_zones() -> list[tuple[Zone, Record]]:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(marked_records(zone)) for zone in zones]
            except ExceptionGroup as several:
                raise several.exceptions[0] from several
            return [found for task in tasks for found in task.result()]

        marked = await self._call(account, of_all_zones)
        if marked is None:
            return
        after = self._known()
        for zone, record in marked:
            ref = ZoneRef(account, zone.id)
            self._add(findings.record_finding(record, ref, self.installation, self._before, after))
        prefix = self.installation.comment_prefix
        ours = sum((record.comment or "").startswith(prefix) for _, record in marked)
        detail = f"zones: {len(zones)}, records of ours: {ours}"
        self.checked.append(Checked(name=f"{account} DNS", detail=detail))

    async def _dns_account(self, account: str) -> Dns | None:
        """Return a DNS account; None if there is none, or its sandbox does not run."""
        if account == SANDBOX and not await self._is_used(SANDBOX, self.registry[SANDBOX]):
            return None
        try:
            return await self.credentials.dns(SANDBOX if account == SANDBOX else OWN)
        except NotConfigured as error:
            servers = self._before.servers.values()
            if any(one.zone_name is not None and one.provider != SANDBOX for one in servers):
                self._add_unreachable(account, error)
        except LivChatError as error:
            self._add_unreachable(account, error)
        return None

    async def _is_used(self, name: str, provider: Provider) -> bool:
        """Return whether to scan a provider: a sandbox without servers is not started for it."""
        servers = self._before.servers.values()
        return await provider.is_running() or any(server.provider == name for server in servers)

    async def _call(self, name: str, call: Callable[[], Awaitable[T]]) -> T | None:
        """Return what a call returns; None if it failed, which is then a finding or unreachable."""
        try:
            async with asyncio.timeout_at(self._deadline):
                return await call()
        except TimeoutError:
            self._add_unreachable(
                name, TimedOut(f"{name} did not answer within {SCAN_SECONDS:.0f} s")
            )
        except (Unauthorized, Forbidden) as error:
            self._add(findings.credential_finding(name, error))
        except LivChatError as error:
            self._add_unreachable(name, error)
        return None

    def _add(self, finding: DoctorFinding | None) -> None:
        if finding is not None:
            self.findings.append(finding)

    def _add_unreachable(self, name: str, error: LivChatError) -> None:
        unreachable = Unreachable(name=name, why=error.message, hint=error.hint)
        if unreachable not in self.unreachable:
            self.unreachable.append(unreachable)

    def _known(self) -> KnownState:
        return known_state(self.inventory, self.busy())
