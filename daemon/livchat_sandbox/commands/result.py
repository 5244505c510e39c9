"""The result of a simulated command, and the refusal of one that is not simulated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CommandResult:
    """What a command prints, its exit status, and the simulated seconds that it takes.

    `changed` says that the command changed the machine. A command with a `unit` ends when that
    unit of the machine does; until then it prints `timed_output`: the moment in seconds since 1970,
    the text, and whether it goes to standard error.
    """

    stdout: str = ""
    stderr: str = ""
    exit_status: int = 0
    seconds: float = 0.0
    changed: bool = False
    unit: str | None = None
    timed_output: tuple[tuple[float, str, bool], ...] = ()


class NotSimulated(Exception):
    """The command, or an argument of it, is not on the list of docs/remote-commands.md."""


def success(stdout: str = "", *, seconds: float = 0.0) -> CommandResult:
    """Return the result of a command that changed the machine and ended with 0."""
    return CommandResult(stdout=stdout, seconds=seconds, changed=True)


def failure(stderr: str, exit_status: int = 1) -> CommandResult:
    """Return the result of a command that failed, with one line on standard error."""
    return CommandResult(stderr=stderr + "\n", exit_status=exit_status)


def matches(args: list[str], *pattern: str) -> bool:
    """Whether arguments are those of a pattern, in which `*` stands for any one argument."""
    return len(args) == len(pattern) and all(
        expected in {"*", arg} for arg, expected in zip(args, pattern, strict=True)
    )
