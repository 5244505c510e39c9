"""Steps without a job: what they work with over a real sandbox, and what they see of a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from livchat.wire.apps import AppStatus
from livchat.wire.servers import ServerStatus
from livchatd.installation import Installation
from livchatd.integrations.cloudflare import CloudflareDns
from livchatd.integrations.dns import Dns
from livchatd.jobs.step import Facts
from livchatd.providers.hetzner.provider import Hetzner, Project, fixed
from livchatd.providers.registry import ProviderEntry, ProviderRegistry
from livchatd.steps.server_dns import ServerDns
from livchatd.storage.database import Database, now
from livchatd.storage.inventory import AppRecord, Inventory, ServerRecord
from tests.contract.sandbox_process import SandboxProcess
from tests.integration.strangers import JOB

HERE = Installation("3f9a1c2b")
F = TypeVar("F", bound=Facts)


@dataclass
class LoneContext(Generic[F]):
    """What a step sees of its job, where there is none."""

    facts: F
    job_id: str = JOB
    root_job_id: str = JOB
    attempt: int = 1
    lines: list[str] = field(default_factory=list)

    async def save(self) -> None:
        """Nothing outlives a test."""

    async def note_created(self, thing: str) -> None:
        facts: Any = self.facts
        facts.made = [*facts.made, thing]

    def log(self, message: str, level: str = "info") -> None:
        self.lines.append(f"{level}: {message}")

    def progress(self, done: float, total: float, unit: str) -> None:
        """It is not shown."""

    async def poll(
        self, within: float, *, first: float = 0.5, most: float = 2.0
    ) -> AsyncIterator[float]:
        """A hundred looks without a pause."""
        for _ in range(100):
            yield 0.0


@dataclass(frozen=True)
class Parts:
    """What steps work with: Hetzner and Cloudflare of a sandbox, and an inventory."""

    registry: ProviderRegistry
    inventory: Inventory
    dns: ServerDns

    async def add_server(self, name: str, **more: Any) -> None:
        record = ServerRecord(
            name=name, provider="hetzner", status=ServerStatus.READY, created_at=now(), **more
        )
        await self.inventory.add_server(record)

    async def add_app(self, server: str, name: str = "n8n") -> None:
        record = AppRecord(
            app_name=name,
            instance=name,
            version="1",
            status=AppStatus.RUNNING,
            deployed_at=now(),
        )
        await self.inventory.put_app(server, record)


@asynccontextmanager
async def parts(process: SandboxProcess, folder: Path) -> AsyncIterator[Parts]:
    """The parts over a sandbox that has just been reset."""
    process.control("reset", "POST")
    process.wait_until_it_listens()
    database, address = Database(folder / "livchat.db"), process.address
    project = Project(address["hetzner"], SecretStr(address["token"]))
    cloud = Hetzner(fixed(project), poll=0.01)
    account = CloudflareDns(address["cloudflare"], SecretStr(address["cloudflare_token"]))

    async def dns(_: str) -> Dns:
        return account

    async def no_token(_: str) -> SecretStr | None:
        return None

    entries = {"hetzner": ProviderEntry(lambda _: cloud)}
    registry = ProviderRegistry(no_token, folder=folder, timeout=30, entries=entries)
    yield Parts(registry, Inventory(database), ServerDns(dns, HERE))
    await registry.close()
    await account.close()
    await database.close()
