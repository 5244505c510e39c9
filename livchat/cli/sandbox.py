"""The sandbox: livchat sandbox status, reset."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import typer

from livchat.cli import ask, options
from livchat.cli.connect import connect
from livchat.cli.follow import follow
from livchat.client import Client
from livchat.errors import LivChatError, ProviderUnavailable
from livchat.output import offers, show
from livchat.output.show import Format
from livchat.output.words import say
from livchat.paths import places

Json = dict[str, Any]

NOTHING: Json = {
    "running": False,
    "servers": [],
    "primary_ips": [],
    "ssh_keys": [],
    "dns_records": [],
    "stacks": [],
    "calls": {},
    "bill_monthly": "0.00",
}

cli = typer.Typer(
    name="sandbox",
    help="The small cloud on this machine, for trying things without an account.",
    no_args_is_help=True,
    add_completion=False,
)


@cli.command()
def status(output: options.Output = Format.HUMAN) -> None:
    """Show what exists in the sandbox, and what it would cost for real.

    Example: livchat sandbox status
    """
    address = _address()
    found = _ask(address, "GET", "/control/status") if address else None
    if found is None:
        show.note(say("no_sandbox" if address is None else "sandbox_down"))
        show.result(NOTHING, output, human=lambda _: [])
        return
    show.result({"running": True, **found}, output, human=offers.sandbox)


@cli.command()
def reset(yes: options.Yes = False, output: options.Output = Format.HUMAN) -> None:
    """Empty the sandbox: delete its servers, then all that is left in it.

    Example: livchat sandbox reset
    """
    address = _address()
    if address is None:
        show.note(say("no_sandbox"))
        show.result({"success": True, "deleted": []}, output, human=lambda _: [])
        return
    client = connect()
    names = _servers(client)
    ask.confirm(say("reset_sandbox", servers=", ".join(names) or say("none")), yes=yes)
    for name in names:
        show.note(say("deleting", name=name))
        follow(client, client.delete_server(name)["job_id"], Format.QUIET)
    _ask(_address() or address, "POST", "/control/reset")
    show.result({"success": True, "deleted": names}, output, human=lambda _: [say("sandbox_empty")])


def _servers(client: Client) -> list[str]:
    servers = client.servers()["servers"]
    return [name for name, server in servers.items() if server["provider"] == "sandbox"]


def _address() -> Json | None:
    """Where the sandbox listens and its token; None where there never was one."""
    path = places().sandbox / "sandbox.json"
    try:
        found: Json = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise LivChatError(
            f"cannot read {path}: it is damaged", hint="livchat daemon restart"
        ) from None
    return found


def _ask(address: Json, method: str, path: str) -> Json | None:
    """What the sandbox answers; None where it does not run."""
    parts = urlsplit(address["control"])
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=15)
    try:
        connection.request(method, path, headers={"Authorization": f"Bearer {address['token']}"})
        response = connection.getresponse()
        data = response.read()
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException) as error:
        raise ProviderUnavailable(f"the sandbox does not answer: {error}") from error
    finally:
        connection.close()
    if response.status >= http.client.BAD_REQUEST:
        raise ProviderUnavailable(f"the sandbox answered {response.status}")
    found: Json = json.loads(data) if data else {}
    return found
