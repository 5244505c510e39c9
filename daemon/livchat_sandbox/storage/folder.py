"""The sandbox's folder: one sandbox at a time, its address file, and the world on disk.

`world.json` holds the cloud; `machines/ID.json` what is on a server's disk, each written when it
changed. Everything is replaced whole, so a reader and a crash see the old or the new. Nothing is
synced to the platter: it outlives a killed process, which is all that a sandbox owes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import Any


class InUse(Exception):
    """A sandbox is alive in this folder."""


class Folder:
    """A folder that belongs to one running sandbox, from `claim` to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def claim(self) -> None:
        """Make the folder ours; `InUse` if another sandbox has it."""
        self._machines.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise InUse(str(self.path)) from None
        self._lock = lock

    def release(self) -> None:
        """Take the address file away and let the folder go."""
        if self._lock is None:
            return
        if self.is_ours():
            self._address_file.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    def is_ours(self) -> bool:
        """Whether the folder that we claimed is still there, and not another of the same name."""
        if self._lock is None:
            return False
        with contextlib.suppress(OSError):
            return os.fstat(self._lock).st_ino == self._lock_file.stat().st_ino
        return False

    def write_address(self, address: dict[str, Any]) -> None:
        """Tell others where the sandbox listens."""
        _replace(self._address_file, json.dumps(address, indent=1) + "\n")

    def world(self) -> dict[str, Any] | None:
        """The cloud as it was saved, or None where there is none that can be read."""
        return _read(self._world_file)

    def write_world(self, text: str) -> None:
        """Save the cloud, given as JSON text."""
        _replace(self._world_file, text)

    def machine(self, number: int) -> dict[str, Any] | None:
        """A server's disk as it was saved, or None."""
        return _read(self._machine_file(number))

    def write_machine(self, number: int, text: str) -> None:
        """Save a server's disk, given as JSON text."""
        _replace(self._machine_file(number), text)

    def delete_machine(self, number: int) -> None:
        """Forget a server's disk."""
        self._machine_file(number).unlink(missing_ok=True)

    def delete_machines(self) -> None:
        """Forget all servers' disks."""
        for file in self._machines.iterdir():
            file.unlink(missing_ok=True)

    @property
    def _lock_file(self) -> Path:
        return self.path / "sandbox.lock"

    @property
    def _address_file(self) -> Path:
        return self.path / "sandbox.json"

    @property
    def _world_file(self) -> Path:
        return self.path / "world.json"

    @property
    def _machines(self) -> Path:
        return self.path / "machines"

    def _machine_file(self, number: int) -> Path:
        return self._machines / f"{number}.json"


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    # Tokens and private disks: readable by nobody else from the first byte.
    with open(draft, "w", encoding="utf-8", opener=_private) as file:
        file.write(text)
    draft.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
