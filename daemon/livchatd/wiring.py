"""The parts of the daemon: how they are put together, begun and closed."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from livchat import __version__
from livchat.errors import LivChatError
from livchat.paths import Places
from livchatd.access import Endpoints, portainer_socket
from livchatd.catalog.catalog import Catalog
from livchatd.credentials.certificates import Certificates
from livchatd.credentials.credentials import Credentials, provider_key
from livchatd.doctor.doctor import Doctor
from livchatd.doctor.local_checks import Health
from livchatd.installation import find_home
from livchatd.integrations.cloudflare import CloudflareDns
from livchatd.integrations.dns_resolver import NameLookup, name_server
from livchatd.integrations.portainer import PortainerApi
from livchatd.integrations.ssh.shells import SshShells
from livchatd.jobs.engine import Engine
from livchatd.jobs.retry import OUTAGE
from livchatd.operations.add_server import Adding
from livchatd.operations.exec import Commands
from livchatd.operations.orchestrator import Orchestrator
from livchatd.operations.secrets import Secrets
from livchatd.planning.resolve import Choices
from livchatd.providers.hetzner.provider import ENDPOINT, Hetzner
from livchatd.providers.own import Own
from livchatd.providers.registry import Accounts
from livchatd.providers.sandbox import Sandbox
from livchatd.providers.sandbox_launcher import runs, start_sandbox
from livchatd.settings import read_settings
from livchatd.steps.apps.http_probe import probe
from livchatd.steps.deps import Tools
from livchatd.steps.setup.base_stacks import portainer_password
from livchatd.storage.audit_log import Audit
from livchatd.storage.database import Database
from livchatd.storage.inventory import Inventory
from livchatd.storage.vault import Vault
from livchatd.workflows.registry import workflows

log = logging.getLogger("livchatd")

SANDBOX_SCALE = 0.1
"""The sandbox's own default scale (DESIGN.md section 6)."""
PATIENCE = 1.0
"""Seconds that running steps have to notice that they are interrupted."""
CLOSING = 0.4
"""Seconds that connections to others have to close."""


@dataclass(frozen=True)
class Parts:
    """What the daemon is made of, in the order in which it is closed."""

    engine: Engine
    shells: SshShells
    portainers: Portainers
    credentials: Credentials
    accounts: Accounts
    vault: Vault
    orchestrator: Orchestrator

    async def begin(self) -> None:
        """Open the vault, then take up the jobs that had not ended."""
        try:
            await self.vault.load()
            await self.accounts.load()
        except LivChatError as error:
            # Jobs that need a secret say the same; the others go on.
            log.error("%s", error)  # noqa: TRY400 - it is not a bug
        await self.engine.start()
        self.orchestrator.audit.forget_old()

    async def stop(self) -> None:
        """Stop the work, which goes on at the next start, then close every connection."""
        self.shells.detach()
        await self.engine.stop(PATIENCE)
        self.orchestrator.audit.flush()
        closing = [
            asyncio.ensure_future(part.close())
            for part in (self.portainers, self.shells, self.credentials, self.accounts)
        ]
        _, late = await asyncio.wait(closing, timeout=CLOSING)
        for task in late:
            task.cancel()


class Portainers:
    """The Portainer of each server, made once."""

    def __init__(self, shells: SshShells, vault: Vault, timeout: float) -> None:
        self._shells = shells
        self._vault = vault
        self._timeout = timeout
        self._made: dict[str, PortainerApi] = {}

    def of(self, server: str) -> PortainerApi:
        """The Portainer of a server; it connects when it is first asked."""
        if server not in self._made:
            way = PortainerWay(self._shells, self._vault, server)
            self._made[server] = PortainerApi(way.connect, way.password, timeout=self._timeout)
        return self._made[server]

    async def close(self) -> None:
        """Close all."""
        for portainer in self._made.values():
            await portainer.close()


class PortainerWay:
    """The way to one Portainer: its socket, and its password as the vault had it then."""

    def __init__(self, shells: SshShells, vault: Vault, server: str) -> None:
        self._shells = shells
        self._vault = vault
        self._server = server
        self._password = SecretStr("")

    async def connect(self) -> Path:
        """A Unix socket that comes out at Portainer."""
        self._password = await self._vault.require(portainer_password(self._server))
        return await portainer_socket(self._shells, self._server)

    def password(self) -> SecretStr:
        """Its password, once connected."""
        return self._password


def assemble(here: Places, database: Database) -> Parts:
    """Put the parts together. Nothing is connected, nothing heavy is imported."""
    settings = read_settings(here.settings)
    vault, inventory = Vault(here.vault, here.vault_key), Inventory(database)
    catalog, home = Catalog.load(here.catalog), find_home(database, here.home)
    timeout = settings.call_timeout
    start, there = partial(start_sandbox, here.sandbox), partial(runs, here.sandbox)
    accounts = Accounts(
        {"sandbox": Sandbox(start, there, timeout=timeout), "own": Own()},
        {"hetzner": partial(_hetzner, timeout)},
        lambda name: vault.get(provider_key(name)),
    )
    credentials = Credentials(vault, accounts, partial(_dns, timeout), here.config)
    certificates = Certificates(vault, credentials)
    endpoints = Endpoints(inventory, vault, accounts)
    shells = SshShells(endpoints.of, timeout=timeout)
    portainers = Portainers(shells, vault, timeout)
    tools = Tools(
        providers=accounts, inventory=inventory, vault=vault, catalog=catalog, shells=shells,
        dns=credentials.dns, portainer=portainers.of, probe=probe,
        lookup=_lookup(), home=home, pace=min(1.0, _scale(1.0)),
    )  # fmt: skip
    # The engine is made of the workflows, one of which asks it which servers are busy.
    made = workflows(tools, lambda: engine.live_jobs())
    engine = Engine(
        database, made, redact=vault.redact, version=__version__,
        backoff=settings.patience / OUTAGE,
    )  # fmt: skip
    by_name = {workflow.name: workflow for workflow in made}
    choices = Choices(
        inventory,
        catalog,
        accounts,
        credentials,
        certificates,
        settings,
        sandbox_pace=_scale(SANDBOX_SCALE),
    )
    orchestrator = Orchestrator(
        engine=engine, workflows=by_name, inventory=inventory, catalog=catalog, choices=choices,
        credentials=credentials, certificates=certificates, secrets=Secrets(vault),
        commands=Commands(shells, vault.redact),
        adding=Adding(vault), endpoints=endpoints,
        audit=Audit(database),
        doctor=Doctor(
            home, inventory, accounts, credentials, engine, database,
            Health(here, database, vault),
        ),
    )  # fmt: skip
    return Parts(engine, shells, portainers, credentials, accounts, vault, orchestrator)


def _hetzner(timeout: float, token: SecretStr) -> Hetzner:
    """Hetzner with this token, where HCLOUD_ENDPOINT says, as for Hetzner's own command line."""
    endpoint = os.environ.get("HCLOUD_ENDPOINT")
    where = endpoint.rstrip("/") if endpoint else ENDPOINT
    return Hetzner(token, where, timeout=timeout)


def _dns(
    timeout: float,
    base_url: str | None,
    api_token: SecretStr | None,
    email: str | None = None,
    api_key: SecretStr | None = None,
) -> CloudflareDns:
    """Cloudflare with these credentials, where CLOUDFLARE_BASE_URL says if nobody else does."""
    where = base_url or os.environ.get("CLOUDFLARE_BASE_URL") or None
    return CloudflareDns(where, api_token, email, api_key, timeout=timeout)


def _lookup() -> NameLookup:
    """Asks the name servers of LIVCHAT_NAMESERVERS, where a network has its own, or a zone's."""
    told = os.environ.get("LIVCHAT_NAMESERVERS", "")
    return NameLookup([name_server(one) for one in told.split(",") if one.strip()])


def _scale(default: float) -> float:
    """What the sandbox's durations are multiplied by; polling pauses follow them."""
    try:
        return max(0.0, float(os.environ["LIVCHAT_SANDBOX_TIME_SCALE"]))
    except (KeyError, ValueError):
        return default
