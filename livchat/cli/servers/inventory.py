"""Servers looked at and deleted: livchat server list, show, delete."""

from __future__ import annotations

from typing import Any

from livchat.cli.input import options, prompts
from livchat.cli.session.connect import connect
from livchat.cli.session.follow import follow
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format
from livchat.output.tables import servers as tables


def index(output: options.Output = Format.HUMAN) -> None:
    """List the servers.

    Example: livchat server list
    """
    show.result(
        connect().servers(),
        output,
        human=tables.servers,
        quiet=lambda found: list(found["servers"]),
        items=lambda found: found["servers"].values(),
    )


def details(name: options.ServerArgument, output: options.Output = Format.HUMAN) -> None:
    """Show a server.

    Example: livchat server show prod-01
    """
    show.result(
        connect().server(name),
        output,
        human=tables.server,
        quiet=lambda server: [server.get("ip_address") or ""],
    )


def delete(
    name: options.ServerArgument,
    yes: options.Yes = False,
    wait: options.Wait = False,
    output: options.Output = Format.HUMAN,
) -> None:
    """Delete a server with all that is on it, its address and its names.

    A machine of your own stays as it is; it is only forgotten.

    Example: livchat server delete prod-01 --wait
    """
    client = connect()
    if not yes:
        prompts.confirm(_what_goes(client.server(name)), yes=yes)
    accepted = client.delete_server(name)
    if wait:
        follow(client, accepted["job_id"], output)
    else:
        show.accepted(accepted, output)


def _what_goes(server: dict[str, Any]) -> str:
    apps = ", ".join(server.get("apps") or []) or translate("no_apps")
    address = server.get("ip_address") or "-"
    key = "forget_server" if server["provider"] == "own" else "delete_server"
    return translate(key, name=server["name"], address=address, apps=apps)
