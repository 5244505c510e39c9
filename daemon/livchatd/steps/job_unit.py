"""Systemd units of a job: noted before they start, each line logged once, stopped after a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from livchat.errors import CommandFailed
from livchatd.integrations.ssh.interfaces import Shell, Shells
from livchatd.jobs.step import StepContext
from livchatd.steps.facts import JobFacts


class JobUnit:
    """One long command of a job, run on a server as a transient systemd unit.

    How many of its lines are in the job's log is stored with the last of them. Whoever attaches to
    the unit again gets its lines from the first on: `on_line` is called with each, but those that
    the log has already are not logged again.
    """

    def __init__(
        self,
        context: StepContext[JobFacts],
        name: str,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self.name = f"livchat-{context.job_id}-{name}"
        self._context = context
        self._on_line = on_line
        self._lines = 0

    @property
    def started(self) -> bool:
        """Whether it was started, and its end has not been seen yet."""
        return self.name in self._context.facts.lines

    async def run(
        self,
        shell: Shell,
        *argv: str,
        timeout: float,  # noqa: ASYNC109 - it ends with the unit stopped
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the unit or attach to it, and wait for its end: `CommandFailed` if it fails."""
        try:
            await shell.unit(
                self.name,
                *argv,
                on_line=self._log_line,
                on_start=self._note_start,
                timeout=timeout,
                environment=environment,
            )
        except CommandFailed:
            await _note_end(self._context, self.name)
            raise
        await _note_end(self._context, self.name)

    async def _note_start(self) -> None:
        self._context.facts.lines[self.name] = 0
        await self._context.save()

    def _log_line(self, text: str) -> None:
        self._lines += 1
        if self._on_line is not None:
            self._on_line(text)
        logged = self._context.facts.lines
        if self._lines > logged.get(self.name, 0):
            logged[self.name] = self._lines
            self._context.log(text)


async def stop_units(context: StepContext[JobFacts], shells: Shells, server: str) -> None:
    """Stop the units of this job whose end has not been seen, on the server where they run."""
    if not context.facts.lines:
        return
    shell = await shells.on(server)
    for name in list(context.facts.lines):
        await shell.halt(name)
        await _note_end(context, name)


async def _note_end(context: StepContext[JobFacts], name: str) -> None:
    context.facts.lines.pop(name, None)
    await context.save()
