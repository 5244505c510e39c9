"""All commands on one page, and the one place that shows errors and sets exit codes."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from livchat import __version__
from livchat.errors import JobCancelled, JobFailed, LivChatError

START, SERVERS, DAEMON = "Start here", "What runs", "Behind it"

COMMANDS = {
    "init": ("quickstart", START),
    "up": ("quickstart", START),
    "demo": ("quickstart", START),
    "server": ("servers.commands", SERVERS),
    "app": ("apps", SERVERS),
    "job": ("jobs", SERVERS),
    "provider": ("providers", SERVERS),
    "config": ("config", DAEMON),
    "secret": ("secrets", DAEMON),
    "daemon": ("local.daemon", DAEMON),
    "sandbox": ("local.sandbox", DAEMON),
    "doctor": ("doctor", DAEMON),
    "mcp": ("local.mcp", DAEMON),
}
"""The commands: the module of livchat.cli that holds each, and its panel in the help."""

_CLICK_EXCEPTION: type[Any] = typer.BadParameter.__mro__[2]
"""Typer has a copy of click of its own, whose exceptions have no public name."""


class Lazy(TyperGroup):
    """Imports the module of a command when it is asked for: all of them are half of the start."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        """The command of a name; for an unknown one all are loaded, so that one is suggested."""
        if cmd_name in COMMANDS:
            return _load(cmd_name)
        self.commands = {name: _load(name) for name in COMMANDS}
        return None


cli = typer.Typer(name="livchat", cls=Lazy, no_args_is_help=True, add_completion=False)


def _version(given: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if given:
        typer.echo(f"livchat {__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take a server from nothing to self-hosted apps over HTTPS, and look after it.

    Try it without an account: livchat demo
    """


def main() -> None:
    """The command `livchat`."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line; return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = get_command(cli).main(arguments, prog_name="livchat", standalone_mode=False)
    except LivChatError as error:
        return _show(error, arguments)
    except KeyboardInterrupt:
        return 130
    except typer.Abort:
        return 130
    except _CLICK_EXCEPTION as error:
        return _usage(error, arguments)
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, never a traceback
        return _unexpected(error, arguments)
    return code if isinstance(code, int) else 0


def _load(name: str) -> Any:
    module, panel = COMMANDS[name]
    command: Any = get_command(import_module(f"livchat.cli.{module}").cli)
    if command.name != name:
        command = command.commands[name]
    command.rich_help_panel = panel
    return command


def _show(error: LivChatError, arguments: list[str]) -> int:
    from livchat.output import show

    # A job that was waited for is on stdout already, which says more than its error.
    if wants_json(arguments) and not isinstance(error, JobFailed | JobCancelled):
        show.error_object(error)
    show.error(error)
    return error.exit_code


def _usage(error: Any, arguments: list[str]) -> int:
    from livchat.errors import BadRequest
    from livchat.output.messages import translate

    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return 2
    message = error.format_message().rstrip(".").replace("\n", " ")
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "livchat"
    problem = BadRequest(
        message[:1].lower() + message[1:], hint=translate("usage_hint", command=path)
    )
    _show(problem, arguments)
    return int(error.exit_code)


def _unexpected(error: Exception, arguments: list[str]) -> int:
    from livchat.output.messages import translate

    if os.environ.get("LIVCHAT_DEBUG"):
        raise error
    message = translate("unexpected", kind=type(error).__name__, message=error)
    return _show(LivChatError(message, hint=translate("debug_hint")), arguments)


def wants_json(arguments: list[str]) -> bool:
    """Whether `-o json` was given; it matters also where the arguments cannot be parsed."""
    before_dashes = arguments[: arguments.index("--")] if "--" in arguments else arguments
    pairs = zip(before_dashes, [*before_dashes[1:], ""], strict=True)
    return any(
        (first in ("-o", "--output") and second == "json") or first in ("-ojson", "--output=json")
        for first, second in pairs
    )
