"""What a simulated command answers, and how one says that it is outside the list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What a command prints, its exit code, and the simulated seconds that it takes.

    `changed` says that the machine is not as it was before. With `unit` it ends when that unit of
    the machine does, and prints meanwhile: each text at its moment, on stderr if so marked.
    """

    stdout: str = ""
    stderr: str = ""
    code: int = 0
    seconds: float = 0.0
    changed: bool = False
    unit: str | None = None
    printed: tuple[tuple[float, str, bool], ...] = ()


class NotSimulated(Exception):
    """The command, or an argument of it, is outside the list of docs/remote-commands.md."""


def done(stdout: str = "", *, seconds: float = 0.0) -> Answer:
    """A command that changed the machine and ended well."""
    return Answer(stdout=stdout, seconds=seconds, changed=True)


def fail(stderr: str, code: int = 1) -> Answer:
    """A command that ended badly, with one line on standard error."""
    return Answer(stderr=stderr + "\n", code=code)


def exactly(words: list[str], *wanted: str) -> bool:
    """Whether the words are these; `*` stands for any one word."""
    return len(words) == len(wanted) and all(
        want in {"*", word} for word, want in zip(words, wanted, strict=True)
    )
