"""The installation: its id, and how it marks the DNS records that it makes."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from livchat.errors import InvalidRequest, LivChatError
from livchatd.storage.database import Database, now

PREFIX = "livchat:"
"""How the comment of every DNS record of ours begins, whichever installation made it."""
MAX_SERVER_LENGTH = 52
"""How much of a server's name a comment holds: it has 100 characters on Cloudflare's free plan."""
_ID = re.compile(r"[a-z0-9]{4,8}")


@dataclass(frozen=True)
class Installation:
    """An installation. Others may share its cloud project and its DNS account.

    What it makes carries its id: only that does it ever adopt, change or delete. `created_at` is
    when its database was created: what is older may belong to servers that only a lost one knew.
    """

    id: str
    created_at: str = ""

    def record_comment(self, server: str, app: str) -> str:
        """Return the comment of an app's DNS records; never longer than 100 characters."""
        return f"{self.server_comment_prefix(server)}{app}"

    def server_comment_prefix(self, server: str) -> str:
        """Return what the comments of all DNS records of a server begin with."""
        return f"{self.comment_prefix}{shortened(server)}:"

    @property
    def comment_prefix(self) -> str:
        """What the comments of all DNS records of this installation begin with."""
        return f"{PREFIX}{self.id}:"


@dataclass(frozen=True)
class RecordComment:
    """The parts of a DNS record's comment.

    `installation_id` is None where an older version wrote it; `server` may be shortened.
    """

    installation_id: str | None
    server: str
    app: str


def shortened(server: str) -> str:
    """Return a server's name as it stands in a comment: a long one ends in `~` and a digest."""
    if len(server) <= MAX_SERVER_LENGTH:
        return server
    digest = sha256(server.encode()).hexdigest()[:8]
    # No server's name contains `~`, so none is taken for another.
    return f"{server[: MAX_SERVER_LENGTH - 9]}~{digest}"


def read_comment(comment: str | None) -> RecordComment | None:
    """Return the parts of a comment, or None if it is none of LivChat's."""
    parts = (comment or "").split(":")
    if parts[0] != "livchat" or len(parts) not in {3, 4}:
        return None
    server, app = parts[-2:]
    return RecordComment(parts[1] if len(parts) == 4 else None, server, app)


def load_installation(database: Database, path: Path) -> Installation:
    """Return the installation of a database, and of the file at `path`; new at its first start.

    The id stands in the database and in a file beside the vault. The database comes first: one that
    is restored from a backup knows servers that carry its id. The file outlives the database.
    Raises `InvalidRequest` if the file is damaged, `LivChatError` if a first one cannot be written.
    """
    kept = dict(database.reader.execute("SELECT key, value FROM meta").fetchall())
    in_file = _read(path)
    installation_id = kept.get("home") or in_file or secrets.token_hex(4)
    created_at = kept.get("since") or now()
    if not {"home", "since"} <= kept.keys():
        rows = [("home", installation_id), ("since", created_at)]
        database.write_soon(
            lambda tx: tx.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", rows)
        )
    if in_file != installation_id:
        try:
            _write(path, installation_id)
        except OSError as error:
            if "home" not in kept:
                reason = (error.strerror or type(error).__name__).lower()
                raise LivChatError(f"cannot write {path}: {reason}", hint="df -h") from error
    return Installation(installation_id, created_at)


def _read(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"cannot read {path}: {type(error).__name__}", hint=f"ls -l {path}"
        ) from None
    if not _ID.fullmatch(text):
        raise InvalidRequest(
            f"cannot use {path}: it holds no id of an installation, such as 3f9a1c2b",
            hint=f"rm {path}; the next start makes another, or takes the one in the table",
        )
    return text


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all; on disk before anything is bought in its name."""
    beside = path.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
