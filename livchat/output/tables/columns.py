"""Columns and records of plain text, which is quick to make; every cell is cleaned."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from shutil import get_terminal_size

from livchat.sanitize import clean_line


def columns(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Lines of a table; on a terminal a line that is too long is cut at its edge."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    edge = get_terminal_size().columns if sys.stdout.isatty() else None
    for row in [list(head), *cells]:
        text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield _cut(text.rstrip(), edge)


def record(fields: Sequence[tuple[str, object]]) -> Iterator[str]:
    """Lines `name   value`, without the fields that have no value."""
    given = [(name, value) for name, value in fields if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in given), default=0)
    for name, value in given:
        yield f"{name.ljust(width)}  {_cell(value)}"


def _cell(value: object) -> str:
    if value is None or value in ([], "", {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return clean_line(", ".join(map(str, value)))
    return clean_line(value)


def _cut(text: str, edge: int | None) -> str:
    return text if edge is None or len(text) <= edge else f"{text[: edge - 1]}…"
