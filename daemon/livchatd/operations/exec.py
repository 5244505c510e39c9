"""A person's command on a server: bounded in time and size, its output without secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from livchat.errors import Conflict, NotFound, ProviderUnavailable, TimedOut
from livchat.sanitize import clean_text
from livchat.wire.servers import ExecCommand, ExecResult
from livchatd.integrations.ssh.interfaces import OutputBuffer
from livchatd.integrations.ssh.user_command import CommandShells, UserCommand
from livchatd.jobs.engine import Engine
from livchatd.operations.servers import ServerOperations

MAX_OUTPUT_BYTES = 64 * 1024
"""Bytes that are returned of stdout, and as many of stderr."""
MARGIN_BYTES = 16 * 1024
"""Bytes read beyond that, so that a secret across the limit is seen, and redacted, as a whole."""


@dataclass(frozen=True)
class UserCommands:
    """Runs people's commands; `redact` masks every secret that is known."""

    shells: CommandShells
    redact: Callable[[str], str]

    async def run(self, server: str, request: ExecCommand) -> ExecResult:
        """Run a command, and return what it printed and its exit status.

        Raises `TimedOut`, with what it printed in its details, after the request's `timeout`, and
        `ProviderUnavailable` if the server is not reached.
        """
        output = OutputBuffer(MAX_OUTPUT_BYTES + MARGIN_BYTES)
        try:
            command = UserCommand(self.shells, server, request.command, output)
            outcome = await command.run(request.timeout)
        except NotFound as error:
            raise ProviderUnavailable(
                f"'{server}' cannot be reached: {error.message}",
                hint=f"livchat server show {server}",
            ) from error
        stdout, stdout_cut = self._cleaned(output.stdout)
        stderr, stderr_cut = self._cleaned(output.stderr)
        result = ExecResult(
            success=outcome.exit_code == 0,
            server_name=server,
            command=self.redact(request.command),
            stdout=stdout,
            stderr=stderr,
            exit_code=outcome.exit_code,
            truncated=stdout_cut or stderr_cut,
            duration_seconds=round(outcome.seconds, 3),
        )
        if outcome.exit_code is not None:
            return result
        stopped = outcome.confirmed_stopped
        after = (
            "and was stopped" if stopped else "and may run on for a few seconds: it does not stop"
        )
        raise TimedOut(
            f"the command on '{server}' did not end within {request.timeout} s {after}",
            hint=f"livchat server exec {server} --timeout {min(300, request.timeout * 2)} -- CMD",
            details={**result.model_dump(mode="json"), "stopped": stopped},
        )

    def _cleaned(self, raw: bytearray) -> tuple[str, bool]:
        """Return output without secrets and control characters, and whether it was cut."""
        text = self.redact(clean_text(raw.decode("utf-8", "replace")))
        data = text.encode()
        was_full = len(raw) == MAX_OUTPUT_BYTES + MARGIN_BYTES
        if was_full:
            # The end may be the beginning of a secret, which is not redacted.
            data = data[:-MARGIN_BYTES]
        cut = was_full or len(data) > MAX_OUTPUT_BYTES
        return data[:MAX_OUTPUT_BYTES].decode("utf-8", "ignore"), cut


@dataclass(frozen=True)
class ExecOperations:
    """What can be asked to be run on a server."""

    servers: ServerOperations
    engine: Engine
    commands: UserCommands

    async def run(self, server: str, request: ExecCommand) -> ExecResult:
        """Run a command on a server, and return what it printed and its exit status.

        Raises `NotFound` for the server, `Conflict` while it has no address, and what
        `UserCommands.run` raises.
        """
        if self.servers.existing(server).ip_address is None:
            job_id = self.engine.active_job_of(server)
            raise Conflict(
                f"'{server}' has no address yet",
                hint=f"livchat job watch {job_id}" if job_id else f"livchat server show {server}",
                details={"server": server, "job_id": job_id},
            )
        return await self.commands.run(server, request)
