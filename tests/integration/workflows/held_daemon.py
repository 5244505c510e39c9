"""A daemon whose jobs can be held in one of their steps, so that a cancel always comes in it.

`python -m tests.integration.workflows.held_daemon` is the daemon itself: it holds the step that a
file in HOME/holds names, for as long as the file is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - a process is waited for, in a bounded loop
from typing import Any, Literal

from livchatd.jobs.step import Step, StepContext, Workflow
from tests.integration.daemon_process import DaemonProcess

When = Literal["before", "after"]
"""Whether a step is held before anything of it is done, or when all of it is."""
HOLD_SECONDS = 60.0


class HeldDaemon(DaemonProcess):
    """A daemon process that can hold a job of each server in a step."""

    def spawn(self, *options: str) -> subprocess.Popen[bytes]:
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", __name__, *self.options, *options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @contextlib.contextmanager
    def holding(self, server: str, place: int, when: When) -> Iterator[Hold]:
        """Hold the step of this place, or the last one, of the server's next job."""
        hold = Hold(self, _file(self.home, server))
        hold.file.parent.mkdir(exist_ok=True)
        hold.file.write_text(f"{place} {when}")
        try:
            yield hold
        finally:
            hold.release()


class Hold:
    """A step that is to be held."""

    def __init__(self, daemon: DaemonProcess, file: Path) -> None:
        self._daemon = daemon
        self.file = file

    def wait(self, job_id: str) -> bool:
        """Wait until the step is held; False if the job ended without: it was skipped."""
        deadline = monotonic() + HOLD_SECONDS
        while monotonic() < deadline:
            if _mark(self.file).exists():
                return True
            if self._daemon.request("GET", f"/api/jobs/{job_id}").json["completed_at"]:
                return _mark(self.file).exists()
            sleep(0.02)
        raise AssertionError(f"{job_id} did not come to the step that is to be held")

    def release(self) -> None:
        """Let the step go on."""
        self.file.unlink(missing_ok=True)
        _mark(self.file).unlink(missing_ok=True)


@contextlib.contextmanager
def held(home: Path, scale: float = 0, **environment: str) -> Iterator[HeldDaemon]:
    """A held daemon that has started and is ended afterwards, with its sandbox."""
    daemon = HeldDaemon(home, scale=scale, **environment)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.end()


def _file(home: Path, server: str) -> Path:
    return home / "holds" / server


def _mark(file: Path) -> Path:
    """What is there while the step of a hold is held."""
    return file.with_suffix(".held")


def _with_holds(workflow: Workflow[Any, Any], home: Path) -> Workflow[Any, Any]:
    """Have the steps of a workflow look at the hold of their server."""
    make = workflow.steps

    def steps(params: Any) -> Sequence[Step[Any]]:
        server = getattr(params, "server", None) or getattr(params, "name", "none")
        file = _file(home, str(getattr(server, "name", server)))
        made = make(params)
        for place, step in enumerate(made):
            apply = _held_apply(step.apply, file, place, last=place == len(made) - 1)
            # A step is frozen: only here, in a test, is its apply another one.
            object.__setattr__(step, "apply", apply)
        return made

    object.__setattr__(workflow, "steps", steps)
    return workflow


def _held_apply(
    apply: Callable[[StepContext[Any]], Any], file: Path, place: int, *, last: bool
) -> Callable[[StepContext[Any]], Any]:
    async def held_apply(context: StepContext[Any]) -> None:
        await _hold(file, place, "before", last=last)
        await apply(context)
        await _hold(file, place, "after", last=last)

    return held_apply


async def _hold(file: Path, place: int, when: When, *, last: bool) -> None:
    while True:
        try:
            wanted, wanted_when = file.read_text().split()  # noqa: ASYNC240 - a few bytes
        except FileNotFoundError:
            return
        if wanted_when != when or not (int(wanted) == place or (last and int(wanted) > place)):
            return
        _mark(file).touch()
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    from livchatd import wiring
    from livchatd.main import main

    build, folder = wiring.workflows, Path(os.environ["LIVCHAT_HOME"])  # type: ignore[attr-defined]
    wiring.workflows = lambda *parts: [_with_holds(one, folder) for one in build(*parts)]  # type: ignore[attr-defined]
    main()
