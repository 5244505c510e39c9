"""Faults over SSH: how a command is called in a rule, and what one under a fault answers."""

from __future__ import annotations

import shlex

from livchat_sandbox.commands.result import Answer

CONNECT = "connect"
"""The route of the making of a connection."""
_DEPTH = {"docker": 3, "systemctl": 2, "cloud-init": 2}
NO_ROOM = "No space left on device"
LOCKED = (
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (apt-get)\n"
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), "
    "is another process using it?"
)
ENDINGS = {
    "command_fails": ("it was told to fail", 1),
    "disk_full": (NO_ROOM, 1),
    "apt_lock": (LOCKED, 100),
}
"""The last words of a command under a fault, and its exit status."""


def route(line: str) -> str:
    """A command without its data: `docker stack deploy`, `systemd-run apt-get install`."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    if words[:1] == ["systemd-run"] and "--" in words:
        return f"systemd-run {_name(words[words.index('--') + 1 :])}"
    return _name(words)


def failed(name: str, line: str) -> Answer:
    """The answer of a command that a fault lets fail."""
    words, code = ENDINGS[name]
    return Answer(stderr=f"{_name(line.split())}: {words}\n", code=code)


def _name(words: list[str]) -> str:
    program = words[0] if words else ""
    if program == "apt-get":
        verbs = [word for word in words if word in {"update", "install"}]
        return " ".join(["apt-get", *verbs[:1]])
    named = [program]
    for word in words[1 : _DEPTH.get(program, 1)]:
        if word.startswith("-"):
            break
        named.append(word)
    return " ".join(named)
