"""Who we are: the id of this installation, and how it marks what it makes elsewhere."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from livchat.errors import Invalid, LivChatError
from livchatd.storage.database import Database, now

MANAGED, HOME, SERVER, JOB = "livchat.managed", "livchat.home", "livchat.server", "livchat.job"
PREFIX = "livchat:"
"""How the comment of every record of ours begins, whichever installation made it."""
LONGEST_SERVER = 52
"""Characters of a server's name in a comment, which holds 100 on Cloudflare's free plan."""
_ID = re.compile(r"[a-z0-9]{4,8}")


@dataclass(frozen=True)
class Home:
    """An installation. Others may share its cloud project and its DNS account.

    What it makes carries its id: only that does it ever adopt, change or delete. `since` is when
    its table began: what is older may belong to servers that only a lost table knew.
    """

    id: str
    since: str = ""

    def labels(self, server: str, origin: str | None = None) -> dict[str, str]:
        """The labels of what is bought for a server; with `origin`, by that chain of jobs only."""
        found = {MANAGED: "true", HOME: self.id, SERVER: server}
        return found | {JOB: origin} if origin else found

    def owner(self, server: str, app: str) -> str:
        """Whose a record is, as its comment says; never longer than 100 characters."""
        return f"{self.owner_of_all(server)}{app}"

    def owner_of_all(self, server: str) -> str:
        """What the comments of all records of a server begin with."""
        return f"{self.comments}{short(server)}:"

    @property
    def comments(self) -> str:
        """What the comments of all records of this installation begin with."""
        return f"{PREFIX}{self.id}:"


@dataclass(frozen=True)
class Comment:
    """A record's comment, read. `home` is None where an older version wrote it."""

    home: str | None
    server: str
    app: str


def short(server: str) -> str:
    """A server's name as it stands in a comment: one that is too long ends in its digest."""
    if len(server) <= LONGEST_SERVER:
        return server
    digest = sha256(server.encode()).hexdigest()[:8]
    # No name has this sign, so none is taken for another.
    return f"{server[: LONGEST_SERVER - 9]}~{digest}"


def read_comment(comment: str | None) -> Comment | None:
    """What a comment says, or None if it is none of LivChat's."""
    parts = (comment or "").split(":")
    if parts[0] != "livchat" or len(parts) not in {3, 4}:
        return None
    server, app = parts[-2:]
    return Comment(parts[1] if len(parts) == 4 else None, server, app)


def find_home(database: Database, path: Path) -> Home:
    """The installation of these places, made at its first start. `Invalid` if its file is damaged.

    The id stands in the table and in a file beside the vault. The table comes first: one that is
    restored from a backup knows servers that carry its id. The file outlives the table.
    """
    kept = dict(database.reader.execute("SELECT key, value FROM meta").fetchall())
    written = _read(path)
    found = kept.get("home") or written or secrets.token_hex(4)
    since = kept.get("since") or now()
    if not {"home", "since"} <= kept.keys():
        rows = [("home", found), ("since", since)]
        database.post(lambda tx: tx.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", rows))
    if written != found:
        try:
            _write(path, found)
        except OSError as error:
            if "home" not in kept:
                reason = (error.strerror or type(error).__name__).lower()
                raise LivChatError(f"cannot write {path}: {reason}", hint="df -h") from error
    return Home(found, since)


def _read(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"cannot read {path}: {type(error).__name__}", hint=f"ls -l {path}") from None
    if not _ID.fullmatch(text):
        raise Invalid(
            f"cannot use {path}: it holds no id of an installation, such as 3f9a1c2b",
            hint=f"rm {path}; the next start makes another, or takes the one in the table",
        )
    return text


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and on disk before anything is bought in its name."""
    beside = path.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
