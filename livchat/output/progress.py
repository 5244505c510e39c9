"""A job as it happens: drawn anew on a terminal, one plain line a step anywhere else.

All of it goes to stderr: stdout is for the result.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from livchat.output.formatting import clean, duration
from livchat.output.job_view import Row, View, settled
from livchat.output.messages import say


class Watcher(Protocol):
    """What is told that the view has changed."""

    def changed(self) -> None:
        """The view is another now."""


def lively(stream: TextIO) -> bool:
    """Can this stream be drawn upon? A terminal, and nobody asked for plain text."""
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return not any(os.environ.get(name) for name in ("CI", "NO_COLOR"))


def watch(view: View, *, silent: bool = False) -> AbstractContextManager[Watcher]:
    """Show the view on stderr for as long as the context lasts, in the way that fits."""
    if silent:
        return _silence()
    if lively(sys.stderr):
        from livchat.output.live import drawing  # Rich costs 130 ms that a script need not pay

        return drawing(view, sys.stderr)
    return _lines(view, sys.stderr)


class Plain:
    """One line a step, when it has come to an end; no control characters."""

    def __init__(self, view: View, stream: TextIO) -> None:
        self._view = view
        self._stream = stream
        self._before = {**view.job, "steps": []}
        self._waiting: str | None = None

    def begin(self) -> None:
        """Name the job, and tell what has happened so far."""
        self._write(f"{clean(self._view.job['summary'])} ({self._view.job['job_id']})")
        self.changed()

    def changed(self) -> None:
        """Write a line for each step that has ended since."""
        job = self._view.job
        waiting = job.get("waiting_for")
        if waiting and waiting != self._waiting:
            self._write(say("waiting_for", job=clean(waiting)))
        self._waiting = waiting
        for row in settled(self._before, job):
            self._write(plain_line(row, len(job["steps"])))
        self._before = job

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


def plain_line(row: Row, total: int) -> str:
    """`[ 3/14] Wait for SSH ... done (12.3 s)`."""
    width = len(str(total))
    text = f"[{row.number:>{width}}/{total}] {row.name} ... {say(row.status)}"
    if row.seconds is not None and row.status in ("completed", "failed"):
        text += f" ({duration(row.seconds)})"
    return f"{text}: {row.detail}" if row.status == "failed" and row.detail else text


@contextmanager
def _lines(view: View, stream: TextIO) -> Iterator[Watcher]:
    plain = Plain(view, stream)
    plain.begin()
    yield plain


class _Nobody:
    def changed(self) -> None:
        """Nobody looks."""


@contextmanager
def _silence() -> Iterator[Watcher]:
    yield _Nobody()
