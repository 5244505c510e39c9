"""The sandbox as a process of its own: `python -m livchat_sandbox --folder DIR`.

It writes DIR/sandbox.json once it listens, outlives the process that started it, and ends by
SIGTERM, by `POST /control/stop`, or when its folder disappears.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from livchat_sandbox.clock import Clock
from livchat_sandbox.cloud.world import World
from livchat_sandbox.cloudflare.app import Cloudflare
from livchat_sandbox.control_api import ControlApi
from livchat_sandbox.dns_server.server import NameServer
from livchat_sandbox.hetzner.app import Hetzner
from livchat_sandbox.net.dead_ports import DeadPorts
from livchat_sandbox.net.listeners import LOOPBACK, Listeners
from livchat_sandbox.storage.folder import Folder, FolderInUse
from livchat_sandbox.web_front import WebFront

FRONT_PORT = 8480
FOLDER_CHECK_SECONDS = 5.0
"""Seconds between looks whether the folder is still there."""


class Sandbox:
    """All that listens, over one world in one folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = Folder(folder)
        self._clock = clock
        self._listeners = Listeners()
        self._stop_requested = asyncio.Event()
        self._world: World | None = None
        self._name_server: NameServer | None = None
        self._dead_ports = DeadPorts()
        self.address: dict[str, Any] = {}

    async def start(self) -> None:
        """Claim the folder, listen, and write where; raise `FolderInUse` if a sandbox has it."""
        self._folder.claim()
        world = self._world = World(self._folder, self._clock)
        ports = world.state.ports
        await self._dead_ports.open()
        control = ControlApi(world, self._dead_ports, self.request_stop, self._write_address)
        for name, app, first_port in (
            ("hetzner", Hetzner(world).app(), 0),
            ("cloudflare", Cloudflare(world).app(), 0),
            ("front", WebFront(world).app(), FRONT_PORT),
            ("control", control.app(), 0),
        ):
            ports[name] = await self._listeners.serve(app, ports.get(name, first_port))
        self._name_server = NameServer(world)
        ports["dns"] = await self._name_server.serve(ports.get("dns", 0))
        world.start()
        await self._write_address()

    def request_stop(self) -> None:
        """Let `run` return."""
        self._stop_requested.set()

    async def run(self) -> None:
        """Wait until a stop is requested, or the folder is gone."""
        while self._folder.is_ours():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_requested.wait(), FOLDER_CHECK_SECONDS)
                return

    async def stop(self) -> None:
        """Stop listening, save the world, release the folder."""
        await self._listeners.close()
        if self._name_server is not None:
            await self._name_server.close()
        if self._world is not None:
            await self._world.stop()
        self._dead_ports.close()
        self._folder.release()

    async def _write_address(self) -> None:
        if self._world is None:
            return
        state = self._world.state
        self.address = {
            "pid": os.getpid(),
            "token": state.token,
            "hetzner": f"http://127.0.0.1:{state.ports['hetzner']}/v1",
            "cloudflare": f"http://127.0.0.1:{state.ports['cloudflare']}/client/v4",
            "cloudflare_token": state.cloudflare_token,
            "dns": f"{LOOPBACK}:{state.ports['dns']}",
            "control": f"http://127.0.0.1:{state.ports['control']}",
            "front_port": state.ports["front"],
            "world": state.world,
        }
        await asyncio.to_thread(self._folder.write_address, self.address)


async def serve(folder: Path, clock: Clock) -> None:
    """Run a sandbox until a signal or a call stops it; return at once if one has the folder."""
    sandbox = Sandbox(folder, clock)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, sandbox.request_stop)
    try:
        await sandbox.start()
        await sandbox.run()
    except FolderInUse:
        return
    finally:
        await sandbox.stop()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m livchat_sandbox", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where its world is kept")
    folder: Path = parser.parse_args().folder
    try:
        clock = Clock.from_environment()
    except ValueError as error:
        parser.error(f"LIVCHAT_SANDBOX_TIME_SCALE: {error}")
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    # The terminal that it was started from may close: the sandbox stays.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _raise_open_files_limit()
    asyncio.run(serve(folder, clock))


def _raise_open_files_limit() -> None:
    """Allow as many open files as possible: each machine needs a listener and a connection."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
