"""What a shell on a server is: where it is reached, what it runs and what comes back."""

# ruff: noqa: ASYNC109 - a time-out here covers connecting and waiting for a channel, and ends well

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


async def do_nothing() -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Endpoint:
    """Where a server is spoken to, with what key, and which host key it must show.

    `host_key` is an OpenSSH public key line; None means trust on first use, told by `pin`, of a
    key that has this `fingerprint` if one is known. A user other than root runs all by sudo.
    """

    host: str
    port: int
    user: str
    private_key: str = field(repr=False)
    host_key: str | None = None
    fingerprint: str | None = None
    pin: Callable[[str], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Output:
    """What a command printed, decoded with replacement characters, and its exit status."""

    stdout: str
    stderr: str
    exit_code: int


class Shell(Protocol):
    """Runs commands on one server. Arguments are quoted one by one; data goes by stdin."""

    async def run(
        self, *argv: str, stdin: str | bytes | None = None, timeout: float = 60, check: bool = True
    ) -> Output:
        """Run a short command: `CommandFailed` if it fails and `check`, `TimedOut` after `timeout`.

        A cancelled call first lets the command end (or its time-out pass): nothing is left running.
        """

    async def succeeds(self, *argv: str, timeout: float = 60) -> bool:
        """Whether a short command ends with 0."""

    async def read(self, path: str) -> str | None:
        """A text file, or None where there is none."""

    async def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Write a file (`install -D -m MODE /dev/stdin PATH`)."""

    async def unit(
        self,
        name: str,
        *argv: str,
        on_line: Callable[[str], None],
        timeout: float = 900,
        environment: Mapping[str, str] | None = None,
        on_start: Callable[[], Awaitable[None]] = do_nothing,
    ) -> None:
        """Run a long command detached, as the transient unit `name`; return when it ended with 0.

        Its lines go to `on_line` as they come. If the unit is there already (a lost connection, a
        killed daemon), it is attached to, not started again, and a new caller gets its lines from
        the first on; `on_start` is called only before it is started. `CommandFailed` with its last
        lines if it fails; cancelling stops the unit, sees that it is gone, and raises. While the
        shells are closing (the daemon stops), a cancelled call leaves the unit running.
        """

    async def halt(self, name: str) -> None:
        """Stop a unit with its children, and see that it is gone; one that is not there is fine."""

    async def tunnel(self, host: str, port: int) -> Path:
        """A Unix socket (0700 folder) whose connections come out at host:port on the server."""


class Shells(Protocol):
    """Shells by server name; one connection for each, made when first needed and made again."""

    async def on(self, server: str) -> Shell:
        """The shell of a server; connects if need be.

        Raises what connecting may raise: `ProviderUnavailable` (refused, time-out: passing),
        `HostKeyChanged`, `ProviderError`.
        """

    async def drop(self, server: str) -> None:
        """Close and forget a server's connection (it is deleted)."""

    async def close(self) -> None:
        """Close all; units that run on servers go on."""
