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

DEBOUNCE_SECONDS = 0.05
ENCODING_SECONDS = 0.01
"""For how long machines are encoded at a stretch, since the event loop stands still meanwhile."""
PAUSE_FACTOR, MAX_PAUSE_SECONDS = 10, 1.0
"""The pause after a save, in times of its encoding; the disk is never older than the longest."""


class Autosave:
    """Saves what was marked dirty: at most once in 50 ms, more rarely if the world is large."""

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
        """Begin to save in a task of its own."""
        self._task = asyncio.create_task(self._run(), name="autosave")

    async def stop(self) -> None:
        """End the task, and save what is still dirty."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        while self._folder.is_ours() and (self._world_dirty or self._machines_dirty):
            await self._save()

    def mark_world_dirty(self) -> None:
        """Save the account soon: it is not as it was saved."""
        self._world_dirty = True
        self._dirty.set()

    def mark_machine_dirty(self, server_id: int) -> None:
        """Save a server's disk soon, or delete what was saved of it if the disk is gone."""
        self._machines_dirty.add(server_id)
        self._dirty.set()

    async def _run(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(DEBOUNCE_SECONDS)
            self._dirty.clear()
            if not self._folder.is_ours():
                continue
            # A save that has begun is finished, or a stop would leave it half done.
            encoding_seconds = await asyncio.shield(asyncio.ensure_future(self._save()))
            if self._machines_dirty:
                self._dirty.set()
            await asyncio.sleep(min(MAX_PAUSE_SECONDS, PAUSE_FACTOR * encoding_seconds))

    async def _save(self) -> float:
        """Write the account and some machines; return how long the loop stood still, in seconds."""
        async with self._saving:
            try:
                return await self._write()
            except FileNotFoundError:
                return 0.0  # The folder may vanish at any time: then there is nothing to save for.
            except OSError as error:
                log.warning("the world is not saved until its next change: %s", error)
                return MAX_PAUSE_SECONDS

    async def _write(self) -> float:
        began = time.monotonic()
        world = None
        if self._world_dirty:
            self._world_dirty = False
            world = json.dumps(self._dump_world(), separators=(",", ":"))
        machines = self._encode_machines()
        encoding_seconds = time.monotonic() - began
        if world is not None:
            await asyncio.to_thread(self._folder.write_world, world)
        if machines:
            await asyncio.to_thread(self._write_machines, machines)
        return encoding_seconds

    def _encode_machines(self) -> dict[int, str | None]:
        """Return the JSON text of some dirty machines by server id; None where the disk is gone."""
        deadline = time.monotonic() + ENCODING_SECONDS
        texts: dict[int, str | None] = {}
        while self._machines_dirty and time.monotonic() < deadline:
            server_id = self._machines_dirty.pop()
            data = self._dump_machine(server_id)
            texts[server_id] = None if data is None else json.dumps(data, separators=(",", ":"))
        return texts

    def _write_machines(self, texts: dict[int, str | None]) -> None:
        for server_id, text in texts.items():
            if text is None:
                self._folder.delete_machine(server_id)
            else:
                self._folder.write_machine(server_id, text)
