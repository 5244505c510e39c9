"""The commands to start with: init, up, demo."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from livchat.cli.input import options, purchase
from livchat.cli.input.parsing import per_app, ports
from livchat.cli.session.connect import connect
from livchat.cli.session.follow import submitted
from livchat.output import provider_tables, show, tables
from livchat.output.messages import say
from livchat.output.show import Format

Json = dict[str, Any]

cli = typer.Typer(add_completion=False)


@cli.command()
def init(output: options.Output = Format.HUMAN) -> None:
    """Make the folders and the vault; twice is fine.

    Example: livchat init
    """
    show.result(
        connect().init(),
        output,
        human=lambda answer: [answer["message"], *tables.record(list(answer["data"].items()))],
    )


@cli.command()
def up(
    apps: Annotated[list[str], typer.Argument(metavar="APP...", help="The apps to run.")],
    server: Annotated[str, typer.Option("--server", metavar="NAME", help="The server's name.")],
    zone: options.Zone,
    subdomain: options.Subdomain = None,
    provider: options.Provider = None,
    server_type: options.ServerType = None,
    cpu: options.Cpu = None,
    ram: options.Ram = None,
    region: options.Region = None,
    fallback: options.Fallback = None,
    image: options.Image = None,
    email: Annotated[
        str | None, typer.Option("--email", metavar="E", help="For the certificates' authority.")
    ] = None,
    timezone: options.Timezone = None,
    opened: options.Open = None,
    challenge: options.Challenges = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="APP.K=V", help="A setting of an app; @FILE for a secret."),
    ] = None,
    plan: options.Plan = False,
    yes: options.Yes = False,
    wait: options.Wait = True,
    output: options.Output = Format.HUMAN,
) -> None:
    """Bring up a server with apps on it; what is so already stays.

    Example: livchat up n8n --server prod-01 --zone example.com --subdomain lab
    """
    order: Json = {
        "apps": apps,
        "server": server,
        "zone_name": zone,
        "subdomain": subdomain,
        "provider": provider,
        "server_type": server_type,
        "cpu": cpu,
        "ram": ram,
        "region": region,
        "fallback": purchase.fallback(fallback),
        "image": image,
        "ssl_email": email,
        "timezone": timezone,
        "open_ports": ports(opened),
        "challenge": challenge,
        "config": per_app(settings or [], apps),
    }
    client = connect()
    if plan:
        show.result(
            client.plan(order), output, human=provider_tables.plan, quiet=lambda p: [p["hash"]]
        )
        return
    if purchase.can_ask(provider, yes=yes):
        order["plan_hash"] = purchase.agree(client.plan(order))
    submitted(client, client.up(order), output, wait=wait, human=_brought_up)


@cli.command()
def demo(wait: options.Wait = True, output: options.Output = Format.HUMAN) -> None:
    """Bring up n8n in the sandbox, from nothing: no account, no money.

    Example: livchat demo
    """
    order = {
        "apps": ["n8n"],
        "server": "demo",
        "provider": "sandbox",
        "zone_name": "livchat.localhost",
        "subdomain": "lab",
        "ssl_email": "demo@livchat.localhost",
    }
    client = connect()
    client.init()
    job = submitted(client, client.up(order), output, wait=wait, human=tables.outcome)
    if job is not None and output is Format.HUMAN:
        _try_next(job)


def _brought_up(job: Json) -> list[str]:
    return [*tables.outcome(job), "", say("credentials")]


def _try_next(job: Json) -> None:
    """What to look at now; a browser knows what *.localhost is, not every program does."""
    commands = [
        ("livchat sandbox status", "try_status"),
        ("livchat job list", "try_jobs"),
        ("livchat sandbox reset", "try_reset"),
    ]
    lines = [f"  {command:<24}{say(key)}" for command, key in commands]
    for app in (job.get("result") or {}).get("apps", []):
        site = urlsplit(app.get("url") or "")
        if site.hostname:
            curl = f"curl -H 'Host: {site.hostname}' http://127.0.0.1:{site.port or 80}/"
            lines.insert(0, f"  {curl}  {say('try_curl')}")
    show.note(say("try_next"))
    show.note("\n".join(lines))
