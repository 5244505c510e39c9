"""A world that runs in a folder for as long as a test needs it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from livchat_sandbox.clock import Clock
from livchat_sandbox.cloud.world import World
from livchat_sandbox.storage.folder import Folder


@contextlib.asynccontextmanager
async def running(folder: Folder) -> AsyncIterator[World]:
    world = World(folder, Clock(0))
    world.start()
    try:
        yield world
    finally:
        await world.stop()
