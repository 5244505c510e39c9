"""The sandbox: livchat sandbox status, reset, faults."""

from __future__ import annotations

import http.client
import json
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from livchat.cli.input import options, prompts
from livchat.cli.session.connect import connect
from livchat.cli.session.follow import follow
from livchat.client.client import Client
from livchat.errors import InvalidRequest, LivChatError, ProviderUnavailable
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format
from livchat.output.tables import sandbox as tables
from livchat.paths import paths

Json = dict[str, Any]

EMPTY: Json = {
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
    found = _request(address, "GET", "/control/status") if address else None
    if found is None:
        show.note(translate("no_sandbox" if address is None else "sandbox_down"))
        show.result(EMPTY, output, human=lambda _: [])
        return
    show.result({"running": True, **found}, output, human=tables.sandbox)


@cli.command()
def reset(yes: options.Yes = False, output: options.Output = Format.HUMAN) -> None:
    """Empty the sandbox: delete its servers, then all that is left in it.

    Example: livchat sandbox reset
    """
    address = _address()
    if address is None:
        show.note(translate("no_sandbox"))
        show.result({"success": True, "deleted": []}, output, human=lambda _: [])
        return
    client = connect()
    names = _servers(client)
    prompts.confirm(
        translate("reset_sandbox", servers=", ".join(names) or translate("none")), yes=yes
    )
    for name in names:
        show.note(translate("deleting", name=name))
        follow(client, client.delete_server(name)["job_id"], Format.QUIET)
    _request(_address() or address, "POST", "/control/reset")
    show.result(
        {"success": True, "deleted": names}, output, human=lambda _: [translate("sandbox_empty")]
    )


@cli.command()
def faults(
    rules: Annotated[
        list[str] | None,
        typer.Argument(metavar="SERVICE:ROUTE:FAULT[:TIMES]", help="What is to fail, and how."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="No faults any more.")] = False,
    output: options.Output = Format.HUMAN,
) -> None:
    """Rehearse a bad day: let calls to the sandbox fail; alone, list the faults that there are.

    ROUTE may hold *; TIMES is a number (1 if not given) or `always`.

    Example: livchat sandbox faults "hetzner:POST /servers:resource_unavailable:always"
    """
    new_rules = [_rule(text) for text in rules or []]
    address = _address()
    if address is None:
        raise ProviderUnavailable(
            translate("no_sandbox"), hint="livchat provider types --provider sandbox"
        )
    path = "/control/faults"
    if clear:
        _request(address, "DELETE", path)
    found = (
        _request(address, "PUT", path, {"faults": new_rules})
        if new_rules
        else _request(address, "GET", path)
    )
    if found is None:
        raise ProviderUnavailable(translate("sandbox_down"), hint="livchat sandbox status")
    show.result(found, output, human=tables.faults)


def _rule(text: str) -> Json:
    """The rule in `service:route:fault[:times]`; a route may hold colons."""
    parts = text.split(":")
    times = (
        parts.pop() if len(parts) > 3 and (parts[-1] == "always" or parts[-1].isdigit()) else "1"
    )
    if len(parts) < 3:
        raise InvalidRequest.field(
            "RULE",
            f"{text!r} is not of the form SERVICE:ROUTE:FAULT[:TIMES]",
            hint="livchat sandbox faults",
        )
    return {
        "service": parts[0],
        "route": ":".join(parts[1:-1]),
        "fault": parts[-1],
        "times": None if times == "always" else int(times),
    }


def _servers(client: Client) -> list[str]:
    servers = client.servers()["servers"]
    return [name for name, server in servers.items() if server["provider"] == "sandbox"]


def _address() -> Json | None:
    """Where the sandbox listens, and its token; None where there never was one."""
    path = paths().sandbox / "sandbox.json"
    try:
        found: Json = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise LivChatError(
            f"cannot read {path}: it is damaged", hint="livchat daemon restart"
        ) from None
    return found


def _request(address: Json, method: str, path: str, body: Json | None = None) -> Json | None:
    """The response of the sandbox; None where it does not run."""
    parts = urlsplit(address["control"])
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=15)
    try:
        headers = {"Authorization": f"Bearer {address['token']}"}
        payload = None if body is None else json.dumps(body)
        connection.request(method, path, body=payload, headers=headers)
        response = connection.getresponse()
        data = response.read()
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException) as error:
        raise ProviderUnavailable(f"the sandbox does not answer: {error}") from error
    finally:
        connection.close()
    if response.status == http.client.UNPROCESSABLE_ENTITY:
        raise InvalidRequest(json.loads(data)["error"], hint="livchat sandbox faults")
    if response.status >= http.client.BAD_REQUEST:
        raise ProviderUnavailable(f"the sandbox answered {response.status}")
    found: Json = json.loads(data) if data else {}
    return found
