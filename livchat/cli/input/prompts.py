"""Questions to a person: yes or no before something is lost, and secrets without an echo."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from livchat.cli.input.files import read_text
from livchat.errors import InvalidRequest
from livchat.output import show
from livchat.output.messages import translate


def confirm(what: str, *, yes: bool, question: str | None = None) -> None:
    """Ask whether to go on; `what` names what is lost or bought. With `yes` nobody is asked.

    Raises InvalidRequest where nobody can be asked, typer.Exit where the person says no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidRequest(translate("cannot_ask", what=what), hint=translate("answer_yes"))
    sys.stderr.write(translate("sure", question=question or f"{what}?"))
    sys.stderr.flush()
    reply = sys.stdin.readline().strip().lower()
    if not reply or reply not in translate("yes").split():
        show.note(translate("nothing_done"))
        raise typer.Exit(1)


def secret(prompt: str, source: str | None, option: str = "--token-file") -> str:
    """A secret from the file `source`, from stdin (`-`), or typed without an echo.

    Raises InvalidRequest for an empty one and where nobody can be asked, BadRequest for a file that
    cannot be read; `option` is the one to name in their hints.
    """
    if source == "-":
        found = (sys.stdin.readline() if sys.stdin.isatty() else sys.stdin.read()).strip()
    elif source is not None:
        found = read_text(Path(source).expanduser(), source).strip()
    elif sys.stdin.isatty():
        import getpass

        found = getpass.getpass(prompt).strip()
    else:
        raise InvalidRequest(translate("cannot_ask", what=prompt.strip(" :")), hint=f"{option} -")
    if not found:
        raise InvalidRequest(f"{prompt.strip(' :')}: is empty", hint=f"{option} PATH")
    return found
