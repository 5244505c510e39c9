"""SSH keys at the command line: an identity read, a host key read, a shell opened with both."""

from __future__ import annotations

import base64
import binascii
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from livchat.errors import BadRequest, Conflict, Invalid, NotFound
from livchat.output import show
from livchat.output.messages import say

DEFAULT = "~/.ssh/id_ed25519"
_MAGIC = b"openssh-key-v1\0"
_OPTIONS = {
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "StrictHostKeyChecking": "yes",
    "GlobalKnownHostsFile": "/dev/null",
    "UpdateHostKeys": "no",
}
"""One key, one host key, nothing from ~/.ssh and nothing from an agent."""


def identity(path: str | None) -> str | None:
    """The private key of a file; without one, of ~/.ssh/id_ed25519 if it needs no passphrase."""
    where = Path(path or DEFAULT).expanduser()
    if path is None and not where.is_file():
        return None
    text = _read(where)
    if "PRIVATE KEY-----" not in text:
        raise Invalid(f"{where} is no private key", hint="ssh-keygen -t ed25519 -f FILE")
    if not has_passphrase(text):
        return text
    if path is None:
        show.note(say("default_key_locked", path=DEFAULT))
        return None
    raise Invalid(
        f"{where} has a passphrase: the daemon must log in where nobody can type it",
        hint="add --new-key in place of --identity: a key is made for this server alone",
    )


def host_key(given: str) -> str:
    """A fingerprint as it is; else the public key line of a file, without its comment."""
    if given.startswith("SHA256:"):
        return given
    words = _read(Path(given).expanduser()).split()
    if len(words) < 2:
        raise Invalid(f"{given} is no public key", hint="ssh-keyscan -t ed25519 HOST")
    return " ".join(words[:2])


def has_passphrase(text: str) -> bool:
    """Whether a private key is locked: OpenSSH's own form names its cipher, PEM says so."""
    body = "".join(line for line in text.splitlines() if line and not line.startswith("-----"))
    try:
        raw = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        # PEM with headers, one of which tells.
        return "ENCRYPTED" in text
    if not raw.startswith(_MAGIC):
        return "ENCRYPTED" in text
    size = int.from_bytes(raw[len(_MAGIC) : len(_MAGIC) + 4], "big")
    return raw[len(_MAGIC) + 4 : len(_MAGIC) + 4 + size] != b"none"


def shell(access: dict[str, Any], private: str, words: list[str]) -> int:
    """Run the system's ssh until it ends; its exit status. The key lies in a private folder."""
    if not access.get("host_key"):
        raise Conflict(
            f"no host key is pinned for '{access['server']}' yet",
            hint=f"livchat server exec {access['server']} -- true",
        )
    with tempfile.TemporaryDirectory(prefix="livchat-ssh-") as folder:
        key, known = Path(folder, "key"), Path(folder, "known_hosts")
        _write(key, private if private.endswith("\n") else f"{private}\n")
        _write(known, f"{access['server']} {access['host_key']}\n")
        options = {
            **_OPTIONS,
            "IdentityFile": key,
            "UserKnownHostsFile": known,
            "HostKeyAlias": access["server"],
            "Port": access["port"],
            "User": access["user"],
        }
        pairs = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        line = [shlex.join(words)] if words else []
        command = ["ssh", "-F", "none", *pairs, "--", str(access["host"]), *line]
        try:
            return subprocess.run(command, check=False).returncode  # noqa: S603 - no shell
        except FileNotFoundError:
            raise NotFound(
                "there is no ssh command here",
                hint=f"livchat server exec {access['server']} -- COMMAND",
            ) from None


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise BadRequest(f"cannot read {path}: {reason.lower()}") from error
