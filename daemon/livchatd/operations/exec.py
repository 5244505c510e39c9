"""A person's command on a server: within its time, cut to size, without secrets and controls."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from livchat.errors import NotFound, ProviderUnavailable, TimedOut
from livchat.wire.servers import ExecCommand, ExecResult
from livchatd.integrations.ssh.output_buffer import Taken
from livchatd.integrations.ssh.user_command import Command, CommandShells

LIMIT = 64 * 1024
"""Bytes of each output that are given back."""
MARGIN = 16 * 1024
"""Bytes read beyond the limit, so that a secret across it is known, and masked, as a whole."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Commands:
    """Runs people's commands; `redact` masks every secret that is known."""

    shells: CommandShells
    redact: Callable[[str], str]

    async def run(self, server: str, want: ExecCommand) -> ExecResult:
        """Run one. `TimedOut` has what it printed so far in its details."""
        taken = Taken(LIMIT + MARGIN)
        try:
            ran = await Command(self.shells, server, want.command, taken).run(want.timeout)
        except NotFound as error:
            raise ProviderUnavailable(
                f"'{server}' cannot be reached: {error.message}",
                hint=f"livchat server show {server}",
            ) from error
        stdout, stdout_cut = self._told(taken.stdout)
        stderr, stderr_cut = self._told(taken.stderr)
        result = ExecResult(
            success=ran.exit_code == 0,
            server_name=server,
            command=self.redact(want.command),
            stdout=stdout,
            stderr=stderr,
            exit_code=ran.exit_code,
            truncated=stdout_cut or stderr_cut,
            duration_seconds=round(ran.seconds, 3),
        )
        if ran.exit_code is not None:
            return result
        after = (
            "and was stopped" if ran.gone else "and may run on for a few seconds: it does not stop"
        )
        raise TimedOut(
            f"the command on '{server}' did not end within {want.timeout} s {after}",
            hint=f"livchat server exec {server} --timeout {min(300, want.timeout * 2)} -- CMD",
            details={**result.model_dump(mode="json"), "stopped": ran.gone},
        )

    def _told(self, raw: bytearray) -> tuple[str, bool]:
        """What was printed as it is given back, and whether something of it was cut off."""
        text = self.redact(printable(raw.decode("utf-8", "replace")))
        data = text.encode()
        if len(raw) == LIMIT + MARGIN:
            # Its end may be the beginning of a secret.
            data = data[:-MARGIN]
        cut = len(data) > LIMIT or len(raw) == LIMIT + MARGIN
        return data[:LIMIT].decode("utf-8", "ignore"), cut


def printable(text: str) -> str:
    """The text without terminal sequences and control characters, but for tabs and line ends."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", text)
