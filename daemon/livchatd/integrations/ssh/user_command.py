"""A person's command on a server: fed by stdin, read as it prints, and gone when its time is up."""

# ruff: noqa: ASYNC109 - a time-out here covers connecting, and ends with the command seen gone

from __future__ import annotations

import asyncio
import math
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from livchat.errors import LivChatError, ProviderUnavailable
from livchatd.integrations.ssh.output_buffer import Taken

if TYPE_CHECKING:
    from livchatd.integrations.ssh.interfaces import Output

STOP_WITHIN = 10.0
"""Seconds in which a command whose time is up must be seen gone; it is killed after two."""
SPARE = 15
"""Seconds after which the server ends a command by itself, should nobody do it in time."""
PROGRAM = ("/bin/bash", "-c", 'eval -- "$(cat)"')
"""Reads all of its input, then runs it as a script whose own input is empty."""
_STATES = ("LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus")


class CommandShell(Protocol):
    """What a person's command needs of a shell."""

    async def run(
        self, *argv: str, stdin: str | bytes | None = None, timeout: float = 60, check: bool = True
    ) -> Output:
        """See `Shell.run`."""

    async def feed(self, *argv: str, stdin: bytes, taken: Taken) -> int:
        """Run a command; what it prints goes to `taken` as it comes. Its exit status."""


class CommandShells(Protocol):
    """Where the shell comes from; connects."""

    async def on(self, server: str) -> CommandShell:
        """The shell of a server."""


@dataclass(frozen=True)
class Ran:
    """What became of a command. `exit_code` is None where its time was up.

    `gone` says that nothing of it runs on the server any more; else the server ends it by itself.
    """

    exit_code: int | None
    gone: bool
    seconds: float


class Command:
    """One command on one server, in a transient unit of its own: its children are in it too."""

    def __init__(self, shells: CommandShells, server: str, text: str, taken: Taken) -> None:
        self._shells = shells
        self._server = server
        self._text = text
        self._taken = taken
        self._unit = f"livchat-exec-{secrets.token_hex(6)}"

    async def run(self, timeout: float) -> Ran:
        """Run it within `timeout` seconds, of which connecting is a part.

        What connecting may raise is raised; `ProviderUnavailable` also when the connection is lost.
        """
        clock = asyncio.get_running_loop().time
        begin = clock()
        try:
            async with asyncio.timeout(timeout):
                shell = await self._shells.on(self._server)
        except TimeoutError:
            # Nothing has been sent.
            return Ran(None, gone=True, seconds=clock() - begin)
        left = timeout - (clock() - begin)
        running = asyncio.create_task(self._feed(shell, left))
        try:
            await asyncio.wait({running}, timeout=left)
            if running.done():
                code = await self._outcome(shell, running)
                return Ran(code, gone=True, seconds=clock() - begin)
            gone = await self._stop(shell, running)
            return Ran(None, gone=gone, seconds=clock() - begin)
        finally:
            running.cancel()

    async def _feed(self, shell: CommandShell, left: float) -> int:
        return await shell.feed(
            "systemd-run",
            f"--unit={self._unit}",
            *("--quiet", "--wait", "--pipe", "--collect"),
            *("-p", f"RuntimeMaxSec={math.ceil(left) + SPARE}"),
            *("-p", "TimeoutStopSec=2"),
            *("-p", "User=root"),
            *("-p", "WorkingDirectory=~"),
            "--",
            *PROGRAM,
            stdin=self._text.encode(),
            taken=self._taken,
        )

    async def _outcome(self, shell: CommandShell, running: asyncio.Task[int]) -> int:
        try:
            return await running
        except ProviderUnavailable:
            # It may go on without us.
            await self._stop(shell, running)
            raise

    async def _stop(self, shell: CommandShell, running: asyncio.Task[int]) -> bool:
        """End it with all its children; whether it was seen gone."""
        with suppress(LivChatError, TimeoutError):
            async with asyncio.timeout(STOP_WITHIN):
                while True:
                    await shell.run("systemctl", "stop", self._unit, check=False)
                    # Its start may still be on the way: its end is what its own channel says.
                    if await self._inactive(shell) and running.done():
                        return True
                    await asyncio.wait({running}, timeout=0.1)
        return False

    async def _inactive(self, shell: CommandShell) -> bool:
        asked = [word for state in _STATES for word in ("-p", state)]
        shown = await shell.run("systemctl", "show", self._unit, *asked)
        return bool({"ActiveState=inactive", "ActiveState=failed"} & set(shown.stdout.splitlines()))
