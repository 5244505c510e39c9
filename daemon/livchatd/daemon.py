"""One run of the daemon: it listens, takes up its jobs, and stops when told to."""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import logging
import os
import signal
import socket
from collections.abc import Callable

from aiohttp import web

from livchat import __version__
from livchat.paths import Places
from livchatd.api.listener import sockets
from livchatd.api.listener.slow_clients import Site
from livchatd.api.listener.token_file import TokenFile
from livchatd.api.middleware.auth import LOOPBACK_NAMES
from livchatd.api.middleware.errors import READY
from livchatd.api.routes import application
from livchatd.storage.database import Database
from livchatd.wiring import assemble

log = logging.getLogger("livchatd")

DRAIN = 0.4
"""Seconds that requests under way have when the daemon stops; aiohttp may wait twice as long."""
SWEEP = 60.0
"""Seconds between looks whether garbage can be collected without anybody noticing."""
AFRESH = 24 * 60
"""Sweeps after which what has survived is looked through once more."""
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Redacting(logging.Formatter):
    """Takes every known secret out of what is logged, out of tracebacks too."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__(LINE)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the lines, without secrets."""
        return self._redact(super().format(record))


class Daemon:
    """Lock, table, sockets, then the jobs; and back."""

    def __init__(self, here: Places, options: argparse.Namespace) -> None:
        self._places = here
        self._options = options
        self._passed = sockets.passed(os.environ)

    async def run(self) -> None:
        """Run until told to stop. `AlreadyRunning` if another daemon has the lock."""
        logging.basicConfig(level=logging.WARNING, format=LINE)
        log.setLevel(self._options.log_level.upper())
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        self._places.create()
        lock = sockets.Lock(self._places.lock)
        try:
            database = Database(self._places.table)
            try:
                await self._serve(lock, database, told)
            finally:
                await database.close()
        finally:
            lock.release()

    async def _serve(self, lock: sockets.Lock, database: Database, told: asyncio.Event) -> None:
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
            sockets.notify("READY=1")
            log.info("livchatd %s listens at %s", __version__, self._places.socket)
            sweeping = asyncio.create_task(_sweep(parts.engine.counts))
            await told.wait()
            sweeping.cancel()
        finally:
            sockets.notify("STOPPING=1")
            # The socket goes first: who comes now finds no daemon rather than a dying one.
            unix.remove()
            await asyncio.gather(runner.cleanup(), parts.stop(), return_exceptions=True)

    async def _listen(self, runner: web.AppRunner, lock: sockets.Lock) -> sockets.UnixListener:
        """Answer on the Unix socket, ours or systemd's, and on TCP where it was asked for."""
        given = [found for found in self._passed if found.family == socket.AF_UNIX]
        unix = sockets.UnixListener(given[0]) if given else sockets.unix(self._places.socket)
        for each in (unix.socket, *given[1:]):
            await Site(runner, each, backlog=sockets.BACKLOG).start()
        certificate, key = self._options.tls_cert, self._options.tls_key
        tls = sockets.tls_context(certificate, key) if certificate else None
        tcp = [found for found in self._passed if found.family != socket.AF_UNIX]
        for each in tcp:
            sockets.check_passed(each, tls=tls is not None)
        if self._options.tcp:
            tcp.append(sockets.tcp(self._options.tcp, tls=tls is not None))
        for each in tcp:
            await Site(runner, each, ssl_context=tls, backlog=sockets.BACKLOG).start()
        lock.tell(sockets.told(tcp[0]) if tcp else None)
        return unix

    def _guards(self) -> tuple[Callable[[], str | None], frozenset[str]]:
        """The token for TCP, if anything listens there, and the names it may be called by."""
        over_tcp = any(found.family != socket.AF_UNIX for found in self._passed)
        if not over_tcp and not self._options.tcp:
            return lambda: None, LOOPBACK_NAMES
        bound = {sockets.split(self._options.tcp)[0]} if self._options.tcp else set()
        names = {name.lower() for name in (*bound, *self._options.allow_host)}
        return TokenFile(self._places.token), LOOPBACK_NAMES | names


async def _sweep(counts: Callable[[], dict[str, int]]) -> None:
    """Collect old garbage when no job runs. What survives is not looked through the next time."""
    for number in itertools.count(1):
        await asyncio.sleep(SWEEP)
        if gc.get_count()[2] and not any(counts().values()):
            if number % AFRESH == 0:
                gc.unfreeze()
            gc.collect()
            gc.freeze()
