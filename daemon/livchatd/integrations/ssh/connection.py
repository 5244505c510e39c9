"""One SSH connection to a server: made when first needed, shared, and made again when lost.

It brings asyncssh, which takes half a second to import: import it late, in a thread.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from livchat.asyncssh_guard import asyncssh
from livchat.errors import (
    HostKeyChanged,
    LivChatError,
    ProviderError,
    ProviderUnavailable,
)
from livchatd.integrations.ssh.interfaces import Endpoint, OutputBuffer, RawOutput

CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
"""Before all others: a fifth of the work of ChaCha20, which asyncssh puts together in Python."""
KEEPALIVE_SECONDS, KEEPALIVE_MISSES = 15, 3
"""Pause between keep-alive messages, and how many in a row may stay without a reply."""
SUDO = "sudo -n -- "
"""Goes before the command of a user other than root: it is one simple command, covered whole."""
CHANNELS = 8
"""Commands at once on one connection: OpenSSH allows ten (MaxSessions)."""
RESERVED_CHANNELS = 2
"""The other two are for people's commands, so that these never hold up a job."""
CHANNEL_RETRIES = 10
"""How often a refused channel is asked for again: OpenSSH counts those that have just ended."""
MAX_OUTPUT_BYTES = 32 * 1024 * 1024
"""What a command may print; more is a fault of ours and must not take the daemon's memory."""


class _NotSent(Exception):
    """The connection was lost before the command was sent: sending it again is safe."""


class Connection:
    """The connection to one server, and the channels and tunnels on it.

    `lookup` returns the server's endpoint and is asked at each connecting. `connect_slots` bounds
    how many connections are being made at once, `throttle` how many commands are sent at once, over
    all servers. `sockets` returns a new path for a Unix socket. `timeout` is for key exchange and
    login, in seconds.
    """

    def __init__(
        self,
        server: str,
        lookup: Callable[[str], Awaitable[Endpoint]],
        connect_slots: asyncio.Semaphore,
        throttle: Callable[[], AbstractAsyncContextManager[None]],
        sockets: Callable[[], Path],
        timeout: float,
    ) -> None:
        self._server = server
        self._lookup = lookup
        self._connect_slots = connect_slots
        self._throttle = throttle
        self._sockets = sockets
        self._timeout = timeout
        self._channels = asyncio.Semaphore(CHANNELS)
        self._reserved_channels = asyncio.Semaphore(RESERVED_CHANNELS)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._command_prefix = ""
        self._connecting: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._tunnels: dict[tuple[str, int], Path] = {}
        self._opening_tunnel = asyncio.Lock()
        self._closed = False

    async def connect(self) -> asyncssh.SSHClientConnection:
        """Return the live connection; callers that come while it is being made share it.

        Raises `HostKeyChanged`, `ProviderError` (the key is refused, or cannot be read) or
        `ProviderUnavailable` (refused, reset, time-out, closed).
        """
        if self._closed:
            raise ProviderUnavailable(f"the connection to {self._server} was closed")
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(_retrieve_exception)
        return await asyncio.shield(self._connecting)

    async def run(
        self, command: str, stdin: bytes, output: OutputBuffer | None = None
    ) -> RawOutput:
        """Run a command line to its end; with `output`, what it prints goes there as it comes.

        Raises `ProviderUnavailable` if the connection is lost after the command was sent (it may
        have run), or twice before it was; lost once before that, it is sent on a fresh connection.
        Raises `ProviderError` if it prints more than 32 MiB.
        """
        if output is not None:
            async with self._reserved_channels:
                return await self._run_with_resend(command, stdin, output)
        async with self._channels, self._throttle():
            return await self._run_with_resend(command, stdin, None)

    async def _run_with_resend(
        self, command: str, stdin: bytes, output: OutputBuffer | None
    ) -> RawOutput:
        try:
            return await self._run(command, stdin, output)
        except _NotSent:
            pass
        try:
            return await self._run(command, stdin, output)
        except _NotSent as lost:
            raise ProviderUnavailable(
                f"the connection to {self._server} is lost again and again: {lost}"
            ) from None

    async def tunnel(self, host: str, port: int) -> Path:
        """Return a Unix socket that connects to host:port from the server; one for each of them.

        Raises `ProviderUnavailable` if it cannot be opened.
        """
        async with self._opening_tunnel:
            connection = await self.connect()
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
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        self._forget_tunnels()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

    async def _connect(self) -> asyncssh.SSHClientConnection:
        async with self._connect_slots:
            endpoint = await self._lookup(self._server)
            connection = await _log_in(self._server, endpoint, self._timeout)
        self._command_prefix = "" if endpoint.user == "root" else SUDO
        self._forget_tunnels()
        self._connection = connection
        return connection

    def _forget_tunnels(self) -> None:
        for path in self._tunnels.values():
            path.unlink(missing_ok=True)
        self._tunnels.clear()

    async def _run(self, command: str, stdin: bytes, output: OutputBuffer | None) -> RawOutput:
        connection = await self.connect()
        session = _Session(output)
        try:
            channel = await _open_channel(connection, session, self._command_prefix + command)
        except (asyncssh.Error, OSError) as error:
            if session.opened:
                raise self._lost(error) from error
            if connection.is_closed():
                raise _NotSent(str(error)) from error
            raise ProviderUnavailable(
                f"{self._server} takes no more commands at once: {error}"
            ) from error
        try:
            return await self._finish(channel, session, stdin)
        finally:
            channel.abort()

    async def _finish(
        self, channel: asyncssh.SSHClientChannel[bytes], session: _Session, stdin: bytes
    ) -> RawOutput:
        try:
            if stdin:
                channel.write(stdin)
            channel.write_eof()
        except OSError:
            pass  # it ended without reading: its exit status tells
        lost = await session.ended
        if session.size > MAX_OUTPUT_BYTES:
            raise ProviderError(f"a command on {self._server} printed more than 32 MiB")
        code = channel.get_returncode()
        if code is None or lost is not None:
            # An exit status may be in time where the output before it was not.
            raise self._lost(lost)
        return RawOutput(bytes(session.stdout), bytes(session.stderr), code)

    def _lost(self, error: Exception | None) -> ProviderUnavailable:
        reason = f": {error}" if error else ""
        return ProviderUnavailable(
            f"the connection to {self._server} was lost while a command ran{reason}"
        )


class _Session(asyncssh.SSHClientSession[bytes]):
    """Collects what a command prints. `opened` says that the command may have been sent."""

    def __init__(self, output: OutputBuffer | None) -> None:
        self._output = output
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
        if self._output is not None:
            self._output.add(data, error=datatype is not None)
            return
        self.size += len(data)
        if self.size > MAX_OUTPUT_BYTES:
            if self._channel is not None:
                self._channel.abort()
            return
        (self.stdout if datatype is None else self.stderr).extend(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(exc)


class _TrustOnFirstUse(asyncssh.SSHClient):
    """Accepts the host key that it is shown and keeps it, to be pinned.

    With a `fingerprint` it accepts the key that has it, and no other.
    """

    def __init__(self, fingerprint: str | None) -> None:
        self.shown: asyncssh.SSHKey | None = None
        self._fingerprint = fingerprint

    def validate_host_public_key(
        self,
        host: str,  # noqa: ARG002
        addr: str,  # noqa: ARG002
        port: int,  # noqa: ARG002
        key: asyncssh.SSHKey,
    ) -> bool:
        self.shown = key
        return self._fingerprint in {None, key.get_fingerprint("sha256")}


async def _log_in(
    server: str,
    endpoint: Endpoint,
    timeout: float,  # noqa: ASYNC109 - asyncssh takes it
) -> asyncssh.SSHClientConnection:
    """Return a connection that is logged in: one key, one host key, nothing from ~/.ssh."""
    trust = _TrustOnFirstUse(endpoint.fingerprint)
    pinned = _public_key(server, endpoint.host_key) if endpoint.host_key else None
    try:
        connection = await asyncssh.connect(
            endpoint.host,
            endpoint.port,
            username=endpoint.user,
            client_keys=[_private_key(server, endpoint.private_key)],
            client_factory=asyncssh.SSHClient if pinned else lambda: trust,
            known_hosts=([pinned] if pinned else [], [], []),
            server_host_key_algs=_algorithms(pinned) if pinned else "default",
            preferred_auth="publickey",
            agent_path=None,
            config=None,
            x509_trusted_certs=None,
            compression_algs=None,
            encryption_algs=CIPHERS,
            connect_timeout=timeout,
            login_timeout=timeout,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=KEEPALIVE_MISSES,
        )
    except (asyncssh.Error, OSError, TimeoutError) as error:
        raise _explain(server, endpoint, error) from error
    if trust.shown is not None and endpoint.pin is not None:
        await endpoint.pin(trust.shown.export_public_key("openssh").decode().strip())
    return connection


async def _open_channel(
    connection: asyncssh.SSHClientConnection, session: _Session, command: str
) -> asyncssh.SSHClientChannel[bytes]:
    """Return a channel with the command on it. A command whose channel is refused was not sent."""
    attempt = 0
    while True:
        try:
            channel, _ = await connection.create_session(lambda: session, command, encoding=None)
        except asyncssh.ChannelOpenError:
            # A connection that is full has room soon; one that is gone never.
            if connection.is_closed() or attempt == CHANNEL_RETRIES:
                raise
        else:
            return channel
        await asyncio.sleep(0.01 * 2**attempt)
        attempt += 1


def _private_key(server: str, text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise ProviderError(
            f"the private key for {server} cannot be read: {error}",
            hint=f"livchat server add {server} --identity FILE",
        ) from None


def _public_key(server: str, line: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(line)
    except asyncssh.KeyImportError as error:
        raise ProviderError(f"the host key pinned for {server} cannot be read: {error}") from None


def _algorithms(pinned: asyncssh.SSHKey) -> list[str]:
    """Return the pinned key's algorithms first, then all others.

    Asked for the pinned kind alone, a server that has only another kind hangs up, which looks like
    a lost connection; offered all, it shows its key, and that the key is another one is certain.
    """
    own = [name.decode() for name in pinned.sig_algorithms]
    others = [name.decode() for name in asyncssh.public_key.get_default_public_key_algs()]
    return own + [name for name in others if name not in own]


def _explain(server: str, endpoint: Endpoint, error: Exception) -> LivChatError:
    address = f"{endpoint.host}:{endpoint.port}"
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return HostKeyChanged(
            f"{server} ({address}) shows another host key than the pinned one: "
            "another machine may answer at its address",
            hint=f"livchat server show {server}",
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return ProviderError(
            f"{server} ({address}) refuses our key for user {endpoint.user}",
            hint=f"livchat server add {server} --user USER --identity FILE",
        )
    return ProviderUnavailable(f"{server} ({address}) does not answer over SSH: {_reason(error)}")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    return (str(error) or type(error).__name__).splitlines()[0]


def _retrieve_exception(task: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
    """Look at the outcome of a connecting that nobody waits for any more, so nothing is logged."""
    if not task.cancelled():
        task.exception()
