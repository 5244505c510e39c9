"""Servers bought, added and set up: livchat server create, add, setup."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from livchat.cli.input import options, purchase
from livchat.cli.input.parsing import ports
from livchat.cli.servers import ssh_keys
from livchat.cli.session.connect import connect
from livchat.cli.session.follow import follow
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format
from livchat.output.tables.plan import plan as plan_lines

Json = dict[str, Any]


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
    request: Json = {
        "name": name,
        "server_type": server_type,
        "region": region,
        "image": image,
        "provider": provider,
        "cpu": cpu,
        "ram": ram,
        "fallback": None if fallback is None else purchase.fallback(fallback),
    }
    client = connect()
    if plan:
        found = client.plan_server(request)
        show.result(found, output, human=plan_lines, quiet=lambda p: [p["hash"]])
        return
    if not yes and purchase.can_ask(provider):
        request["plan_hash"] = purchase.agree(client.plan_server(request))
    accepted = client.create_server(request)
    if wait:
        follow(client, accepted["job_id"], output)
    else:
        show.accepted(accepted, output)


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
    private_key = None if new_key else ssh_keys.identity(identity)
    request = {
        "name": name,
        "provider": "own",
        "host": host,
        "port": port,
        "user": user,
        "private_key": private_key,
        "host_key": ssh_keys.host_key(host_key) if host_key else None,
    }
    client = connect()
    accepted = client.create_server(request)
    if private_key is None:
        line = client.job(accepted["job_id"])["params"]["public_key"]
        show.note(translate("let_in", user=user, host=host, line=line))
    if wait:
        follow(client, accepted["job_id"], output)
    else:
        show.accepted(accepted, output)


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
    request = {
        "zone_name": zone,
        "subdomain": subdomain,
        "ssl_email": email,
        "timezone": timezone,
        "open_ports": ports(opened),
        "challenge": challenge,
    }
    client = connect()
    accepted = client.setup_server(name, request)
    if wait:
        follow(client, accepted["job_id"], output)
    else:
        show.accepted(accepted, output)
