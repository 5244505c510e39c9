"""One SSH connection to a server: dialled when first needed, shared, and dialled again when lost.

Import it late: it brings asyncssh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from livchat.errors import ProviderError, ProviderUnavailable
from livchatd.integrations.ssh.asyncssh_import import asyncssh
from livchatd.integrations.ssh.connect import dial
from livchatd.integrations.ssh.output_buffer import Taken
from livchatd.integrations.ssh.throttle import Turns

if TYPE_CHECKING:
    from livchatd.integrations.ssh.interfaces import Endpoint

SUDO = "sudo -n -- "
"""Goes before the command of a user other than root: one simple command, so it covers it whole."""
CHANNELS = 8
"""Commands at once on one connection: OpenSSH allows ten (MaxSessions)."""
ASIDE = 2
"""The other two are for people's commands, so that these never hold up a job."""
CROWDED = 10
"""How often a command that found no room is offered again: OpenSSH counts those just ended."""
OUTPUT_LIMIT = 32 * 1024 * 1024
"""Bytes that a command may print; more is a fault of ours and must not take the daemon's memory."""


@dataclass(frozen=True)
class Answer:
    """What a command printed and its exit status; negative: the signal that ended it."""

    stdout: bytes
    stderr: bytes
    exit_code: int


class _NotSent(Exception):
    """The connection was lost before the command was sent: sending it again is safe."""


class Link:
    """The connection of one server, dialled with so many seconds of patience.

    `gate` bounds how many connections are dialled at once, `turns` how many commands are sent.
    """

    def __init__(
        self,
        server: str,
        lookup: Callable[[str], Awaitable[Endpoint]],
        gate: asyncio.Semaphore,
        turns: Turns,
        sockets: Callable[[], Path],
        patience: float,
    ) -> None:
        self._server = server
        self._lookup = lookup
        self._gate = gate
        self._turns = turns
        self._sockets = sockets
        self._patience = patience
        self._channels = asyncio.Semaphore(CHANNELS)
        self._aside = asyncio.Semaphore(ASIDE)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._before = ""
        self._dialling: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._tunnels: dict[tuple[str, int], Path] = {}
        self._opening = asyncio.Lock()
        self._closed = False

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The live connection; whoever comes while it is being dialled waits for the same one."""
        if self._closed:
            raise ProviderUnavailable(f"the connection to {self._server} was closed")
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.create_task(self._dial())
            self._dialling.add_done_callback(_seen)
        return await asyncio.shield(self._dialling)

    async def run(self, line: str, stdin: bytes, taken: Taken | None = None) -> Answer:
        """Run a command line to its end. With `taken` what it prints goes there as it comes.

        Lost before it was sent, it is sent once more on a fresh connection; lost after that, it is
        `ProviderUnavailable`: it may have run.
        """
        if taken is not None:
            async with self._aside:
                return await self._twice(line, stdin, taken)
        async with self._channels, self._turns.turn():
            return await self._twice(line, stdin, None)

    async def _twice(self, line: str, stdin: bytes, taken: Taken | None) -> Answer:
        try:
            return await self._run(line, stdin, taken)
        except _NotSent:
            pass
        try:
            return await self._run(line, stdin, taken)
        except _NotSent as lost:
            raise ProviderUnavailable(
                f"the connection to {self._server} is lost again and again: {lost}"
            ) from None

    async def tunnel(self, host: str, port: int) -> Path:
        """A Unix socket whose connections come out at host:port; the same one while it lives."""
        async with self._opening:
            connection = await self.connection()
            known = self._tunnels.get((host, port))
            if known is not None:
                return known
            path = self._sockets()
            try:
                await connection.forward_local_path_to_port(str(path), host, port)
            except OSError as error:
                raise ProviderUnavailable(
                    f"no tunnel to {self._server} can be opened: {error.strerror}"
                ) from error
            self._tunnels[host, port] = path
            return path

    async def close(self) -> None:
        """Close the connection and its tunnels; what runs on the server goes on."""
        self._closed = True
        if self._dialling is not None and not self._dialling.done():
            self._dialling.cancel()
            await asyncio.wait({self._dialling})
        self._forget_tunnels()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

    async def _dial(self) -> asyncssh.SSHClientConnection:
        async with self._gate:
            endpoint = await self._lookup(self._server)
            connection = await dial(self._server, endpoint, self._patience)
        self._before = "" if endpoint.user == "root" else SUDO
        self._forget_tunnels()
        self._connection = connection
        return connection

    def _forget_tunnels(self) -> None:
        for path in self._tunnels.values():
            path.unlink(missing_ok=True)
        self._tunnels.clear()

    async def _run(self, line: str, stdin: bytes, taken: Taken | None) -> Answer:
        connection = await self.connection()
        capture = _Capture(taken)
        try:
            channel = await _open(connection, capture, self._before + line)
        except (asyncssh.Error, OSError) as error:
            if capture.opened:
                raise self._lost(error) from error
            if connection.is_closed():
                raise _NotSent(str(error)) from error
            raise ProviderUnavailable(
                f"{self._server} takes no more commands at once: {error}"
            ) from error
        try:
            return await self._finish(channel, capture, stdin)
        finally:
            channel.abort()

    async def _finish(
        self, channel: asyncssh.SSHClientChannel[bytes], capture: _Capture, stdin: bytes
    ) -> Answer:
        try:
            if stdin:
                channel.write(stdin)
            channel.write_eof()
        except OSError:
            pass  # it ended without reading: its exit status tells
        lost = await capture.ended
        if capture.size > OUTPUT_LIMIT:
            raise ProviderError(f"a command on {self._server} printed more than 32 MiB")
        code = channel.get_returncode()
        if code is None or lost is not None:
            # An exit status may be in time where the output before it was not.
            raise self._lost(lost)
        return Answer(bytes(capture.stdout), bytes(capture.stderr), code)

    def _lost(self, error: Exception | None) -> ProviderUnavailable:
        reason = f": {error}" if error else ""
        return ProviderUnavailable(
            f"the connection to {self._server} was lost while a command ran{reason}"
        )


async def _open(
    connection: asyncssh.SSHClientConnection, capture: _Capture, line: str
) -> asyncssh.SSHClientChannel[bytes]:
    """A channel with the command on it. One that is refused has not been sent."""
    turn = 0
    while True:
        try:
            channel, _ = await connection.create_session(lambda: capture, line, encoding=None)
        except asyncssh.ChannelOpenError:
            # One that is crowded has room soon; one that is gone never.
            if connection.is_closed() or turn == CROWDED:
                raise
        else:
            return channel
        await asyncio.sleep(0.01 * 2**turn)
        turn += 1


class _Capture(asyncssh.SSHClientSession[bytes]):
    """Collects what a command prints. `opened` says that the command may have been sent."""

    def __init__(self, taken: Taken | None) -> None:
        self._taken = taken
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.size = 0
        self.opened = False
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self.opened = True
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if self._taken is not None:
            self._taken.add(data, error=datatype is not None)
            return
        self.size += len(data)
        if self.size > OUTPUT_LIMIT:
            if self._channel is not None:
                self._channel.abort()
            return
        (self.stdout if datatype is None else self.stderr).extend(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(exc)


def _seen(task: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
    """Take the outcome of a dialling that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
