"""Results to stdout, in the format that was asked for; notes and errors to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from livchat.errors import LivChatError
from livchat.messages import in_words
from livchat.output.messages import translate
from livchat.sanitize import clean_line, clean_text

Json = dict[str, Any]


class Format(StrEnum):
    """How a result is written."""

    HUMAN = "human"
    JSON = "json"
    NDJSON = "ndjson"
    QUIET = "quiet"


def result(
    found: Json,
    output: Format,
    *,
    human: Callable[[Json], Iterable[str]],
    quiet: Callable[[Json], Iterable[str]] | None = None,
    items: Callable[[Json], Iterable[Any]] | None = None,
) -> None:
    """Write a result: lines for a person, one JSON object, one line an item, or the bare names."""
    if output is Format.JSON:
        lines: Iterable[str] = [json.dumps(found, indent=2, ensure_ascii=False)]
    elif output is Format.NDJSON:
        lines = (json_line(item) for item in (items(found) if items else [found]))
    elif output is Format.QUIET:
        lines = quiet(found) if quiet else []
    else:
        lines = human(found)
    write(lines)


def accepted(answer: Json, output: Format) -> None:
    """Show the id of a job that is not followed, and how to watch it."""
    job_id = answer["job_id"]
    result(answer, output, human=lambda _: [job_id], quiet=lambda _: [job_id])
    if output is Format.HUMAN:
        note(translate("started", message=answer["message"], job=job_id))


def write(lines: Iterable[str]) -> None:
    """Write lines to stdout."""
    for text in lines:
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def printed(text: str, *, error: bool = False) -> None:
    """Write what a command on a server printed, with nothing hidden in it."""
    stream = sys.stderr if error else sys.stdout
    stream.write(clean_text(text))
    stream.flush()


def json_line(item: Any) -> str:
    """An item as one line of JSON."""
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def note(text: str) -> None:
    """Write a line that is not the result to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def error(problem: LivChatError) -> None:
    """What happened, why, and the next command: at most four lines, on stderr."""
    found = {"error": problem.message, "hint": problem.hint, "messages": problem.messages}
    lines = [f"{translate('error')}: {clean_line(in_words(found, 'error'))}"]
    lines.extend(map(clean_line, _reasons(problem)[: 2 if problem.hint else 3]))
    if problem.hint:
        lines.append(f"{translate('hint')}: {clean_line(in_words(found, 'hint'))}")
    note("\n".join(lines))


def error_object(problem: LivChatError) -> None:
    """Write the error as the daemon's response says it, as JSON on stdout."""
    found = {
        "error": problem.message,
        "code": problem.code,
        "details": problem.details,
        "hint": problem.hint,
    }
    write([json.dumps(found, indent=2, ensure_ascii=False)])


def _reasons(problem: LivChatError) -> list[str]:
    """The lines between what happened and the hint, from the details that say more."""
    details = problem.details
    lines = []
    if why := details.get("why"):
        lines.append(f"{translate('why')}: {why}")
    left = details.get("left_behind")
    if left:
        lines.append(f"{translate('left')}: {', '.join(map(str, left))}")
    fields = details.get("fields")
    if isinstance(fields, list) and len(fields) > 1:
        others = [f"{field.get('field')}: {field.get('message')}" for field in fields[1:]]
        lines.append("; ".join(others))
    return lines
