"""A job as it happens: drawn anew on a terminal, one plain line a step anywhere else.

All of it goes to stderr: stdout is for the result.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from livchat.output.formatting import duration
from livchat.output.job_view import JobView, Row, finished_steps
from livchat.output.messages import translate
from livchat.sanitize import clean_line


class Watcher(Protocol):
    """Shows a view, and hears when that has changed."""

    def changed(self) -> None:
        """The view is another now."""


def supports_live_output(stream: TextIO) -> bool:
    """Whether this stream is a terminal that may be drawn on: not dumb, no CI, no NO_COLOR."""
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return not any(os.environ.get(name) for name in ("CI", "NO_COLOR"))


def watch(view: JobView, *, silent: bool = False) -> AbstractContextManager[Watcher]:
    """Show the view on stderr for as long as the context lasts, in the way that fits."""
    if silent:
        return _silence()
    if supports_live_output(sys.stderr):
        from livchat.output.live import drawing  # Rich costs 130 ms that a script need not pay

        return drawing(view, sys.stderr)
    return _lines(view, sys.stderr)


class Plain:
    """Writes one line a step, when the step has ended; no control characters."""

    def __init__(self, view: JobView, stream: TextIO) -> None:
        self._view = view
        self._stream = stream
        self._before = {**view.job, "steps": []}
        self._waiting: str | None = None

    def begin(self) -> None:
        """Write the name of the job, and what has happened so far."""
        self._write(f"{clean_line(self._view.job['summary'])} ({self._view.job['job_id']})")
        self.changed()

    def changed(self) -> None:
        """Write a line for each step that has ended since."""
        job = self._view.job
        waiting = job.get("waiting_for")
        if waiting and waiting != self._waiting:
            self._write(translate("waiting_for", job=clean_line(waiting)))
        self._waiting = waiting
        for row in finished_steps(self._before, job):
            self._write(plain_line(row, len(job["steps"])))
        self._before = job

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


def plain_line(row: Row, total: int) -> str:
    """`[ 3/14] Wait for SSH ... done (12.3 s)`."""
    width = len(str(total))
    text = f"[{row.number:>{width}}/{total}] {row.name} ... {translate(row.status)}"
    if row.seconds is not None and row.status in ("completed", "failed"):
        text += f" ({duration(row.seconds)})"
    return f"{text}: {row.detail}" if row.status == "failed" and row.detail else text


@contextmanager
def _lines(view: JobView, stream: TextIO) -> Iterator[Watcher]:
    plain = Plain(view, stream)
    plain.begin()
    yield plain


class _Silent:
    def changed(self) -> None:
        """Write nothing."""


@contextmanager
def _silence() -> Iterator[Watcher]:
    yield _Silent()
