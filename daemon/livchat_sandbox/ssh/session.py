"""One session on the SSH server of a machine: one command, no shell, terminal or subsystem."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livchat_sandbox.commands import dispatch
from livchat_sandbox.commands.result import CommandResult
from livchat_sandbox.faults.effects import CommandEffect, CommandFailure
from livchat_sandbox.faults.http import MAX_HOLD_SECONDS, slow_answer_delay
from livchat_sandbox.faults.registry import SSH
from livchat_sandbox.ssh.asyncssh_guard import asyncssh
from livchat_sandbox.ssh.faults import command_route, failed_result

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock
    from livchat_sandbox.faults.plan import FaultDraw
    from livchat_sandbox.machine.machine import Machine
    from livchat_sandbox.ssh.accounts import Account

_ROUND_TRIP_SECONDS = 0.2
"""Simulated seconds for a command to go there and back: 20 ms at the default scale."""
_POLL_SECONDS = 0.02
"""Real seconds between looks at a unit whose output is waited for."""


@dataclass(frozen=True)
class Target:
    """Where commands run: a machine, its clock, and the faults that may hit them."""

    machine: Machine
    clock: Clock
    draw_fault: FaultDraw


class CommandSession(asyncssh.SSHServerSession[bytes]):
    """Runs one command of a user, with its standard input if the command reads that."""

    def __init__(
        self,
        target: Target,
        account: Account,
        abort_connection: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._target = target
        self._account = account
        self._abort_connection = abort_connection
        self._on_end = on_end
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._line = ""
        self._refusal: CommandResult | None = None
        self._stdin = bytearray()
        self._reads_stdin = False
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel that the output goes to."""
        self._channel = chan

    def connection_lost(self, _exc: Exception | None) -> None:
        """Stop waiting for the command, whose client is gone."""
        self._on_end()
        if self._task is not None:
            self._task.cancel()

    def exec_requested(self, command: str) -> bool:
        """Take the command of the session, or refuse it to a user who is not root."""
        line = self._account.root_command(command)
        if isinstance(line, CommandResult):
            self._refusal = line
        else:
            self._line = line
        return True

    def session_started(self) -> None:
        """Run the command, unless its input is still to come."""
        self._reads_stdin = dispatch.reads_input(self._line)
        if not self._reads_stdin:
            self._start()

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        """Collect the input of a command that reads it."""
        if self._reads_stdin:
            self._stdin += data

    def eof_received(self) -> bool:
        """Run a command that waited for the end of its input."""
        if self._reads_stdin:
            self._reads_stdin = False
            self._start()
        return True

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._respond())

    async def _respond(self) -> None:
        await self._target.clock.sleep(_ROUND_TRIP_SECONDS / 2)
        result = self._refusal or await self._run()
        if result is None:
            return
        await self._target.clock.sleep(_ROUND_TRIP_SECONDS / 2 + result.seconds)
        if result.unit is not None:
            await self._stream_unit(result, result.unit)
        channel = self._channel
        if channel is None or channel.is_closing():
            return
        channel.write(result.stdout.encode(errors="surrogateescape"))
        channel.write_stderr(result.stderr.encode(errors="surrogateescape"))
        channel.exit(result.exit_status)

    async def _run(self) -> CommandResult | None:
        """Return the command's result; None if none is sent, since the connection is gone."""
        name = self._target.draw_fault("ssh", command_route(self._line), self._line)
        effect = None if name is None else SSH[name].effect.on_command
        if effect is CommandEffect.SILENT:
            await asyncio.sleep(MAX_HOLD_SECONDS)
        if effect in {CommandEffect.SILENT, CommandEffect.RESET}:
            self._abort_connection()
            return None
        if effect is CommandEffect.SLOW:
            await slow_answer_delay(self._target.clock)
        result = self._execute(effect if isinstance(effect, CommandFailure) else None)
        if effect is CommandEffect.LOST:
            self._abort_connection()
            return None
        return result

    def _execute(self, failure: CommandFailure | None) -> CommandResult:
        machine = self._target.machine
        if failure is not None:
            if not self._line.startswith("systemd-run"):
                return failed_result(failure, self._line)
            # The unit starts, and what it runs fails.
            machine.forced_failure = failure
        return dispatch.execute(machine, self._line, bytes(self._stdin))

    async def _stream_unit(self, result: CommandResult, unit: str) -> None:
        """Send the output of a unit at its moments, until the unit has ended or was stopped."""
        for moment, text, is_error in result.timed_output:
            if not await self._still_runs_at(moment, unit):
                return
            channel, data = self._channel, text.encode(errors="surrogateescape")
            if channel is None or channel.is_closing():
                return
            (channel.write_stderr if is_error else channel.write)(data)
        while unit in self._target.machine.units:
            await asyncio.sleep(_POLL_SECONDS)
            self._target.machine.advance_to_now()

    async def _still_runs_at(self, moment: float, unit: str) -> bool:
        """Wait until a moment; return False as soon as the unit is gone."""
        while (left := moment - self._target.clock.now()) > 0:
            if unit not in self._target.machine.units:
                return False
            await asyncio.sleep(min(left, _POLL_SECONDS))
        return True
