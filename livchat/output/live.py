"""The drawing of a job on a terminal, with Rich: a head, a bar, the steps, the last of the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import time
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from livchat.output.formatting import duration, roughly
from livchat.output.job_view import Head, JobView, Row
from livchat.output.messages import translate

MARKS = {
    "pending": ("·", ".", "dim"),
    "running": ("»", ">", "cyan"),
    "completed": ("✓", "+", "green"),
    "skipped": ("–", "-", "dim"),  # noqa: RUF001 - a dash is what is meant
    "failed": ("✗", "x", "bold red"),
    "undone": ("↩", "<", "yellow"),
    "cancelled": ("✗", "x", "yellow"),
}
LOG_LINES = 3
FRAME = 3 + LOG_LINES + 2
"""Lines that are not steps: the head, the bar, the log and two free ones."""
BAR = 24


@contextmanager
def drawing(view: JobView, stream: TextIO) -> Iterator[Drawing]:
    """Draw the view on the terminal until the context ends; the last picture stays."""
    console = Console(file=stream, highlight=False)
    picture = Drawing(view, console)
    with Live(
        get_renderable=picture.render,
        console=console,
        refresh_per_second=8,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    ):
        yield picture


class Drawing:
    """Makes a picture of the view, which it only reads: Rich draws from a thread of its own."""

    def __init__(self, view: JobView, console: Console) -> None:
        self._view = view
        self._console = console
        self._ascii = not (console.encoding or "").lower().startswith("utf")
        self._spinner = Spinner("line" if self._ascii else "dots", style="cyan")

    def changed(self) -> None:
        """Do nothing: the next picture shows the new view."""

    def render(self) -> RenderableType:
        """The picture as of now."""
        now = time()
        head = self._view.head(now)
        room = max(3, self._console.height - FRAME)
        parts: list[RenderableType] = [_title(head), _overall(head)]
        parts.append(self._steps(self._view.rows(now), room))
        if not self._view.ended:
            parts += [_dim(line) for line in self._view.lines(LOG_LINES)]
        return Group(*parts)

    def _steps(self, rows: list[Row], room: int) -> Table:
        above, shown, below = fold(rows, room)
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(overflow="ellipsis", no_wrap=True)
        table.add_column(no_wrap=True)
        if above:
            table.add_row(self._mark("completed"), _dim(translate("more_done", count=above)), "")
        for row in shown:
            table.add_row(self._mark(row.status), _name(row), self._state(row))
        if below:
            table.add_row(self._mark("pending"), _dim(translate("more_pending", count=below)), "")
        return table

    def _mark(self, status: str) -> RenderableType:
        if status == "running":
            return self._spinner
        mark, ascii_mark, style = MARKS[status]
        return Text(ascii_mark if self._ascii else mark, style=style)

    def _state(self, row: Row) -> RenderableType:
        if row.status == "running":
            return _running(row)
        if row.status in ("failed", "cancelled"):
            return Text(row.detail or translate(row.status), style="red", overflow="ellipsis")
        if row.status == "completed" and row.seconds is not None:
            return _dim(duration(row.seconds))
        return _dim("" if row.status == "pending" else translate(row.status))


def fold(rows: list[Row], room: int) -> tuple[int, list[Row], int]:
    """What fits in `room` lines: the number of rows hidden above, the rows shown, the number below.

    Finished steps are hidden first, then those that are still to come.
    """
    if len(rows) <= room:
        return 0, rows, 0
    unfinished = (i for i, row in enumerate(rows) if row.status in ("running", "pending"))
    above = min(next(unfinished, len(rows)), len(rows) - room + 1)
    shown = rows[above:]
    left = room - (1 if above else 0)
    if len(shown) <= left:
        return above, shown, 0
    return above, shown[: left - 1], len(shown) - left + 1


def _title(head: Head) -> Text:
    text = Text(head.summary, style="bold", no_wrap=True, overflow="ellipsis")
    if head.elapsed is not None:
        text.append(f"  {roughly(head.elapsed)}", style="not bold dim")
    for note in _notes(head):
        text.append(f"  {note}", style="not bold yellow" if head.cancelling else "not bold dim")
    return text


def _notes(head: Head) -> Iterator[str]:
    if head.cancelling:
        yield translate("cancelling")
    elif head.waiting_for:
        yield translate("waiting_for", job=head.waiting_for)
    elif head.remaining is not None and head.remaining < -1:
        yield translate("overdue", time=roughly(-head.remaining))
    elif head.remaining is not None:
        yield translate("remaining", time=roughly(head.remaining))


def _overall(head: Head) -> Table:
    style = {"failed": "red", "cancelled": "yellow"}.get(head.status, "cyan")
    bar = ProgressBar(
        total=100, completed=head.percent, width=48, complete_style=style, finished_style="green"
    )
    grid = Table.grid(padding=(0, 1))
    grid.add_row(bar, Text(f"{head.percent:.0f} %"))
    return grid


def _name(row: Row) -> Text:
    style = {"pending": "dim", "skipped": "dim", "failed": "bold red"}.get(row.status, "")
    return Text(row.name, style=style)


def _running(row: Row) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    pieces: list[RenderableType] = []
    if row.fraction is not None:
        pieces.append(
            ProgressBar(total=1, completed=row.fraction, width=BAR, complete_style="cyan")
        )
    if row.seconds is not None:
        pieces.append(_dim(roughly(row.seconds)))
    pieces.append(_dim(row.detail))
    grid.add_row(*pieces)
    return grid


def _dim(text: str) -> Text:
    return Text(text, style="dim", no_wrap=True, overflow="ellipsis")
