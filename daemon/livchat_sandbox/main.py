"""The sandbox as a process of its own: `python -m livchat_sandbox --folder DIR`.

It writes DIR/sandbox.json once it listens, goes on whoever started it dies, and ends by SIGTERM,
by `POST /control/stop`, or when its folder disappears.
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
from livchat_sandbox.control_api import Control, Places
from livchat_sandbox.dns_server import NameServer
from livchat_sandbox.hetzner.app import Hetzner
from livchat_sandbox.net.dead_ports import Doors
from livchat_sandbox.net.listeners import LOOPBACK, Listeners
from livchat_sandbox.net.web_front import Front
from livchat_sandbox.storage.folder import Folder, InUse

FRONT_PORT = 8480
# Seconds between looks whether the folder is still there.
LOOK = 5.0


class Sandbox:
    """Everything that listens, over one world in one folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = Folder(folder)
        self._clock = clock
        self._places = Places()
        self._listeners = Listeners()
        self._ended = asyncio.Event()
        self._world: World | None = None
        self._names: NameServer | None = None
        self._doors = Doors()
        self.address: dict[str, Any] = {}

    async def start(self) -> None:
        """Claim the folder, listen, and tell where; `InUse` if a sandbox is alive in it."""
        self._folder.claim()
        world = self._world = World(self._folder, self._clock)
        ports = world.state.ports
        await self._doors.open()
        control = Control(world, self._places, self._doors, self.end, self._tell)
        for name, app, first in (
            ("hetzner", Hetzner(world).app(), 0),
            ("cloudflare", Cloudflare(world).app(), 0),
            ("front", Front(world).app(), FRONT_PORT),
            ("control", control.app(), 0),
        ):
            ports[name] = await self._listeners.serve(app, ports.get(name, first))
        self._places.front = ports["front"]
        self._names = NameServer(world)
        ports["dns"] = await self._names.serve(ports.get("dns", 0))
        world.start()
        await self._tell()

    def end(self) -> None:
        """Let `run` return."""
        self._ended.set()

    async def run(self) -> None:
        """Wait until it is to end, or its folder is gone."""
        while self._folder.is_ours():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), LOOK)
                return

    async def stop(self) -> None:
        """Stop listening, save the world, let the folder go."""
        await self._listeners.close()
        if self._names is not None:
            await self._names.close()
        if self._world is not None:
            await self._world.stop()
        self._doors.close()
        self._folder.release()

    async def _tell(self) -> None:
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
    """Run a sandbox until it is told to end; return at once if one is alive in the folder."""
    sandbox = Sandbox(folder, clock)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, sandbox.end)
    try:
        await sandbox.start()
        await sandbox.run()
    except InUse:
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
    _allow_many_files()
    asyncio.run(serve(folder, clock))


def _allow_many_files() -> None:
    """A thousand machines need a listener and a connection each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
