"""The group `livchat server`: its commands, in the order of the help."""

from __future__ import annotations

import typer

from livchat.cli.servers import access, creation, inventory

cli = typer.Typer(
    name="server",
    help="Make servers, look at them, set them up, delete them.",
    no_args_is_help=True,
    add_completion=False,
)

_AFTER_DASHES = {"ignore_unknown_options": True}

cli.command()(creation.create)
cli.command()(creation.add)
cli.command("list")(inventory.index)
cli.command("show")(inventory.details)
cli.command()(creation.setup)
cli.command("exec", context_settings=_AFTER_DASHES)(access.execute)
cli.command("ssh", context_settings=_AFTER_DASHES)(access.shell)
cli.command()(inventory.delete)
