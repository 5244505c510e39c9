"""Ask the person: yes or no before something goes, and secrets without an echo."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from livchat.errors import BadRequest, Invalid
from livchat.output import show
from livchat.output.messages import say


def confirm(what: str, *, yes: bool, question: str | None = None) -> None:
    """Go on only if the person says so; `what` names what goes.

    Raises Invalid where nobody can be asked, typer.Exit where the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Invalid(say("cannot_ask", what=what), hint=say("answer_yes"))
    sys.stderr.write(say("sure", question=question or f"{what}?"))
    sys.stderr.flush()
    answer = sys.stdin.readline().strip().lower()
    if not answer or answer not in say("yes").split():
        show.note(say("nothing_done"))
        raise typer.Exit(1)


def secret(prompt: str, source: str | None, option: str = "--token-file") -> str:
    """A secret from a file, from stdin (`-`), or typed without an echo; never from an argument."""
    if source == "-":
        found = (sys.stdin.readline() if sys.stdin.isatty() else sys.stdin.read()).strip()
    elif source is not None:
        found = _read(source)
    elif sys.stdin.isatty():
        import getpass

        found = getpass.getpass(prompt).strip()
    else:
        raise Invalid(say("cannot_ask", what=prompt.strip(" :")), hint=f"{option} -")
    if not found:
        raise Invalid(f"{prompt.strip(' :')}: is empty", hint=f"{option} PATH")
    return found


def line(prompt: str) -> str:
    """A line that is no secret."""
    if not sys.stdin.isatty():
        raise Invalid(say("cannot_ask", what=prompt.strip(" :")))
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise BadRequest(f"cannot read {path}: {reason.lower()}") from error
