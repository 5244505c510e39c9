"""SSH faults at work: how rules name a command, and what a command answers that is made to fail."""

from __future__ import annotations

import shlex

from livchat_sandbox.commands.result import CommandResult
from livchat_sandbox.faults.effects import CommandFailure

_NAME_LENGTHS = {"docker": 3, "systemctl": 2, "cloud-init": 2}
"""How many words name a command of a program, where it is more than the program's own."""


def command_route(line: str) -> str:
    """Return a command without its data: `docker stack deploy`, `systemd-run apt-get install`."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    if words[:1] == ["systemd-run"] and "--" in words:
        return f"systemd-run {_name(words[words.index('--') + 1 :])}"
    return _name(words)


def failed_result(failure: CommandFailure, line: str) -> CommandResult:
    """Return the result of a command that a fault lets fail."""
    stderr = f"{_name(line.split())}: {failure.message}\n"
    return CommandResult(stderr=stderr, exit_status=failure.exit_status)


def _name(words: list[str]) -> str:
    program = words[0] if words else ""
    if program == "apt-get":
        verbs = [word for word in words if word in {"update", "install"}]
        return " ".join(["apt-get", *verbs[:1]])
    name = [program]
    for word in words[1 : _NAME_LENGTHS.get(program, 1)]:
        if word.startswith("-"):
            break
        name.append(word)
    return " ".join(name)
