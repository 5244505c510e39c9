"""Shells on servers over SSH: one multiplexed connection for each, with its host key pinned."""

# ruff: noqa: ASYNC109 - a time-out here covers connecting and waiting for a channel, and ends well

from __future__ import annotations

import asyncio
import itertools
import os
import shlex
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from livchat.errors import CommandFailed, ProviderUnavailable, TimedOut
from livchat.paths import SOCKET_LIMIT
from livchatd.integrations.ssh.interfaces import Endpoint, Output, do_nothing
from livchatd.integrations.ssh.systemd_unit import Unit
from livchatd.integrations.ssh.throttle import Turns

if TYPE_CHECKING:
    from livchatd.integrations.ssh.connection import Answer, Link
    from livchatd.integrations.ssh.output_buffer import Taken

T = TypeVar("T")


USUAL = 30.0
"""Seconds for one call for which the time-outs of commands are written."""
DIALS_AT_ONCE = 16
"""Connections being made at once: a key exchange costs CPU, and the time-out counts."""
COMMANDS_AT_ONCE, SHORT = 16, 0.06
"""Commands at once over all servers that began less than so many seconds ago: their answers are the
loop's work."""


class SshShells:
    """Shells over asyncssh. `poll` is the first pause between looks at a unit, in seconds.

    `timeout` is what a remote system has for one call: connecting has half of it, and the time-outs
    of commands, which are written for 30 s, follow it.

    `lookup` tells where a server is spoken to; it is asked at each connecting, so that a pinned key
    or a changed address is taken up.
    """

    def __init__(
        self,
        lookup: Callable[[str], Awaitable[Endpoint]],
        *,
        poll: float = 0.2,
        timeout: float = 30.0,
    ) -> None:
        self._lookup = lookup
        self._poll = poll
        self._timeout = timeout
        self._gate = asyncio.Semaphore(DIALS_AT_ONCE)
        self._turns = Turns(COMMANDS_AT_ONCE, SHORT)
        self._links: dict[str, Link] = {}
        self._folder: Path | None = None
        self._numbers = itertools.count(1)
        self._closed = False
        self.detached = False

    async def on(self, server: str) -> SshShell:
        """The shell of a server, connected."""
        if server not in self._links:
            made = await asyncio.to_thread(_link)
            if self._closed:
                raise ProviderUnavailable("the daemon is stopping")
            if server not in self._links:
                parts = (self._lookup, self._gate, self._turns, self._socket, self._timeout / 2)
                self._links[server] = made(server, *parts)
        link = self._links[server]
        await link.connection()
        return SshShell(self, server, link, self._poll, self._timeout / USUAL)

    async def drop(self, server: str) -> None:
        """Close and forget a server's connection."""
        link = self._links.pop(server, None)
        if link is not None:
            await link.close()

    def detach(self) -> None:
        """From now on a cancelled call leaves its unit running: the daemon stops, not the work.

        To be called before the jobs are cancelled; `close` would first break their connections.
        """
        self.detached = True

    async def close(self) -> None:
        """Close all; units that run on servers go on."""
        self.detach()
        self._closed = True
        links, self._links = list(self._links.values()), {}
        await asyncio.gather(*(link.close() for link in links))
        folder, self._folder = self._folder, None
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _socket(self) -> Path:
        """A new path for a socket, in a folder of our own and short enough for the kernel."""
        if self._folder is None:
            folder = Path(tempfile.mkdtemp(prefix="livchat-"))
            if len(os.fsencode(folder)) + len("/1000000.sock") > SOCKET_LIMIT:
                folder.rmdir()
                folder = Path(tempfile.mkdtemp(prefix="livchat-", dir="/tmp"))
            self._folder = folder
        return self._folder / f"{next(self._numbers)}.sock"


class SshShell:
    """The shell of one server; made by `SshShells.on`."""

    def __init__(
        self, shells: SshShells, server: str, link: Link, poll: float, slack: float = 1.0
    ) -> None:
        self._shells = shells
        self._server = server
        self._link = link
        self._poll = poll
        self._slack = slack

    async def run(
        self, *argv: str, stdin: str | bytes | None = None, timeout: float = 60, check: bool = True
    ) -> Output:
        """Run a short command; the time-out covers connecting too."""
        data = stdin.encode() if isinstance(stdin, str) else stdin or b""
        answer = await self.execute(*argv, stdin=data, timeout=timeout)
        output = Output(
            answer.stdout.decode("utf-8", "replace"),
            answer.stderr.decode("utf-8", "replace"),
            answer.exit_code,
        )
        if check and output.exit_code != 0:
            raise _failure(self._server, argv, output)
        return output

    async def execute(self, *argv: str, stdin: bytes = b"", timeout: float = 60) -> Answer:
        """Run a short command; its answer in bytes, whatever its exit status."""
        deadline = asyncio.get_running_loop().time() + timeout * self._slack
        try:
            # Cancelled while it connects, nothing has been sent: no end is to be waited for.
            async with asyncio.timeout_at(deadline):
                await self._link.connection()
            return await _to_its_end(_bounded(self._link.run(shlex.join(argv), stdin), deadline))
        except TimeoutError:
            raise TimedOut(
                f"{_program(argv)} on {self._server} took longer than {timeout * self._slack:g} s"
            ) from None

    async def feed(self, *argv: str, stdin: bytes, taken: Taken) -> int:
        """Run a command beside the others; what it prints goes to `taken`. Its exit status."""
        return (await self._link.run(shlex.join(argv), stdin, taken)).exit_code

    async def succeeds(self, *argv: str, timeout: float = 60) -> bool:
        """Whether a short command ends with 0."""
        return (await self.execute(*argv, timeout=timeout)).exit_code == 0

    async def read(self, path: str) -> str | None:
        """A text file, or None where there is none."""
        output = await self.run("cat", path, check=False)
        if output.exit_code == 0:
            return output.stdout
        if "No such file" in output.stderr:
            return None
        if not output.stderr.strip():
            # cat never fails in silence: what it said was lost, with the connection.
            raise ProviderUnavailable(
                f"the connection to {self._server} was lost while {path} was read"
            )
        raise _failure(self._server, ("cat", path), output)

    async def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Write a file, with its folders."""
        await self.run("install", "-D", "-m", mode, "/dev/stdin", path, stdin=content)

    async def unit(
        self,
        name: str,
        *argv: str,
        on_line: Callable[[str], None],
        timeout: float = 900,
        environment: Mapping[str, str] | None = None,
        on_start: Callable[[], Awaitable[None]] = do_nothing,
    ) -> None:
        """Run a long command as a transient unit, or attach to it."""
        unit = Unit(self, name, on_line, on_start, self._poll)
        try:
            await unit.run(argv, environment or {}, timeout)
        except asyncio.CancelledError:
            if not self._shells.detached:
                await _to_its_end(unit.stop())
            raise

    async def halt(self, name: str) -> None:
        """Stop a unit that an earlier call left, and see that it is gone."""
        await _to_its_end(Unit(self, name, _unheard, do_nothing, self._poll).stop())

    async def tunnel(self, host: str, port: int) -> Path:
        """A Unix socket whose connections come out at host:port on the server."""
        return await self._link.tunnel(host, port)


def _unheard(line: str) -> None:
    """Nobody listens."""
    del line


def _link() -> type[Link]:
    """The class, from a module whose import takes half a second."""
    from livchatd.integrations.ssh.connection import Link  # noqa: PLC0415

    return Link


async def _bounded(work: Coroutine[Any, Any, T], deadline: float) -> T:
    async with asyncio.timeout_at(deadline):
        return await work


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await something that must not be left half done: a cancelled call waits for its end first."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at, and not wanted any more
        raise cancelled
    return task.result()


def _program(argv: tuple[str, ...]) -> str:
    """What a command is called in a message: its first words, never its data."""
    words = itertools.takewhile(lambda word: not word.startswith(("-", "/")), argv[:3])
    return " ".join(words)[:80] or argv[0][:80]


def _failure(server: str, argv: tuple[str, ...], output: Output) -> CommandFailed:
    lines = (output.stderr.strip() or output.stdout.strip() or "it said nothing").splitlines()
    return CommandFailed(
        f"{_program(argv)} on {server} ended with {output.exit_code}: {lines[-1][:300]}",
        details={"exit_code": output.exit_code, "stderr": output.stderr[-2000:]},
    )
