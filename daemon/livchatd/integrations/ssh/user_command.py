"""A person's command on a server: given by standard input, and stopped when its time is up."""

# ruff: noqa: ASYNC109 - a time-out here covers connecting, and ends with the command seen gone

from __future__ import annotations

import asyncio
import math
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from livchat.errors import LivChatError, ProviderUnavailable
from livchatd.integrations.ssh.interfaces import Output, OutputBuffer

STOP_SECONDS = 10.0
"""Seconds in which a command whose time is up must be seen gone; it is killed after two."""
SPARE_SECONDS = 15
"""Seconds after which the server ends a command by itself, should nobody do it in time."""
PROGRAM = ("/bin/bash", "-c", 'eval -- "$(cat)"')
"""Reads all of its input, then runs it as a script whose own input is empty."""
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus")


class CommandShell(Protocol):
    """What a person's command needs of a shell."""

    async def run(
        self, *argv: str, stdin: str | bytes | None = None, timeout: float = 60, check: bool = True
    ) -> Output:
        """Run a short command; see `Shell.run`."""

    async def feed(self, *argv: str, stdin: bytes, output: OutputBuffer) -> int:
        """Run a command and return its exit status; what it prints goes to `output` as it comes."""


class CommandShells(Protocol):
    """Shells by server name."""

    async def on(self, server: str) -> CommandShell:
        """Return the shell of a server, connected; see `Shells.on` for what it raises."""


@dataclass(frozen=True)
class CommandOutcome:
    """What became of a command. `exit_code` is None where its time was up.

    `confirmed_stopped` says that nothing of it runs on the server any more; else the server ends it
    by itself. `seconds` is how long it took, connecting included.
    """

    exit_code: int | None
    confirmed_stopped: bool
    seconds: float


class UserCommand:
    """One command on one server, in a transient unit of its own: its children are in it too."""

    def __init__(self, shells: CommandShells, server: str, text: str, output: OutputBuffer) -> None:
        self._shells = shells
        self._server = server
        self._text = text
        self._output = output
        self._unit = f"livchat-exec-{secrets.token_hex(6)}"

    async def run(self, timeout: float) -> CommandOutcome:
        """Run the command within `timeout` seconds, of which connecting is a part.

        Raises what connecting may raise, and `ProviderUnavailable` when the connection is lost.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(timeout):
                shell = await self._shells.on(self._server)
        except TimeoutError:
            # Nothing has been sent.
            return CommandOutcome(None, confirmed_stopped=True, seconds=clock() - started)
        left = timeout - (clock() - started)
        running = asyncio.create_task(self._feed(shell, left))
        try:
            await asyncio.wait({running}, timeout=left)
            if running.done():
                code = await self._outcome(shell, running)
                return CommandOutcome(code, confirmed_stopped=True, seconds=clock() - started)
            gone = await self._stop(shell, running)
            return CommandOutcome(None, confirmed_stopped=gone, seconds=clock() - started)
        finally:
            running.cancel()

    async def _feed(self, shell: CommandShell, left: float) -> int:
        return await shell.feed(
            "systemd-run",
            f"--unit={self._unit}",
            *("--quiet", "--wait", "--pipe", "--collect"),
            *("-p", f"RuntimeMaxSec={math.ceil(left) + SPARE_SECONDS}"),
            *("-p", "TimeoutStopSec=2"),
            *("-p", "User=root"),
            *("-p", "WorkingDirectory=~"),
            "--",
            *PROGRAM,
            stdin=self._text.encode(),
            output=self._output,
        )

    async def _outcome(self, shell: CommandShell, running: asyncio.Task[int]) -> int:
        try:
            return await running
        except ProviderUnavailable:
            # It may go on without us.
            await self._stop(shell, running)
            raise

    async def _stop(self, shell: CommandShell, running: asyncio.Task[int]) -> bool:
        """Stop the command with all its children; return whether it was seen gone."""
        with suppress(LivChatError, TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while True:
                    await shell.run("systemctl", "stop", self._unit, check=False)
                    # Its start may still be on the way: its end is what its own channel says.
                    if await self._inactive(shell) and running.done():
                        return True
                    await asyncio.wait({running}, timeout=0.1)
        return False

    async def _inactive(self, shell: CommandShell) -> bool:
        options = [word for name in _PROPERTIES for word in ("-p", name)]
        shown = await shell.run("systemctl", "show", self._unit, *options)
        return bool({"ActiveState=inactive", "ActiveState=failed"} & set(shown.stdout.splitlines()))
