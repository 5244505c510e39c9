"""An SSH server that gives real shells on real terminals, in a thread of the test."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from livchat.asyncssh_guard import asyncssh

Process = asyncssh.SSHServerProcess[bytes]


class ShellHost:
    """One host with one key pair; `private` opens it, `host_key` is what it shows."""

    def __init__(self) -> None:
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._children: set[asyncio.subprocess.Process] = set()
        self._server: asyncssh.SSHAcceptor | None = None
        self.port = 0

    @property
    def private(self) -> str:
        return self._key.export_private_key("openssh").decode()

    @property
    def host_key(self) -> str:
        return self._host_key.export_public_key("openssh").decode().strip()

    @staticmethod
    def another_host_key() -> str:
        key = asyncssh.generate_private_key("ssh-ed25519")
        return str(key.export_public_key("openssh").decode().strip())

    @contextmanager
    def running(self) -> Iterator[ShellHost]:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            self._do(self._listen())
            yield self
        finally:
            self._do(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def cut(self) -> None:
        """Abort all connections, as a network that is gone does."""
        self._do(self._abort())

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _listen(self) -> None:
        self._connections: list[asyncssh.SSHServerConnection] = []
        self._server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Login(self._key, self._connections),
            server_host_keys=[self._host_key],
            process_factory=self._serve,
            encoding=None,
            line_editor=False,
        )
        self.port = self._server.get_port()

    async def _abort(self) -> None:
        for connection in self._connections:
            connection.abort()

    async def _close(self) -> None:
        await self._abort()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        while self._children:
            await asyncio.sleep(0.01)

    async def _serve(self, process: Process) -> None:
        on = self._on_terminal if process.term_type else self._on_pipes
        # Who has hung up reads no more.
        with contextlib.suppress(OSError, asyncssh.Error):
            await on(process)

    async def _on_terminal(self, process: Process) -> None:
        ours, theirs = pty.openpty()
        _set_size(ours, process)
        async with self._child(process, theirs, TERM=process.term_type or "") as child:
            os.close(theirs)
            typing = asyncio.create_task(_to_terminal(process, ours))
            try:
                while data := await self._loop.run_in_executor(None, _read, ours):
                    process.stdout.write(data)
            finally:
                typing.cancel()
                os.close(ours)
            await _exit(process, child)

    async def _on_pipes(self, process: Process) -> None:
        async with self._child(process, asyncio.subprocess.PIPE) as child:
            typing = asyncio.create_task(_to_child(process, child))
            try:
                await asyncio.gather(
                    _from(child.stdout, process.stdout), _from(child.stderr, process.stderr)
                )
            finally:
                typing.cancel()
            await _exit(process, child)

    @asynccontextmanager
    async def _child(
        self, process: Process, stream: int, **more: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A shell or a command, in a session of its own; none outlives its connection."""
        words = ["-c", f"exec {process.command}"] if process.command else ["-i"]
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            *(words if more or process.command else []),
            stdin=stream,
            stdout=stream,
            stderr=stream,
            env={"PATH": os.environ["PATH"], "PS1": "ready$ ", **more},
            start_new_session=True,
            preexec_fn=_take_terminal if more else None,
        )
        self._children.add(child)
        gone = asyncio.create_task(self._hang_up(process, child))
        try:
            yield child
        finally:
            gone.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child._transport.close()  # type: ignore[attr-defined]  # asyncio has no public way
            await child.wait()
            self._children.discard(child)

    async def _hang_up(self, process: Process, child: asyncio.subprocess.Process) -> None:
        await process.wait_closed()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


async def _exit(process: Process, child: asyncio.subprocess.Process) -> None:
    code = await child.wait()
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)


class _Login(asyncssh.SSHServer):
    def __init__(
        self, key: asyncssh.SSHKey, connections: list[asyncssh.SSHServerConnection]
    ) -> None:
        self._key = key
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connections.append(conn)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "root" and key == self._key.convert_to_public()


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _set_size(terminal: int, process: Process) -> None:
    columns, rows, *_ = process.term_size
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


async def _to_terminal(process: Process, terminal: int) -> None:
    while True:
        try:
            data = await process.stdin.read(65536)
        except asyncssh.TerminalSizeChanged:
            _set_size(terminal, process)
            continue
        if not data:
            return
        os.write(terminal, data)


async def _to_child(process: Process, child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    while True:
        try:
            data = await process.stdin.read(65536)
        except asyncssh.SignalReceived as received:
            os.killpg(child.pid, getattr(signal, f"SIG{received.signal}"))
            continue
        if not data:
            child.stdin.close()
            return
        child.stdin.write(data)
        await child.stdin.drain()


async def _from(reader: asyncio.StreamReader | None, writer: asyncssh.SSHWriter[bytes]) -> None:
    assert reader is not None
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
