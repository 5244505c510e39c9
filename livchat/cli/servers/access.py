"""Servers used over SSH: livchat server exec, ssh."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from livchat.cli.input import options
from livchat.cli.session.connect import connect
from livchat.errors import Conflict, TimedOut
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format


def execute(
    name: options.ServerArgument,
    command: Annotated[
        list[str], typer.Argument(metavar="-- CMD...", help="The command and its arguments.")
    ],
    timeout: Annotated[
        int, typer.Option("--timeout", min=1, max=300, help="Seconds that it may take.")
    ] = 30,
    output: options.Output = Format.HUMAN,
) -> None:
    """Run a command on a server, up to a deadline.

    Example: livchat server exec prod-01 -- docker ps
    """
    # One word may be a whole command line; several are arguments, which keep their borders.
    line = command[0] if len(command) == 1 else shlex.join(command)
    try:
        found = connect().execute(name, line, timeout)
    except TimedOut as late:
        if output in (Format.HUMAN, Format.QUIET):
            show.printed(late.details.get("stdout", ""))
            show.printed(late.details.get("stderr", ""), error=True)
        raise
    if output in (Format.HUMAN, Format.QUIET):
        show.printed(found["stdout"])
        show.printed(found["stderr"], error=True)
        if found["truncated"]:
            show.note(translate("truncated"))
    else:
        show.result(found, output, human=lambda _: [])
    if found["exit_code"] != 0:
        show.note(translate("exit_code", code=found["exit_code"]))
        raise typer.Exit(1)


def shell(
    name: options.ServerArgument,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- CMD...", help="A command in place of a shell."),
    ] = None,
) -> None:
    """Open a shell on a server, with its key and its pinned host key.

    Example: livchat server ssh prod-01
    """
    from livchat.cli.servers import ssh_program, ssh_session

    client = connect()
    access = client.ssh_access(name)
    private_key = client.secret(f"ssh/{name}/private", reveal=True)["value"]
    if not access.get("host_key"):
        raise Conflict(
            f"no host key is pinned for '{access['server']}' yet",
            hint=f"livchat server exec {access['server']} -- true",
        )
    client.close()
    # Several words are arguments, which keep their borders.
    line = shlex.join(command) if command else None
    open_shell = ssh_program.run if ssh_program.is_installed() else ssh_session.run
    raise typer.Exit(open_shell(access, private_key, line))
