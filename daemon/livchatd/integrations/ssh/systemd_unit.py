"""A long command as a transient systemd unit: it outlives the connection and the daemon."""

# ruff: noqa: ASYNC109 - a time-out here ends with the unit stopped

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from livchat.errors import CommandFailed, ProviderUnavailable, TimedOut
from livchat.sanitize import clean_text
from livchatd.integrations.ssh.interfaces import Output, RawOutput

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus")
_NEWLINE = re.compile(rb"\r\n|\r|\n")
_MAX_LINE_BYTES = 64 * 1024
_KEPT_LINES = 20
"""Last lines that are kept for the error of a unit that fails."""
_STOP_SECONDS = 60.0
_RECONNECT_SECONDS = 2.0


class ShellCommands(Protocol):
    """What a unit needs of a shell."""

    async def run(
        self, *argv: str, stdin: str | bytes | None = None, timeout: float = 60, check: bool = True
    ) -> Output:
        """Run a short command; see `Shell.run`."""

    async def execute(self, *argv: str, stdin: bytes = b"", timeout: float = 60) -> RawOutput:
        """Run a short command and return what it printed in bytes, whatever its exit status."""


class Unit:
    """One transient unit on one server.

    Each line that it prints is given to `on_line`; `on_start` is called before it is started, not
    where it is attached to. `poll` is the first pause between looks at it, in seconds.
    """

    def __init__(
        self,
        shell: ShellCommands,
        name: str,
        on_line: Callable[[str], None],
        on_start: Callable[[], Awaitable[None]],
        poll: float,
    ) -> None:
        self._on_start = on_start
        self._shell = shell
        self._name = name
        self._log = f"/var/log/livchat/{name}.log"
        self._lines = LineSplitter(on_line)
        self._poll = max(poll, 0.002)
        self._started = False

    async def run(
        self, argv: tuple[str, ...], environment: Mapping[str, str], timeout: float
    ) -> None:
        """Start the unit, or attach to it; return when it ended with 0 and is cleared away.

        A lost connection is made again until `timeout` seconds have passed; then the unit is
        stopped and `TimedOut` raised. Raises `CommandFailed`, with the last lines in its details,
        if it ends with anything but 0 or has vanished.
        """
        try:
            async with asyncio.timeout(timeout):
                state = await self._reconnecting(argv, environment)
        except TimeoutError:
            await self.stop()
            raise TimedOut(
                f"{self._name} did not end within {timeout:g} s and was stopped",
                details={"lines": self._lines.last},
            ) from None
        self._lines.end()
        if state["ActiveState"] == "inactive":
            raise CommandFailed(
                f"{self._name} has vanished: it was stopped, or the server was restarted",
                details={"lines": self._lines.last},
            )
        await self._clear(state)
        if state["ActiveState"] != "active":
            raise self._failure(state)

    async def stop(self) -> None:
        """Stop the unit with all its children and see that it is gone.

        Raises `ProviderUnavailable` if it was not seen gone within a minute.
        """
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                while True:
                    if await self._stopped():
                        return
                    await asyncio.sleep(self._poll)
        except TimeoutError:
            raise ProviderUnavailable(
                f"{self._name} was told to stop, but the server does not say that it has"
            ) from None

    async def _reconnecting(
        self, argv: tuple[str, ...], environment: Mapping[str, str]
    ) -> dict[str, str]:
        while True:
            try:
                return await self._follow(argv, environment)
            except (ProviderUnavailable, TimedOut):
                await asyncio.sleep(min(_RECONNECT_SECONDS, self._poll * 10))

    async def _follow(
        self, argv: tuple[str, ...], environment: Mapping[str, str]
    ) -> dict[str, str]:
        """Start the unit or attach to it; return its properties once it has ended."""
        state = await self._state()
        if state["LoadState"] == "not-found":
            if self._started:
                return state
            await self._on_start()
            await self._start(argv, environment)
            state = await self._state()
        self._started = True
        pause = self._poll
        while _is_running(state):
            await self._read()
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self._poll * 5)
            state = await self._state()
        await self._read()
        return state

    async def _start(self, argv: tuple[str, ...], environment: Mapping[str, str]) -> None:
        await self._shell.run("install", "-D", "-m", "0600", "/dev/stdin", self._log, stdin=b"")
        started = await self._shell.run(
            "systemd-run",
            f"--unit={self._name}",
            *("-p", "RemainAfterExit=yes"),
            *("-p", f"StandardOutput=append:{self._log}"),
            *("-p", f"StandardError=append:{self._log}"),
            *(f"--setenv={key}={value}" for key, value in environment.items()),
            "--",
            *argv,
            check=False,
        )
        # Our own first try, whose answer was lost, may have started it.
        if started.exit_code and "already loaded" not in started.stderr:
            reason = started.stderr.strip().splitlines() or ["no reason given"]
            raise CommandFailed(
                f"{self._name} cannot be started: {reason[-1]}",
                details={"exit_code": started.exit_code},
            )

    async def _state(self) -> dict[str, str]:
        options = [word for name in _PROPERTIES for word in ("-p", name)]
        shown = await self._shell.run("systemctl", "show", self._name, *options)
        state = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
        return {key: state.get(key, "") for key in _PROPERTIES}

    async def _read(self) -> None:
        tail = await self._shell.execute("tail", "-c", f"+{self._lines.offset + 1}", self._log)
        if tail.exit_code == 0:
            self._lines.feed(tail.stdout)

    async def _clear(self, state: dict[str, str]) -> None:
        """Forget the unit, so that its name is free: left there, it is the next try's outcome."""
        verb = "stop" if state["ActiveState"] == "active" else "reset-failed"
        for pause in (min(_RECONNECT_SECONDS, self._poll * 10), 0.0):
            with contextlib.suppress(ProviderUnavailable, TimedOut):
                cleared = await self._shell.run("systemctl", verb, self._name, check=False)
                if cleared.exit_code == 0:
                    return
            await asyncio.sleep(pause)
        await self._shell.run("systemctl", verb, self._name, check=False)

    async def _stopped(self) -> bool:
        try:
            await self._shell.run("systemctl", "stop", self._name, check=False)
            await self._shell.run("systemctl", "reset-failed", self._name, check=False)
            state = await self._state()
        except (ProviderUnavailable, TimedOut):
            await asyncio.sleep(min(_RECONNECT_SECONDS, self._poll * 10))
            return False
        return not _is_running(state) and state["ActiveState"] != "active"

    def _failure(self, state: dict[str, str]) -> CommandFailed:
        lines = self._lines.last
        reason = f": {lines[-1]}" if lines else ""
        return CommandFailed(
            f"{self._name} ended with {state['ExecMainStatus']} ({state['Result']}){reason}",
            details={"exit_code": int(state["ExecMainStatus"] or 0), "lines": lines},
        )


class LineSplitter:
    """Cuts a growing file into lines, at CR as well as LF, and gives them cleaned to `on_line`.

    `offset` is the number of bytes read so far.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.offset = 0
        self._on_line = on_line
        self._rest = b""
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)

    @property
    def last(self) -> list[str]:
        """The last lines, at most 20, the oldest first."""
        return list(self._last)

    def feed(self, data: bytes) -> None:
        """Take the bytes that were added to the file."""
        self.offset += len(data)
        *whole, self._rest = _NEWLINE.split(self._rest + data)
        for line in whole:
            self._emit(line)
        if len(self._rest) > _MAX_LINE_BYTES:
            self.end()

    def end(self) -> None:
        """Emit what is left: the last line may have no end."""
        rest, self._rest = self._rest, b""
        self._emit(rest)

    def _emit(self, line: bytes) -> None:
        text = clean_text(line.decode("utf-8", "replace")).rstrip()
        if text:
            self._last.append(text)
            self._on_line(text)


def _is_running(state: dict[str, str]) -> bool:
    """Return whether there is more to come; a unit that ended well stays active but exited."""
    active = state["ActiveState"]
    return active in {"activating", "deactivating", "reloading"} or (
        active == "active" and state["SubState"] != "exited"
    )
