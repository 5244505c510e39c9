"""A shell on a server, opened by the machine's own ssh program."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

_OPTIONS = {
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "StrictHostKeyChecking": "yes",
    "GlobalKnownHostsFile": "/dev/null",
    "UpdateHostKeys": "no",
}
"""One key, one host key, nothing from ~/.ssh and nothing from an agent."""


def is_installed() -> bool:
    """Whether there is an ssh program in PATH."""
    return shutil.which("ssh") is not None


def run(access: dict[str, Any], private_key: str, command: str | None) -> int:
    """Run ssh until it ends; its exit status. The key lies in a private folder meanwhile.

    `access` is a `wire.servers.SshAccess` with a host key; without a command it is a shell.
    """
    with tempfile.TemporaryDirectory(prefix="livchat-ssh-") as folder:
        key, known_hosts = Path(folder, "key"), Path(folder, "known_hosts")
        _write(key, private_key if private_key.endswith("\n") else f"{private_key}\n")
        _write(known_hosts, f"{access['server']} {access['host_key']}\n")
        options = {
            **_OPTIONS,
            "IdentityFile": key,
            "UserKnownHostsFile": known_hosts,
            "HostKeyAlias": access["server"],
            "Port": access["port"],
            "User": access["user"],
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        remote = [] if command is None else [command]
        ssh = ["ssh", "-F", "none", *words, "--", str(access["host"]), *remote]
        return subprocess.run(ssh, check=False).returncode  # noqa: S603 - no shell


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
