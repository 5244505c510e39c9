"""The sandbox's folder: its lock, its address file, and the world on disk.

`world.json` holds the account; `machines/ID.json` holds a server's disk, each written when it
changed. Files are replaced whole, so that a reader, or the start after a crash, finds the old or
the new one. They are not synced to the disk: they outlive a killed process, and need no more.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import Any


class FolderInUse(Exception):
    """Another sandbox runs in this folder."""


class Folder:
    """A folder that belongs to one running sandbox, from `claim` to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def claim(self) -> None:
        """Lock the folder, which is made if need be; raise `FolderInUse` if a sandbox has it."""
        self._machines.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise FolderInUse(str(self.path)) from None
        self._lock = lock

    def release(self) -> None:
        """Delete the address file and unlock the folder."""
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
        """Write where the sandbox listens to sandbox.json."""
        _replace(self._address_file, json.dumps(address, indent=1) + "\n")

    def read_world(self) -> dict[str, Any] | None:
        """Return the account as it was saved, or None if there is none that can be read."""
        return _read(self._world_file)

    def write_world(self, text: str) -> None:
        """Save the account, given as JSON text."""
        _replace(self._world_file, text)

    def read_machine(self, server_id: int) -> dict[str, Any] | None:
        """Return a server's disk as it was saved, or None if there is none that can be read."""
        return _read(self._machine_file(server_id))

    def write_machine(self, server_id: int, text: str) -> None:
        """Save a server's disk, given as JSON text."""
        _replace(self._machine_file(server_id), text)

    def delete_machine(self, server_id: int) -> None:
        """Delete what was saved of a server's disk."""
        self._machine_file(server_id).unlink(missing_ok=True)

    def delete_machines(self) -> None:
        """Delete what was saved of all servers' disks."""
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

    def _machine_file(self, server_id: int) -> Path:
        return self._machines / f"{server_id}.json"


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    # Tokens and private disks: readable by nobody else from the first byte.
    with open(draft, "w", encoding="utf-8", opener=_open_private) as file:
        file.write(text)
    draft.replace(path)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
