"""Units of a job: known on disk before they start, each line logged once, stopped after a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from livchat.errors import CommandFailed
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Run
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger


class JobUnit:
    """One unit of a job. How many of its lines are logged is durable with the last of them.

    Whoever attaches to a unit is given its lines from the first on: those that the log has
    already are told to `look` only.
    """

    def __init__(
        self, run: Run[Ledger], name: str, look: Callable[[str], None] | None = None
    ) -> None:
        self.name = f"livchat-{run.job_id}-{name}"
        self._run = run
        self._look = look
        self._seen = 0

    @property
    def begun(self) -> bool:
        """Whether it was started, and how it ended is not known yet."""
        return self.name in self._run.learnt.lines

    async def run(
        self,
        shell: Shell,
        *argv: str,
        timeout: float,  # noqa: ASYNC109 - it ends with the unit stopped
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it or attach to it; see `Shell.unit`."""
        try:
            await shell.unit(
                self.name,
                *argv,
                on_line=self._line,
                on_start=self._start,
                timeout=timeout,
                environment=environment,
            )
        except CommandFailed:
            await _forget(self._run, self.name)
            raise
        await _forget(self._run, self.name)

    async def _start(self) -> None:
        self._run.learnt.lines[self.name] = 0
        await self._run.save()

    def _line(self, text: str) -> None:
        self._seen += 1
        if self._look is not None:
            self._look(text)
        logged = self._run.learnt.lines
        if self._seen > logged.get(self.name, 0):
            logged[self.name] = self._seen
            self._run.log(text)


async def halt_units(run: Run[Ledger], tools: Tools, server: str) -> None:
    """Stop the units of this job that may still be at work."""
    if not run.learnt.lines:
        return
    shell = await tools.shell(server)
    for name in list(run.learnt.lines):
        await shell.halt(name)
        await _forget(run, name)


async def _forget(run: Run[Ledger], name: str) -> None:
    run.learnt.lines.pop(name, None)
    await run.save()
