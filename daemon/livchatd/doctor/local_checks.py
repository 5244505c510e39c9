"""Checks of the daemon's own machine: disk, table, vault, file modes, /dev/null."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livchat.errors import LivChatError
from livchat.paths import Paths
from livchat.wire.doctor import Checked, Finding, Severity
from livchatd.storage.database import Database, now
from livchatd.storage.vault import Vault

LOCAL = "local"
LOW_DISK_BYTES, FULL_DISK_BYTES = 1_000_000_000, 200_000_000
"""Fewer free bytes on the disk are a warning, or an error."""
WRITE_SECONDS = 10.0
"""Seconds within which a write to the table must be on disk."""


@dataclass(frozen=True)
class LocalChecks:
    """Checks what the daemon depends on, on its own machine."""

    paths: Paths
    database: Database
    vault: Vault

    async def run(self) -> tuple[list[Finding], Checked]:
        """Return what is wrong, and what was checked."""
        found = await asyncio.to_thread(lambda: list(self._files()))
        found += [one for one in (await self._table(), await self._vault()) if one is not None]
        free = await asyncio.to_thread(_free, self.paths.state)
        seen = f"disk ({_size(free)} free), table, vault, socket, {os.devnull}"
        return found, Checked(name=LOCAL, detail=seen)

    async def _table(self) -> Finding | None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self.database.write(
                    lambda tx: (
                        tx.execute("INSERT OR REPLACE INTO meta VALUES ('looked_at', ?)", (now(),))
                        and None
                    )
                )
        except LivChatError as error:
            return _finding("table", "unwritable_table", self.paths.table, str(error), error.hint)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it is what is asked for
            why = f"it cannot be written: {type(error).__name__}"
            hint = f"ls -l {self.paths.table}*"
            return _finding("table", "unwritable_table", self.paths.table, why, hint)
        return None

    async def _vault(self) -> Finding | None:
        try:
            await self.vault.load()
        except LivChatError as error:
            return _finding("vault", "unreadable_vault", self.paths.vault, str(error), error.hint)
        return None

    def _files(self) -> Iterator[Finding]:
        paths, free = self.paths, _free(self.paths.state)
        if free < LOW_DISK_BYTES:
            why = f"{_size(free)} are free: jobs wait when it is full"
            severity = Severity.ERROR if free < FULL_DISK_BYTES else Severity.WARNING
            yield _finding("disk", "low_disk", paths.state, why, f"du -sh {paths.state}", severity)
        if not stat.S_ISCHR(Path(os.devnull).stat().st_mode):
            # A program that replaces or deletes its output file did that to it, as root.
            why = "it is no device: what is thrown away fills the disk, or is read back"
            hint = f"sudo rm {os.devnull} && sudo mknod -m 666 {os.devnull} c 1 3"
            yield _finding("null", "broken_null_device", Path(os.devnull), why, hint)
        for path in (paths.socket, paths.vault, paths.vault_key, paths.token, paths.table):
            try:
                mode = stat.S_IMODE(path.stat().st_mode)
            except FileNotFoundError:
                continue
            # A file in a folder that others may not enter is safe.
            if mode & 0o077 and stat.S_IMODE(path.parent.stat().st_mode) & 0o077:
                why = f"others of this machine may use it: its mode is {mode:04o}"
                hint = f"chmod go= {path.parent} {path}"
                yield _finding(path.name, "open_file", path, why, hint)


def _finding(
    what: str,
    kind: str,
    path: Path,
    why: str,
    hint: str | None,
    severity: Severity = Severity.ERROR,
) -> Finding:
    return Finding(
        id=f"{LOCAL}/{kind}/{what}",
        kind=kind,
        severity=severity,
        provider=LOCAL,
        name=path.name,
        detail=str(path),
        why=why,
        hint=hint,
    )


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
