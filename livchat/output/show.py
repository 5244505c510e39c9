"""Results to stdout, in the format that was asked for; notes and errors to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from livchat.errors import LivChatError
from livchat.output.formatting import clean
from livchat.output.messages import say

Json = dict[str, Any]


class Format(StrEnum):
    """How a result is written."""

    HUMAN = "human"
    JSON = "json"
    NDJSON = "ndjson"
    QUIET = "quiet"


def result(
    answer: Json,
    output: Format,
    *,
    human: Callable[[Json], Iterable[str]],
    quiet: Callable[[Json], Iterable[str]] | None = None,
    items: Callable[[Json], Iterable[Any]] | None = None,
) -> None:
    """Write an answer: lines for a person, one object, one line an item, or the bare names."""
    if output is Format.JSON:
        lines: Iterable[str] = [json.dumps(answer, indent=2, ensure_ascii=False)]
    elif output is Format.NDJSON:
        lines = (line(item) for item in (items(answer) if items else [answer]))
    elif output is Format.QUIET:
        lines = quiet(answer) if quiet else []
    else:
        lines = human(answer)
    write(lines)


def write(lines: Iterable[str]) -> None:
    """Write lines to stdout."""
    for text in lines:
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def raw(text: str, *, error: bool = False) -> None:
    """Write what a command on a server printed, as it is."""
    stream = sys.stderr if error else sys.stdout
    stream.write(text)
    stream.flush()


def line(item: Any) -> str:
    """An item as one line of JSON."""
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def note(text: str) -> None:
    """Say something that is not the result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def error(problem: LivChatError) -> None:
    """What happened, why, and the next command: at most four lines, on stderr."""
    lines = [f"{say('error')}: {clean(problem.message)}"]
    lines.extend(map(clean, _reasons(problem)[: 2 if problem.hint else 3]))
    if problem.hint:
        lines.append(f"{say('hint')}: {clean(problem.hint)}")
    note("\n".join(lines))


def error_object(problem: LivChatError) -> None:
    """The error as the daemon would have answered it, on stdout: for programs."""
    found = {
        "error": problem.message,
        "code": problem.code,
        "details": problem.details,
        "hint": problem.hint,
    }
    write([json.dumps(found, indent=2, ensure_ascii=False)])


def _reasons(problem: LivChatError) -> list[str]:
    """The lines between what happened and the hint, from the details that have words."""
    details = problem.details
    lines = []
    if why := details.get("why"):
        lines.append(f"{say('why')}: {why}")
    left = details.get("left_behind")
    if left:
        lines.append(f"{say('left')}: {', '.join(map(str, left))}")
    fields = details.get("fields")
    if isinstance(fields, list) and len(fields) > 1:
        told = [f"{field.get('field')}: {field.get('message')}" for field in fields[1:]]
        lines.append("; ".join(told))
    return lines
