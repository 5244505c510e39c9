"""The components of the daemon: how they are built, started and stopped."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import SecretStr

from livchat import __version__
from livchat.errors import LivChatError
from livchat.paths import Paths
from livchatd.access import Portainers, SshEndpoints
from livchatd.catalog.catalog import Catalog
from livchatd.credentials.app_secrets import AppSecrets
from livchatd.credentials.certificates import Certificates
from livchatd.credentials.credentials import Credentials
from livchatd.doctor.doctor import Doctor
from livchatd.doctor.local_checks import LocalChecks
from livchatd.installation import load_installation
from livchatd.integrations.cloudflare import CloudflareDns
from livchatd.integrations.dns_resolver import UdpDnsResolver, parse_name_server
from livchatd.integrations.ssh.shells import SshShells
from livchatd.jobs.engine import Engine
from livchatd.jobs.retry import DEFAULT_RETRY_SECONDS
from livchatd.jobs.step import Workflow
from livchatd.operations.apps import AppOperations
from livchatd.operations.config import ConfigOperations
from livchatd.operations.doctor import DoctorOperations
from livchatd.operations.exec import ExecOperations, UserCommands
from livchatd.operations.jobs import JobOperations
from livchatd.operations.operations import Operations
from livchatd.operations.providers import ProviderOperations
from livchatd.operations.secrets import SecretOperations
from livchatd.operations.servers import ServerOperations
from livchatd.operations.system import SystemOperations
from livchatd.operations.up import UpOperations
from livchatd.planning.plan import Planner
from livchatd.planning.resolve import UpResolver
from livchatd.providers.registry import ProviderRegistry
from livchatd.settings import read_settings
from livchatd.steps.deps import AppDeps, ServerDeps
from livchatd.steps.server_dns import ServerDns
from livchatd.storage.audit_log import AuditLog
from livchatd.storage.database import Database
from livchatd.storage.inventory import Inventory
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import provider_token
from livchatd.workflows.registry import workflows

log = logging.getLogger("livchatd")

SANDBOX_TIME_SCALE = 0.1
"""What real durations are multiplied by in the sandbox, if LIVCHAT_SANDBOX_TIME_SCALE is not set.

It is the sandbox's own default: both processes read the same variable.
"""
STOP_SECONDS = 1.0
"""Seconds that running steps have to stop when the daemon does."""
CLOSE_SECONDS = 0.4
"""Seconds that connections to remote systems have to close."""


@dataclass(frozen=True)
class Components:
    """What the daemon is made of."""

    engine: Engine
    workflows: Mapping[str, Workflow[Any, Any]]
    shells: SshShells
    portainers: Portainers
    credentials: Credentials
    registry: ProviderRegistry
    vault: Vault
    audit_log: AuditLog
    operations: Operations

    async def start(self) -> None:
        """Open the vault, then resume the jobs that had not ended."""
        try:
            await self.vault.load()
            await self.registry.load()
        except LivChatError as error:
            # Jobs that need a secret fail with the same error; the others go on.
            log.error("%s", error)  # noqa: TRY400 - it is not a bug
        await self.engine.start()
        self.audit_log.delete_expired()

    async def stop(self) -> None:
        """Stop the jobs, which are resumed at the next start, then close every connection."""
        self.shells.detach()
        await self.engine.stop(STOP_SECONDS)
        self.audit_log.flush()
        closing = [
            asyncio.ensure_future(component.close())
            for component in (self.portainers, self.shells, self.credentials, self.registry)
        ]
        _, late = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()


@dataclass(frozen=True)
class _Remote:
    """How remote systems and secrets are reached: what steps and operations share."""

    vault: Vault
    registry: ProviderRegistry
    credentials: Credentials
    endpoints: SshEndpoints
    shells: SshShells
    portainers: Portainers


def build(paths: Paths, database: Database) -> Components:
    """Build the components. Nothing connects yet, and no library is imported that may be spared.

    Raises `InvalidRequest` for settings that cannot be used.
    """
    settings = read_settings(paths.settings)
    inventory, catalog = Inventory(database), Catalog.load(paths.catalog)
    installation = load_installation(database, paths.installation)
    remote = _build_remote(paths, inventory, settings.call_timeout, settings.default_provider)
    dns = ServerDns(remote.credentials.dns, installation)
    server_deps = ServerDeps(
        inventory=inventory, vault=remote.vault, providers=remote.registry, shells=remote.shells,
        dns=dns, installation=installation,
    )  # fmt: skip
    app_deps = AppDeps(
        inventory=inventory, vault=remote.vault, providers=remote.registry, shells=remote.shells,
        catalog=catalog, portainers=remote.portainers.on, dns=dns, resolver=_dns_resolver(),
    )  # fmt: skip
    # One of the workflows asks the engine, which is made of them, for the servers that are busy.
    all_workflows = workflows(server_deps, app_deps, lambda: engine.active_jobs())
    engine = Engine(
        database, all_workflows, redact=remote.vault.redact, version=__version__,
        tempo=settings.patience / DEFAULT_RETRY_SECONDS,
        poll_pace=min(1.0, _time_scale(1.0)),
        duration_scales={"sandbox": _time_scale(SANDBOX_TIME_SCALE)},
    )  # fmt: skip
    by_name = {workflow.name: workflow for workflow in all_workflows}
    certificates = Certificates(remote.vault, remote.credentials)
    app_secrets, audit_log = AppSecrets(remote.vault), AuditLog(database)
    planner = Planner(by_name, engine.durations)
    servers = ServerOperations(
        engine, inventory, remote.vault, remote.registry, remote.credentials, certificates,
        remote.endpoints, planner,
    )  # fmt: skip
    resolver = UpResolver(
        inventory, catalog, remote.registry, remote.credentials, certificates, app_secrets,
        settings,
    )  # fmt: skip
    doctor = Doctor(
        installation, inventory, remote.registry, remote.credentials, engine, database,
        LocalChecks(paths, database, remote.vault),
    )  # fmt: skip
    operations = Operations(
        servers=servers,
        apps=AppOperations(engine, inventory, catalog, app_secrets, servers),
        up=UpOperations(engine, inventory, app_secrets, resolver, planner, servers),
        exec=ExecOperations(servers, engine, UserCommands(remote.shells, remote.vault.redact)),
        jobs=JobOperations(engine),
        doctor=DoctorOperations(doctor, engine),
        providers=ProviderOperations(remote.registry),
        secrets=SecretOperations(remote.vault),
        config=ConfigOperations(remote.vault, remote.registry, remote.credentials, paths.config),
        system=SystemOperations(engine),
        audit_log=audit_log,
    )
    return Components(
        engine, by_name, remote.shells, remote.portainers, remote.credentials, remote.registry,
        remote.vault, audit_log, operations,
    )  # fmt: skip


def _build_remote(
    paths: Paths, inventory: Inventory, timeout: float, default_provider: str | None
) -> _Remote:
    vault = Vault(paths.vault, paths.vault_key)

    async def token(provider: str) -> SecretStr | None:
        return await vault.get(provider_token(provider))

    registry = ProviderRegistry(
        token, folder=paths.state, timeout=timeout, default=default_provider
    )
    credentials = Credentials(vault, registry, partial(_cloudflare, timeout))
    endpoints = SshEndpoints(inventory, vault, registry)
    shells = SshShells(endpoints.endpoint, timeout=timeout)
    portainers = Portainers(shells, vault, timeout)
    return _Remote(vault, registry, credentials, endpoints, shells, portainers)


def _cloudflare(
    timeout: float,
    base_url: str | None,
    api_token: SecretStr | None,
    email: str | None = None,
    api_key: SecretStr | None = None,
) -> CloudflareDns:
    """Return Cloudflare with these credentials, by default at CLOUDFLARE_BASE_URL if it is set."""
    url = base_url or os.environ.get("CLOUDFLARE_BASE_URL") or None
    return CloudflareDns(url, api_token, email, api_key, timeout=timeout)


def _dns_resolver() -> UdpDnsResolver:
    """Return a resolver that asks LIVCHAT_NAMESERVERS, if it is set, in place of a zone's own."""
    addresses = os.environ.get("LIVCHAT_NAMESERVERS", "").split(",")
    return UdpDnsResolver([parse_name_server(one) for one in addresses if one.strip()])


def _time_scale(default: float) -> float:
    """Return what the sandbox's durations and the steps' pauses are multiplied by."""
    try:
        return max(0.0, float(os.environ["LIVCHAT_SANDBOX_TIME_SCALE"]))
    except (KeyError, ValueError):
        return default
