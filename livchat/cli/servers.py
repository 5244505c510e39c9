"""Servers: livchat server create, add, list, show, setup, exec, ssh, delete."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from livchat.cli.input import options, prompts, purchase, ssh_keys
from livchat.cli.input.parsing import ports
from livchat.cli.session.connect import connect
from livchat.cli.session.follow import submitted
from livchat.errors import TimedOut
from livchat.output import provider_tables, show, tables
from livchat.output.messages import say
from livchat.output.show import Format

cli = typer.Typer(
    name="server",
    help="Make servers, look at them, set them up, delete them.",
    no_args_is_help=True,
    add_completion=False,
)


@cli.command()
def create(
    name: options.ServerArgument,
    server_type: options.ServerType = None,
    region: options.Region = None,
    image: options.Image = None,
    provider: options.Provider = None,
    cpu: options.Cpu = None,
    ram: options.Ram = None,
    fallback: options.Fallback = None,
    plan: options.Plan = False,
    yes: options.Yes = False,
    wait: options.Wait = False,
    output: options.Output = Format.HUMAN,
) -> None:
    """Create a server; what is not given is chosen from what can be had now.

    On a terminal the price is shown and agreed to first; off a terminal nobody is asked.

    Example: livchat server create prod-01 --type cx23 --fallback cpx22,@hel1 --wait
    """
    order: dict[str, Any] = {
        "name": name,
        "server_type": server_type,
        "region": region,
        "image": image,
        "provider": provider,
        "cpu": cpu,
        "ram": ram,
        "fallback": purchase.fallback(fallback),
    }
    client = connect()
    if plan:
        found = client.plan_server(order)
        show.result(found, output, human=provider_tables.plan, quiet=lambda p: [p["hash"]])
        return
    if purchase.can_ask(provider, yes=yes):
        order["plan_hash"] = purchase.agree(client.plan_server(order))
    submitted(client, client.create_server(order), output, wait=wait)


@cli.command()
def add(
    name: options.ServerArgument,
    host: Annotated[str, typer.Option("--host", metavar="H", help="Its address or DNS name.")],
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of its SSH.")] = 22,
    user: Annotated[
        str, typer.Option("--user", metavar="U", help="root, or one with passwordless sudo.")
    ] = "root",
    identity: Annotated[
        str | None,
        typer.Option(
            "--identity",
            metavar="FILE",
            help="A private key; else ~/.ssh/id_ed25519, or a new one.",
        ),
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a key for this server, and show its line.")
    ] = False,
    host_key: Annotated[
        str | None,
        typer.Option("--host-key", metavar="KEY", help="Its host key: a .pub file or SHA256:..."),
    ] = None,
    wait: options.Wait = False,
    output: options.Output = Format.HUMAN,
) -> None:
    """Add a machine that you have, reached over SSH; nothing on it is changed yet.

    Example: livchat server add prod-01 --host 203.0.113.7 --identity ~/.ssh/id_ed25519 --wait
    """
    private = None if new_key else ssh_keys.identity(identity)
    order = {
        "name": name,
        "provider": "own",
        "host": host,
        "port": port,
        "user": user,
        "private_key": private,
        "host_key": ssh_keys.host_key(host_key) if host_key else None,
    }
    client = connect()
    accepted = client.create_server(order)
    if private is None:
        line = client.job(accepted["job_id"])["params"]["public_key"]
        show.note(say("let_in", user=user, host=host, line=line))
    submitted(client, accepted, output, wait=wait)


@cli.command("list")
def index(output: options.Output = Format.HUMAN) -> None:
    """List the servers.

    Example: livchat server list
    """
    show.result(
        connect().servers(),
        output,
        human=tables.servers,
        quiet=lambda answer: list(answer["servers"]),
        items=lambda answer: answer["servers"].values(),
    )


@cli.command("show")
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


@cli.command()
def setup(
    name: options.ServerArgument,
    zone: options.Zone,
    email: Annotated[
        str, typer.Option("--email", metavar="E", help="For the certificates' authority.")
    ],
    subdomain: options.Subdomain = None,
    timezone: options.Timezone = None,
    opened: options.Open = None,
    challenge: options.Challenges = None,
    wait: options.Wait = False,
    output: options.Output = Format.HUMAN,
) -> None:
    """Set up a server: Docker, swarm, Traefik, Portainer, its names, a firewall, updates.

    Only SSH, 80 and 443 are left open to the world, and what --open names.

    Example: livchat server setup prod-01 --zone example.com --email me@example.com --wait
    """
    order = {
        "zone_name": zone,
        "subdomain": subdomain,
        "ssl_email": email,
        "timezone": timezone,
        "open_ports": ports(opened),
        "challenge": challenge,
    }
    client = connect()
    submitted(client, client.setup_server(name, order), output, wait=wait)


@cli.command("exec", context_settings={"ignore_unknown_options": True})
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
        answer = connect().execute(name, line, timeout)
    except TimedOut as late:
        if output in (Format.HUMAN, Format.QUIET):
            show.raw(late.details.get("stdout", ""))
            show.raw(late.details.get("stderr", ""), error=True)
        raise
    if output in (Format.HUMAN, Format.QUIET):
        show.raw(answer["stdout"])
        show.raw(answer["stderr"], error=True)
        if answer["truncated"]:
            show.note(say("truncated"))
    else:
        show.result(answer, output, human=lambda _: [])
    if answer["exit_code"] != 0:
        show.note(say("exit_code", code=answer["exit_code"]))
        raise typer.Exit(1)


@cli.command("ssh", context_settings={"ignore_unknown_options": True})
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
    client = connect()
    access = client.ssh_access(name)
    private = client.secret(f"ssh/{name}/private", reveal=True)["value"]
    raise typer.Exit(ssh_keys.shell(access, private, command or []))


@cli.command()
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
    submitted(client, client.delete_server(name), output, wait=wait)


def _what_goes(server: dict[str, Any]) -> str:
    apps = ", ".join(server.get("apps") or []) or say("no_apps")
    address = server.get("ip_address") or "-"
    if server["provider"] == "own":
        return say("forget_server", name=server["name"], address=address, apps=apps)
    return say("delete_server", name=server["name"], address=address, apps=apps)
