"""Writes the world to disk a moment after it changed, off the request path."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from livchat_sandbox.storage.folder import Folder

log = logging.getLogger(__name__)

DEBOUNCE = 0.05
# Encoding takes the loop's time: a tenth of it at most, and 10 ms of machines at a stretch.
SHARE, STRETCH = 10, 0.01
# However large the world, it is never older on disk than this.
PAUSE_MOST = 1.0


class Keeper:
    """Saves what was said to have changed: at most once in 50 ms, rarer for a large world."""

    def __init__(
        self,
        folder: Folder,
        dump_world: Callable[[], dict[str, Any]],
        dump_machine: Callable[[int], dict[str, Any] | None],
    ) -> None:
        self._folder = folder
        self._dump_world = dump_world
        self._dump_machine = dump_machine
        self._dirty = asyncio.Event()
        self._world_dirty = False
        self._machines_dirty: set[int] = set()
        self._task: asyncio.Task[None] | None = None
        self._saving = asyncio.Lock()

    def start(self) -> None:
        """Begin to save."""
        self._task = asyncio.create_task(self._work(), name="keeper")

    async def stop(self) -> None:
        """Save what is not saved yet, and end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        while self._folder.is_ours() and (self._world_dirty or self._machines_dirty):
            await self._save()

    def world_changed(self) -> None:
        """The cloud is not what was saved."""
        self._world_dirty = True
        self._dirty.set()

    def machine_changed(self, number: int) -> None:
        """A server's disk is not what was saved, or is gone."""
        self._machines_dirty.add(number)
        self._dirty.set()

    async def _work(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(DEBOUNCE)
            self._dirty.clear()
            if not self._folder.is_ours():
                continue
            # A save that has begun is finished, or a stop would leave it half done.
            busy = await asyncio.shield(asyncio.ensure_future(self._save()))
            if self._machines_dirty:
                self._dirty.set()
            await asyncio.sleep(min(PAUSE_MOST, SHARE * busy))

    async def _save(self) -> float:
        """Write the cloud and some machines; how long the loop was kept busy, in seconds."""
        async with self._saving:
            try:
                return await self._write()
            except FileNotFoundError:
                return 0.0  # The folder may vanish at any time: then there is nothing to save for.
            except OSError as error:
                log.warning("the world is not saved until its next change: %s", error)
                return PAUSE_MOST

    async def _write(self) -> float:
        began = time.monotonic()
        world = None
        if self._world_dirty:
            self._world_dirty = False
            world = json.dumps(self._dump_world(), separators=(",", ":"))
        machines = self._next_machines()
        busy = time.monotonic() - began
        if world is not None:
            await asyncio.to_thread(self._folder.write_world, world)
        if machines:
            await asyncio.to_thread(self._write_machines, machines)
        return busy

    def _next_machines(self) -> dict[int, str | None]:
        until = time.monotonic() + STRETCH
        texts: dict[int, str | None] = {}
        while self._machines_dirty and time.monotonic() < until:
            number = self._machines_dirty.pop()
            data = self._dump_machine(number)
            texts[number] = None if data is None else json.dumps(data, separators=(",", ":"))
        return texts

    def _write_machines(self, texts: dict[int, str | None]) -> None:
        for number, text in texts.items():
            if text is None:
                self._folder.delete_machine(number)
            else:
                self._folder.write_machine(number, text)
