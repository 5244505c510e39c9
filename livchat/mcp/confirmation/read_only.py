"""Commands that change nothing, which run without a question."""

from __future__ import annotations

import re
import shlex

_SHELL = re.compile(r"[;&|<>$`(){}!\\\n\r]")
_READING = {
    "cat", "df", "du", "echo", "free", "head", "id", "ls", "lsblk", "lscpu", "nproc", "printf",
    "ps", "pwd", "stat", "tail", "uname", "uptime", "wc", "whoami",
}  # fmt: skip
_READING_SUBCOMMANDS = {
    "docker": {
        "ps", "images", "info", "version", "logs", "stats", "top", "port", "node ls", "network ls",
        "service ls", "service ps", "service logs", "stack ls", "stack ps", "stack services",
        "volume ls", "system df",
    },
    "systemctl": {"status", "is-active", "is-enabled", "list-units", "list-timers"},
}  # fmt: skip


def is_read_only(command: str) -> bool:
    """Whether this is one program that changes nothing; only the plainest commands are known."""
    if _SHELL.search(command):
        return False
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    if not words:
        return False
    subcommands = _READING_SUBCOMMANDS.get(words[0])
    if subcommands is None:
        return words[0] in _READING
    return " ".join(words[1:2]) in subcommands or " ".join(words[1:3]) in subcommands
