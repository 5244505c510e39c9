"""The daemon's entry point: puts the parts together, listens, and stops when told to."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Never

from aiohttp import web
from pydantic import SecretStr

from livchat import __version__
from livchat.errors import LivChatError
from livchat.paths import Places, places
from livchatd.api import listen
from livchatd.api.guard import LOOPBACK_NAMES
from livchatd.api.http import READY
from livchatd.api.routes import application
from livchatd.catalog.catalog import Catalog
from livchatd.database import Database
from livchatd.integrations.cloudflare import CloudflareDns
from livchatd.integrations.portainer import PortainerApi
from livchatd.integrations.ssh import SshShells
from livchatd.inventory import Inventory
from livchatd.jobs.engine import Engine
from livchatd.orchestrator import Orchestrator
from livchatd.providers.accounts import Accounts
from livchatd.providers.hetzner import Hetzner
from livchatd.providers.own import Own
from livchatd.providers.sandbox import Sandbox
from livchatd.providers.sandbox_start import start_sandbox
from livchatd.settings import read_settings
from livchatd.steps.infrastructure import portainer_password
from livchatd.steps.site import probe
from livchatd.steps.tools import Tools
from livchatd.vault import Vault
from livchatd.workflows.all import workflows
from livchatd.workflows.choices import Choices
from livchatd.workflows.credentials import Credentials, provider_key
from livchatd.workflows.reaching import Endpoints, portainer_socket

log = logging.getLogger("livchatd")

SANDBOX_SCALE = 0.1
"""The sandbox's own default scale (DESIGN.md section 6)."""
DRAIN = 0.4
"""Seconds that requests under way have when the daemon stops; aiohttp may wait twice as long."""
PATIENCE = 1.0
"""Seconds that running steps have to notice that they are interrupted."""
CLOSING = 0.4
"""Seconds that connections to others have to close."""
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LEVELS = ("debug", "info", "warning", "error")


def main() -> Never:
    """Run the daemon until SIGTERM or SIGINT. A second one of an installation ends with 0."""
    options = _options(sys.argv[1:])
    logging.basicConfig(level=logging.WARNING, format=LINE)
    log.setLevel(options.log_level.upper())
    try:
        # Not asyncio.run: it waits for every thread, and one may wait for a remote system.
        asyncio.new_event_loop().run_until_complete(Daemon(places(), options).run())
        status = 0
    except listen.AlreadyRunning as told:
        sys.stderr.write(f"{told}\n")
        status = 0
    except LivChatError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"error: {error}{hint}\n")
        status = error.exit_code
    logging.shutdown()
    sys.stderr.flush()
    # A thread that still waits for a remote system must not keep the process: all is on disk.
    os._exit(status)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="livchatd", description="The daemon of LivChat Setup.")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="listen there too; a token is needed")
    parser.add_argument("--tls-cert", metavar="FILE", type=Path, help="certificate chain for --tcp")
    parser.add_argument("--tls-key", metavar="FILE", type=Path, help="its private key")
    parser.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[],
        help="a name by which clients may call the daemon over TCP",
    )  # fmt: skip
    parser.add_argument("--log-level", choices=LEVELS, default="info")
    parser.add_argument("--version", action="version", version=f"livchatd {__version__}")
    options = parser.parse_args(arguments)
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("--tls-cert and --tls-key go together")
    return options


class Redacting(logging.Formatter):
    """Takes every known secret out of what is logged, out of tracebacks too."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__(LINE)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the lines, without secrets."""
        return self._redact(super().format(record))


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

    async def stop(self) -> None:
        """Stop the work, which goes on at the next start, then close every connection."""
        self.shells.detach()
        await self.engine.stop(PATIENCE)
        closing = [
            asyncio.ensure_future(part.close())
            for part in (self.portainers, self.shells, self.credentials, self.accounts)
        ]
        _, late = await asyncio.wait(closing, timeout=CLOSING)
        for task in late:
            task.cancel()


class Portainers:
    """The Portainer of each server, made once."""

    def __init__(self, shells: SshShells, vault: Vault) -> None:
        self._shells = shells
        self._vault = vault
        self._made: dict[str, PortainerApi] = {}

    def of(self, server: str) -> PortainerApi:
        """The Portainer of a server; it connects when it is first asked."""
        if server not in self._made:
            way = PortainerWay(self._shells, self._vault, server)
            self._made[server] = PortainerApi(way.connect, way.password)
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
    catalog = Catalog.load()
    accounts = Accounts(
        {"sandbox": Sandbox(partial(start_sandbox, here.sandbox)), "own": Own()},
        {"hetzner": _hetzner},
        lambda name: vault.get(provider_key(name)),
    )
    credentials = Credentials(vault, accounts, CloudflareDns, here.config)
    shells = SshShells(Endpoints(inventory, vault, accounts).of)
    portainers = Portainers(shells, vault)
    tools = Tools(
        providers=accounts, inventory=inventory, vault=vault, catalog=catalog, shells=shells,
        dns=credentials.dns, portainer=portainers.of, probe=probe, pace=min(1.0, _scale(1.0)),
    )  # fmt: skip
    made = workflows(tools)
    engine = Engine(database, made, redact=vault.redact, version=__version__)
    by_name = {workflow.name: workflow for workflow in made}
    choices = Choices(
        inventory, catalog, accounts, credentials, settings, sandbox_pace=_scale(SANDBOX_SCALE)
    )
    orchestrator = Orchestrator(engine, by_name, inventory, catalog, choices, credentials)
    return Parts(engine, shells, portainers, credentials, accounts, vault, orchestrator)


def _hetzner(token: SecretStr) -> Hetzner:
    """Hetzner with this token, where HCLOUD_ENDPOINT says, as for Hetzner's own command line."""
    endpoint = os.environ.get("HCLOUD_ENDPOINT")
    return Hetzner(token, endpoint.rstrip("/")) if endpoint else Hetzner(token)


def _scale(default: float) -> float:
    """What the sandbox's durations are multiplied by; polling pauses follow them."""
    try:
        return max(0.0, float(os.environ["LIVCHAT_SANDBOX_TIME_SCALE"]))
    except (KeyError, ValueError):
        return default


class Daemon:
    """One run of the daemon: lock, table, sockets, then the jobs; and back."""

    def __init__(self, here: Places, options: argparse.Namespace) -> None:
        self._places = here
        self._options = options
        self._passed = listen.passed(os.environ)

    async def run(self) -> None:
        """Run until told to stop. `AlreadyRunning` if another daemon has the lock."""
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        self._places.create()
        lock = listen.Lock(self._places.lock)
        try:
            database = Database(self._places.table)
            try:
                await self._serve(lock, database, told)
            finally:
                await database.close()
        finally:
            lock.release()

    async def _serve(self, lock: listen.Lock, database: Database, told: asyncio.Event) -> None:
        parts = assemble(self._places, database)
        for sink in logging.getLogger().handlers:
            sink.setFormatter(Redacting(parts.vault.redact))
        token, hosts = self._guards()
        app = application(parts.orchestrator, token=token, hosts=hosts)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN)
        await runner.setup()
        unix = await self._listen(runner, lock)
        try:
            await parts.begin()
            app[READY].set()
            listen.notify("READY=1")
            log.info("livchatd %s listens at %s", __version__, self._places.socket)
            await told.wait()
        finally:
            listen.notify("STOPPING=1")
            # The socket goes first: who comes now finds no daemon rather than a dying one.
            unix.remove()
            await asyncio.gather(runner.cleanup(), parts.stop(), return_exceptions=True)

    async def _listen(self, runner: web.AppRunner, lock: listen.Lock) -> listen.UnixListener:
        """Answer on the Unix socket, ours or systemd's, and on TCP where it was asked for."""
        given = [found for found in self._passed if found.family == socket.AF_UNIX]
        unix = listen.UnixListener(given[0]) if given else listen.unix(self._places.socket)
        for each in (unix.socket, *given[1:]):
            await web.SockSite(runner, each, backlog=listen.BACKLOG).start()
        certificate, key = self._options.tls_cert, self._options.tls_key
        tls = listen.tls_context(certificate, key) if certificate else None
        tcp = [found for found in self._passed if found.family != socket.AF_UNIX]
        for each in tcp:
            listen.check_passed(each, tls=tls is not None)
        if self._options.tcp:
            tcp.append(listen.tcp(self._options.tcp, tls=tls is not None))
        for each in tcp:
            await web.SockSite(runner, each, ssl_context=tls, backlog=listen.BACKLOG).start()
        lock.tell(listen.told(tcp[0]) if tcp else None)
        return unix

    def _guards(self) -> tuple[str | None, frozenset[str]]:
        """The token for TCP, if anything listens there, and the names it may be called by."""
        over_tcp = any(found.family != socket.AF_UNIX for found in self._passed)
        if not over_tcp and not self._options.tcp:
            return None, LOOPBACK_NAMES
        bound = {listen.split(self._options.tcp)[0]} if self._options.tcp else set()
        names = {name.lower() for name in (*bound, *self._options.allow_host)}
        return listen.token(self._places.token), LOOPBACK_NAMES | names
