"""How the daemon's own machine is: disk, table, vault, socket, /dev/null."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livchat.errors import LivChatError
from livchat.paths import Places
from livchat.wire.doctor import Checked, Finding, Severity
from livchatd.storage.database import Database, now
from livchatd.storage.vault import Vault

LOCAL = "local"
TIGHT, FULL = 1_000_000_000, 200_000_000
"""Bytes that are free on the disk: fewer are a warning, and an error."""
WRITE_WITHIN = 10.0
"""Seconds in which a write to the table must be on disk."""


@dataclass(frozen=True)
class Health:
    """Looks at what the daemon stands on."""

    places: Places
    database: Database
    vault: Vault

    async def look(self) -> tuple[list[Finding], Checked]:
        """What is wrong, and what was looked at."""
        found = await asyncio.to_thread(lambda: list(self._files()))
        found += [one for one in (await self._table(), await self._vault()) if one is not None]
        free = await asyncio.to_thread(_free, self.places.state)
        seen = f"disk ({_size(free)} free), table, vault, socket, {os.devnull}"
        return found, Checked(name=LOCAL, detail=seen)

    async def _table(self) -> Finding | None:
        try:
            async with asyncio.timeout(WRITE_WITHIN):
                await self.database.write(
                    lambda tx: (
                        tx.execute("INSERT OR REPLACE INTO meta VALUES ('looked_at', ?)", (now(),))
                        and None
                    )
                )
        except LivChatError as error:
            return _finding("table", "unwritable_table", self.places.table, str(error), error.hint)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it is what is asked for
            why = f"it cannot be written: {type(error).__name__}"
            hint = f"ls -l {self.places.table}*"
            return _finding("table", "unwritable_table", self.places.table, why, hint)
        return None

    async def _vault(self) -> Finding | None:
        try:
            await self.vault.load()
        except LivChatError as error:
            return _finding("vault", "unreadable_vault", self.places.vault, str(error), error.hint)
        return None

    def _files(self) -> Iterator[Finding]:
        places, free = self.places, _free(self.places.state)
        if free < TIGHT:
            why = f"{_size(free)} are free: jobs wait when it is full"
            severity = Severity.ERROR if free < FULL else Severity.WARNING
            yield _finding(
                "disk", "low_disk", places.state, why, f"du -sh {places.state}", severity
            )
        if not stat.S_ISCHR(Path(os.devnull).stat().st_mode):
            # A program that was told to write to it and remove it has done so, as root.
            why = "it is no device: what is thrown away fills the disk, or is read back"
            hint = f"sudo rm {os.devnull} && sudo mknod -m 666 {os.devnull} c 1 3"
            yield _finding("null", "broken_null_device", Path(os.devnull), why, hint)
        for path in (places.socket, places.vault, places.vault_key, places.token, places.table):
            try:
                mode = stat.S_IMODE(path.stat().st_mode)
            except FileNotFoundError:
                continue
            # Nobody reaches into a folder that is closed.
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
