"""What a shell on a server is: where it connects, what it runs, and what comes back."""

# ruff: noqa: ASYNC109 - a time-out here covers connecting and waiting for a channel, and ends well

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


async def do_nothing() -> None:
    """Do nothing: for a callback that nobody asked for."""


@dataclass(frozen=True)
class Endpoint:
    """Where a server's SSH answers, which key logs in, and which host key it must show.

    `private_key` is in OpenSSH's format. `host_key` is an OpenSSH public key line; None means trust
    on first use: the key that is shown is given to `pin`, and where there is a `fingerprint`
    (`SHA256:...`) only a key with that one is accepted. Every command of a user other than root is
    run by sudo.
    """

    host: str
    port: int
    user: str
    private_key: str = field(repr=False)
    host_key: str | None = None
    fingerprint: str | None = None
    pin: Callable[[str], Awaitable[None]] | None = None


@dataclass(frozen=True)
class RawOutput:
    """What a command printed, in bytes, and its exit status; negative: the signal that ended it."""

    stdout: bytes
    stderr: bytes
    exit_code: int


@dataclass(frozen=True)
class Output:
    """What a command printed, decoded with replacement characters, and its exit status."""

    stdout: str
    stderr: str
    exit_code: int


class OutputBuffer:
    """What a command has printed so far, up to a limit; what comes after that is discarded.

    `limit` is in bytes, for standard output and standard error each.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.stdout = bytearray()
        self.stderr = bytearray()

    def add(self, data: bytes, *, error: bool) -> None:
        """Append what was printed on standard output or error, as far as there is room."""
        output = self.stderr if error else self.stdout
        output.extend(data[: self._limit - len(output)])


class Shell(Protocol):
    """Runs commands on one server. Arguments are quoted one by one; data goes by standard input.

    Time-outs are in seconds.
    """

    async def run(
        self, *argv: str, stdin: str | bytes | None = None, timeout: float = 60, check: bool = True
    ) -> Output:
        """Run a short command and return what it printed.

        Raises `CommandFailed` if it fails and `check` is set, `TimedOut` after `timeout`, and
        `ProviderUnavailable` if the connection is lost. A cancelled call first lets the command end
        (or its time-out pass), so that nothing is left running.
        """

    async def succeeds(self, *argv: str, timeout: float = 60) -> bool:
        """Return whether a short command ends with 0. Raises as `run` does without `check`."""

    async def read(self, path: str) -> str | None:
        """Return the content of a text file, or None where there is none."""

    async def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Write a file and the folders above it (`install -D -m MODE /dev/stdin PATH`)."""

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

        Each line that it prints is given to `on_line`. A unit that is there already (after a lost
        connection or a killed daemon) is attached to, not started again: a new caller gets its
        lines from the first on, and `on_start` is called only before it is started. Raises
        `CommandFailed` with its last lines if it fails, `TimedOut` once it was stopped after
        `timeout`. Cancelling stops the unit, sees that it is gone, and raises; while the shells are
        closing (the daemon stops), a cancelled call leaves the unit running.
        """

    async def halt(self, name: str) -> None:
        """Stop a unit with its children and see that it is gone; one that is not there is fine.

        Raises `ProviderUnavailable` if it was not seen gone within a minute.
        """

    async def tunnel(self, host: str, port: int) -> Path:
        """Return a Unix socket (in a 0700 folder) that connects to host:port from the server.

        Raises `ProviderUnavailable` if it cannot be opened.
        """


class Shells(Protocol):
    """Shells by server name; one connection for each, made when first needed and made again."""

    async def on(self, server: str) -> Shell:
        """Return the shell of a server, connected.

        Raises what connecting may raise: `ProviderUnavailable` (refused, time-out: it may pass),
        `HostKeyChanged`, or `ProviderError` (the key is refused or cannot be read).
        """

    async def drop(self, server: str) -> None:
        """Close and forget a server's connection: the server is deleted."""

    async def close(self) -> None:
        """Close all connections; units that run on servers go on."""
