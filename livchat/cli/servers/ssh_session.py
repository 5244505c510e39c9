"""A shell on a server, opened by asyncssh: for a machine that has no ssh program.

Importing this file loads asyncssh, so it is imported when a shell is asked for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from livchat.asyncssh_guard import asyncssh
from livchat.errors import HostKeyChanged, LivChatError, ProviderError, ProviderUnavailable
from livchat.host_key import host_key_algorithms

Json = dict[str, Any]
Process = asyncssh.SSHClientProcess[bytes]

FAILED = 255
"""The exit status of the ssh program for a connection that fails or a command that is killed."""
CONNECT_SECONDS = 30
KEEPALIVE_SECONDS, KEEPALIVES = 15, 4
"""A server that is silent for a minute is gone; a raw terminal has no other way out."""
_CHUNK = 64 * 1024
_STDIN, _STDOUT, _STDERR = 0, 1, 2


def run(access: Json, private_key: str, command: str | None) -> int:
    """Run a shell, or a command, until it ends; its exit status, or 128 + N where signal N ends us.

    `access` is a `wire.servers.SshAccess` with a host key. Raises HostKeyChanged, ProviderError or
    ProviderUnavailable, with the exit code 255, where the shell cannot be opened or is cut off.
    """
    try:
        return asyncio.run(_session(access, private_key, command))
    except BrokenPipeError:
        return 128 + signal.SIGPIPE  # Who read our output has gone.
    except (asyncssh.Error, OSError) as error:
        problem = _explain(access, error)
        problem.exit_code = FAILED
        raise problem from error


async def _session(access: Json, private_key: str, command: str | None) -> int:
    interactive = command is None and os.isatty(_STDIN)
    terminal: Json = {}
    if interactive:
        size = os.get_terminal_size(_STDIN)
        terminal = {
            "term_type": os.environ.get("TERM") or "dumb",
            "term_size": (size.columns, size.lines),
        }
    async with await _connect(access, private_key) as connection:
        process = await connection.create_process(command, encoding=None, **terminal)
        with _raw_terminal() if interactive else nullcontext():
            status, killed = await _until_end(process)
        if killed:
            connection.abort()
    return status


async def _connect(access: Json, private_key: str) -> asyncssh.SSHClientConnection:
    """A connection with one key and one host key: nothing from ~/.ssh, nothing from an agent."""
    pinned = asyncssh.import_public_key(access["host_key"])
    return await asyncssh.connect(
        access["host"],
        access["port"],
        username=access["user"],
        client_keys=[asyncssh.import_private_key(private_key)],
        known_hosts=([pinned], [], []),
        server_host_key_algs=host_key_algorithms(pinned),
        preferred_auth="publickey",
        agent_path=None,
        config=None,
        x509_trusted_certs=None,
        connect_timeout=CONNECT_SECONDS,
        login_timeout=CONNECT_SECONDS,
        keepalive_interval=KEEPALIVE_SECONDS,
        keepalive_count_max=KEEPALIVES,
    )


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """The terminal passes each key on, Ctrl-C too, and echoes none: the remote one does that."""
    before = termios.tcgetattr(_STDIN)
    tty.setraw(_STDIN, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)


async def _until_end(process: Process) -> tuple[int, bool]:
    """Pass input, output, signals and the size of the terminal on.

    Returns the exit status, and whether a signal ended us before the remote command ended.
    """
    signals = _Signals(process)
    killed = signals.killed
    with signals.handled():
        sending = asyncio.create_task(_send_input(process))
        receiving = asyncio.create_task(_receive_output(process))
        await asyncio.wait({receiving, killed}, return_when=asyncio.FIRST_COMPLETED)
        sending.cancel()
        receiving.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)
    return (killed.result(), True) if killed.done() else (receiving.result(), False)


class _Signals:
    """Signals to us while a remote command runs; `killed` has 128 + N once signal N ends us."""

    def __init__(self, process: Process) -> None:
        self.killed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._process = process
        self._interrupted = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """The first SIGINT goes to the remote command; another one, SIGTERM or SIGHUP ends us."""
        handlers = {
            signal.SIGINT: self._interrupt,
            signal.SIGTERM: lambda: self._end(signal.SIGTERM),
            signal.SIGHUP: lambda: self._end(signal.SIGHUP),
            signal.SIGWINCH: self._resize,
        }
        loop = asyncio.get_running_loop()
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _interrupt(self) -> None:
        if self._interrupted:
            self._end(signal.SIGINT)
            return
        self._interrupted = True
        self._process.send_signal("INT")

    def _end(self, number: signal.Signals) -> None:
        if not self.killed.done():
            self.killed.set_result(128 + number)

    def _resize(self) -> None:
        if os.isatty(_STDIN):
            self._process.change_terminal_size(*os.get_terminal_size(_STDIN))


async def _send_input(process: Process) -> None:
    """What comes in on stdin, to its end. What cannot be sent any more is not read."""
    while data := await _read():
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.write_eof()


async def _read() -> bytes:
    """The next bytes of stdin; none at its end, also where the terminal was closed."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(_STDIN, ready.set)
    except PermissionError:
        pass  # A regular file, or /dev/null: epoll refuses it, and it is ready at any time.
    else:
        try:
            await ready.wait()
        finally:
            loop.remove_reader(_STDIN)
    try:
        return os.read(_STDIN, _CHUNK)
    except OSError:
        return b""


async def _receive_output(process: Process) -> int:
    await asyncio.gather(
        _copy(process.stdout, _STDOUT),
        _copy(process.stderr, _STDERR),
    )
    await process.wait_closed()
    return FAILED if process.exit_status is None else process.exit_status


async def _copy(reader: asyncssh.SSHReader[bytes], handle: int) -> None:
    """Write what the server sends as it is: it is the person's terminal that shows it."""
    while data := await reader.read(_CHUNK):
        while data:
            data = data[os.write(handle, data) :]


def _explain(access: Json, error: Exception) -> LivChatError:
    name = access["server"]
    where = f"{name} ({access['host']}:{access['port']})"
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return HostKeyChanged(
            f"{where} shows another host key than the pinned one: "
            "another machine may answer at its address",
            hint=f"livchat server show {name}",
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return ProviderError(
            f"{where} refuses our key for user {access['user']}",
            hint=f"livchat server show {name}",
        )
    if isinstance(error, asyncssh.ChannelOpenError):
        return ProviderError(
            f"{where} opens no shell: {error.reason}",
            hint=f"livchat server exec {name} -- COMMAND",
        )
    reason = getattr(error, "strerror", None) or str(error) or "it took too long"
    return ProviderUnavailable(
        f"{where} does not answer over SSH: {reason.splitlines()[0].lower()}",
        hint=f"livchat server show {name}",
    )
