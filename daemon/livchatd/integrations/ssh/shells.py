"""Shells on servers over SSH: one multiplexed connection for each, with its host key pinned."""

# ruff: noqa: ASYNC109 - a time-out here covers connecting and waiting for a channel, and ends well

from __future__ import annotations

import asyncio
import itertools
import os
import shlex
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from livchat.errors import CommandFailed, ProviderUnavailable, TimedOut
from livchat.paths import SOCKET_LIMIT
from livchatd.integrations.ssh.interfaces import (
    Endpoint,
    Output,
    OutputBuffer,
    RawOutput,
    do_nothing,
)
from livchatd.integrations.ssh.systemd_unit import Unit

if TYPE_CHECKING:
    from livchatd.integrations.ssh.connection import Connection

T = TypeVar("T")

REFERENCE_TIMEOUT_SECONDS = 30.0
"""The time-outs of commands are written for daemons that give this much to one remote call."""
PARALLEL_CONNECTS = 16
"""Connections being made at once: a key exchange costs CPU, and the time-out counts."""
PARALLEL_COMMANDS, SHORT_COMMAND_SECONDS = 16, 0.06
"""Commands over all servers that are younger than so many seconds, at once."""


class SshShells:
    """Shells over asyncssh.

    `lookup` returns the endpoint of a server; it is asked at each connecting, so that a pinned key
    or a changed address is used at once. `poll` is the first pause between looks at a unit.
    `timeout` is what a remote system has for one call: connecting gets half of it, and the
    time-outs of commands, which are written for 30 s, are scaled by it. All in seconds.
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
        self._connect_slots = asyncio.Semaphore(PARALLEL_CONNECTS)
        self._throttle = CommandThrottle(PARALLEL_COMMANDS, SHORT_COMMAND_SECONDS)
        self._connections: dict[str, Connection] = {}
        self._socket_folder: Path | None = None
        self._socket_numbers = itertools.count(1)
        self._closed = False
        self.detached = False

    async def on(self, server: str) -> SshShell:
        """Return the shell of a server, connected; see `Shells.on` for what it raises."""
        if server not in self._connections:
            connection_class = await asyncio.to_thread(_import_connection)
            if self._closed:
                raise ProviderUnavailable("the daemon is stopping")
            if server not in self._connections:
                self._connections[server] = connection_class(
                    server,
                    self._lookup,
                    self._connect_slots,
                    self._throttle.slot,
                    self._new_socket_path,
                    self._timeout / 2,
                )
        connection = self._connections[server]
        await connection.connect()
        scale = self._timeout / REFERENCE_TIMEOUT_SECONDS
        return SshShell(self, server, connection, self._poll, scale)

    async def drop(self, server: str) -> None:
        """Close and forget a server's connection."""
        connection = self._connections.pop(server, None)
        if connection is not None:
            await connection.close()

    def detach(self) -> None:
        """From now on a cancelled call leaves its unit running: the daemon stops, not the work.

        To be called before the jobs are cancelled; `close` would first break their connections.
        """
        self.detached = True

    async def close(self) -> None:
        """Close all connections; units that run on servers go on."""
        self.detach()
        self._closed = True
        connections, self._connections = list(self._connections.values()), {}
        await asyncio.gather(*(connection.close() for connection in connections))
        folder, self._socket_folder = self._socket_folder, None
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _new_socket_path(self) -> Path:
        """Return a new path for a socket, in a folder of our own, short enough for the kernel."""
        if self._socket_folder is None:
            folder = Path(tempfile.mkdtemp(prefix="livchat-"))
            if len(os.fsencode(folder)) + len("/1000000.sock") > SOCKET_LIMIT:
                folder.rmdir()
                folder = Path(tempfile.mkdtemp(prefix="livchat-", dir="/tmp"))
            self._socket_folder = folder
        return self._socket_folder / f"{next(self._socket_numbers)}.sock"


class SshShell:
    """The shell of one server; made by `SshShells.on`. `scale` multiplies its time-outs."""

    def __init__(
        self,
        shells: SshShells,
        server: str,
        connection: Connection,
        poll: float,
        scale: float = 1.0,
    ) -> None:
        self._shells = shells
        self._server = server
        self._connection = connection
        self._poll = poll
        self._scale = scale

    async def run(
        self, *argv: str, stdin: str | bytes | None = None, timeout: float = 60, check: bool = True
    ) -> Output:
        """Run a short command; the time-out covers connecting too. See `Shell.run`."""
        data = stdin.encode() if isinstance(stdin, str) else stdin or b""
        raw = await self.execute(*argv, stdin=data, timeout=timeout)
        output = Output(
            raw.stdout.decode("utf-8", "replace"),
            raw.stderr.decode("utf-8", "replace"),
            raw.exit_code,
        )
        if check and output.exit_code != 0:
            raise _failure(self._server, argv, output)
        return output

    async def execute(self, *argv: str, stdin: bytes = b"", timeout: float = 60) -> RawOutput:
        """Run a short command and return what it printed in bytes, whatever its exit status."""
        deadline = asyncio.get_running_loop().time() + timeout * self._scale
        try:
            # Cancelled while it connects, nothing has been sent: no end is to be waited for.
            async with asyncio.timeout_at(deadline):
                await self._connection.connect()
            running = self._connection.run(shlex.join(argv), stdin)
            return await _shield_and_wait(_until(deadline, running))
        except TimeoutError:
            raise TimedOut(
                f"{_program(argv)} on {self._server} took longer than {timeout * self._scale:g} s"
            ) from None

    async def feed(self, *argv: str, stdin: bytes, output: OutputBuffer) -> int:
        """Run a command beside the others and return its exit status.

        What it prints goes to `output` as it comes. A cancelled call leaves it running.
        """
        return (await self._connection.run(shlex.join(argv), stdin, output)).exit_code

    async def succeeds(self, *argv: str, timeout: float = 60) -> bool:
        """Return whether a short command ends with 0."""
        return (await self.execute(*argv, timeout=timeout)).exit_code == 0

    async def read(self, path: str) -> str | None:
        """Return the content of a text file, or None where there is none."""
        output = await self.run("cat", path, check=False)
        if output.exit_code == 0:
            return output.stdout
        if "No such file" in output.stderr:
            return None
        if not output.stderr.strip():
            # cat never fails in silence: its error was lost, with the connection.
            raise ProviderUnavailable(
                f"the connection to {self._server} was lost while {path} was read"
            )
        raise _failure(self._server, ("cat", path), output)

    async def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Write a file and the folders above it."""
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
        """Run a long command as a transient unit, or attach to it; see `Shell.unit`."""
        unit = Unit(self, name, on_line, on_start, self._poll)
        try:
            await unit.run(argv, environment or {}, timeout)
        except asyncio.CancelledError:
            if not self._shells.detached:
                await _shield_and_wait(unit.stop())
            raise

    async def halt(self, name: str) -> None:
        """Stop a unit that an earlier call left, and see that it is gone."""
        await _shield_and_wait(Unit(self, name, _ignore_line, do_nothing, self._poll).stop())

    async def tunnel(self, host: str, port: int) -> Path:
        """Return a Unix socket that connects to host:port from the server."""
        return await self._connection.tunnel(host, port)


class CommandThrottle:
    """At most `parallel` commands are within their first `short_seconds`.

    Encryption, and what follows a result, are work of the event loop: with the results of two
    hundred servers in one of its rounds nothing else is served for a quarter of a second. A command
    that takes longer makes no work here meanwhile, so it holds nobody up.
    """

    def __init__(self, parallel: int, short_seconds: float) -> None:
        self._free = asyncio.Semaphore(parallel)
        self._short_seconds = short_seconds

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot, in order of asking; it is free again at the end, or once time is up."""
        await self._free.acquire()
        held = True

        def release() -> None:
            nonlocal held
            if held:
                held = False
                self._free.release()

        timer = asyncio.get_running_loop().call_later(self._short_seconds, release)
        try:
            yield
        finally:
            timer.cancel()
            release()


def _ignore_line(line: str) -> None:
    del line


def _import_connection() -> type[Connection]:
    """Return the class from a module whose import takes half a second."""
    from livchatd.integrations.ssh.connection import Connection  # noqa: PLC0415

    return Connection


async def _until(deadline: float, work: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout_at(deadline):
        return await work


async def _shield_and_wait(work: Coroutine[Any, Any, T]) -> T:
    """Await what must not be left half done: a cancelled call waits for its end, then raises."""
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
    """Return what a command is called in a message: its first words, never its data."""
    words = itertools.takewhile(lambda word: not word.startswith(("-", "/")), argv[:3])
    return " ".join(words)[:80] or argv[0][:80]


def _failure(server: str, argv: tuple[str, ...], output: Output) -> CommandFailed:
    lines = (output.stderr.strip() or output.stdout.strip() or "it said nothing").splitlines()
    return CommandFailed(
        f"{_program(argv)} on {server} ended with {output.exit_code}: {lines[-1][:300]}",
        details={"exit_code": output.exit_code, "stderr": output.stderr[-2000:]},
    )
