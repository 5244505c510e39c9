"""One run of the daemon: it listens, resumes its jobs, and stops on a signal."""

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
from livchat.paths import Paths
from livchatd.api.listener import sockets
from livchatd.api.listener.slow_clients import ListeningSocket
from livchatd.api.listener.token_file import TokenFile
from livchatd.api.middleware.auth import LOOPBACK_NAMES, RESUMED
from livchatd.api.routes import application
from livchatd.storage.database import Database
from livchatd.wiring import build

log = logging.getLogger("livchatd")

DRAIN_SECONDS = 0.4
"""Seconds that open requests have when the daemon stops; aiohttp may wait twice as long."""
SWEEP_SECONDS = 60.0
"""Seconds between checks whether garbage can be collected while no job runs."""
SWEEPS_TO_UNFREEZE = 24 * 60
"""Sweeps after which objects that survived earlier ones are searched again."""
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class RedactingFormatter(logging.Formatter):
    """Takes every known secret out of log lines and tracebacks."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__(LOG_FORMAT)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the formatted record without secrets."""
        return self._redact(super().format(record))


class Daemon:
    """Takes the lock, opens table and sockets, runs the jobs; and stops in the opposite order."""

    def __init__(self, paths: Paths, options: argparse.Namespace) -> None:
        self._paths = paths
        self._options = options
        self._systemd_sockets = sockets.systemd_sockets(os.environ)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises `AlreadyRunning` if another daemon has the lock."""
        logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
        log.setLevel(self._options.log_level.upper())
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._paths.create()
        lock = sockets.Lock(self._paths.lock)
        try:
            database = Database(self._paths.table)
            try:
                await self._serve(lock, database, stop)
            finally:
                await database.close()
        finally:
            lock.release()

    async def _serve(self, lock: sockets.Lock, database: Database, stop: asyncio.Event) -> None:
        components = build(self._paths, database)
        for handler in logging.getLogger().handlers:
            handler.setFormatter(RedactingFormatter(components.vault.redact))
        token, hosts = self._tcp_access()
        app = application(
            components.operations, components.engine.responses, token=token, hosts=hosts
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_SECONDS)
        await runner.setup()
        unix = await self._listen(runner, lock)
        try:
            await components.start()
            app[RESUMED].set()
            sockets.notify("READY=1")
            log.info("livchatd %s listens at %s", __version__, self._paths.socket)
            sweeping = asyncio.create_task(_sweep(components.engine.counts))
            await stop.wait()
            sweeping.cancel()
        finally:
            sockets.notify("STOPPING=1")
            # The socket goes first: a new client finds no daemon rather than one that stops.
            unix.remove()
            await asyncio.gather(runner.cleanup(), components.stop(), return_exceptions=True)

    async def _listen(self, runner: web.AppRunner, lock: sockets.Lock) -> sockets.UnixListener:
        """Listen on the Unix socket, our own or systemd's, and on TCP if that was requested."""
        given = [each for each in self._systemd_sockets if each.family == socket.AF_UNIX]
        unix = sockets.UnixListener(given[0]) if given else sockets.unix(self._paths.socket)
        for each in (unix.socket, *given[1:]):
            await ListeningSocket(runner, each, backlog=sockets.BACKLOG).start()
        certificate, key = self._options.tls_cert, self._options.tls_key
        tls = sockets.tls_context(certificate, key) if certificate else None
        tcp = [each for each in self._systemd_sockets if each.family != socket.AF_UNIX]
        for each in tcp:
            sockets.check_systemd_socket(each, tls=tls is not None)
        if self._options.tcp:
            tcp.append(sockets.tcp(self._options.tcp, tls=tls is not None))
        for each in tcp:
            site = ListeningSocket(runner, each, ssl_context=tls, backlog=sockets.BACKLOG)
            await site.start()
        lock.write_holder(sockets.address_text(tcp[0]) if tcp else None)
        return unix

    def _tcp_access(self) -> tuple[Callable[[], str | None], frozenset[str]]:
        """Return what gives the token for TCP, and the host names by which it may be called."""
        over_tcp = any(each.family != socket.AF_UNIX for each in self._systemd_sockets)
        if not over_tcp and not self._options.tcp:
            return lambda: None, LOOPBACK_NAMES
        bound = {sockets.split_address(self._options.tcp)[0]} if self._options.tcp else set()
        names = {name.lower() for name in (*bound, *self._options.allow_host)}
        return TokenFile(self._paths.token), LOOPBACK_NAMES | names


async def _sweep(counts: Callable[[], dict[str, int]]) -> None:
    """Collect old garbage while no job runs; what survives is not searched the next time."""
    for number in itertools.count(1):
        await asyncio.sleep(SWEEP_SECONDS)
        if gc.get_count()[2] and not any(counts().values()):
            if number % SWEEPS_TO_UNFREEZE == 0:
                gc.unfreeze()
            gc.collect()
            gc.freeze()
