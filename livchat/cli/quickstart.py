"""The commands to start with: init, up, demo."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from livchat.cli.input import options, purchase
from livchat.cli.input.parsing import ports, values_per_app
from livchat.cli.session.connect import connect
from livchat.cli.session.follow import follow
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format
from livchat.output.tables.columns import record
from livchat.output.tables.jobs import job_result
from livchat.output.tables.plan import plan as plan_lines

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
        human=lambda made: [made["message"], *record(list(made["data"].items()))],
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
    request: Json = {
        "apps": apps,
        "server": server,
        "zone_name": zone,
        "subdomain": subdomain,
        "provider": provider,
        "server_type": server_type,
        "cpu": cpu,
        "ram": ram,
        "region": region,
        "fallback": None if fallback is None else purchase.fallback(fallback),
        "image": image,
        "ssl_email": email,
        "timezone": timezone,
        "open_ports": ports(opened),
        "challenge": challenge,
        "config": values_per_app(settings or [], apps),
    }
    client = connect()
    if plan:
        show.result(client.plan(request), output, human=plan_lines, quiet=lambda p: [p["hash"]])
        return
    if not yes and purchase.can_ask(provider):
        request["plan_hash"] = purchase.agree(client.plan(request))
    accepted = client.up(request)
    if wait:
        follow(client, accepted["job_id"], output, human=_brought_up)
    else:
        show.accepted(accepted, output)


@cli.command()
def demo(wait: options.Wait = True, output: options.Output = Format.HUMAN) -> None:
    """Bring up n8n in the sandbox, from nothing: no account, no money.

    Example: livchat demo
    """
    request = {
        "apps": ["n8n"],
        "server": "demo",
        "provider": "sandbox",
        "zone_name": "livchat.localhost",
        "subdomain": "lab",
        "ssl_email": "demo@livchat.localhost",
    }
    client = connect()
    client.init()
    accepted = client.up(request)
    if not wait:
        show.accepted(accepted, output)
        return
    job = follow(client, accepted["job_id"], output, human=job_result)
    if output is Format.HUMAN:
        _try_next(job)


def _brought_up(job: Json) -> list[str]:
    return [*job_result(job), "", translate("credentials")]


def _try_next(job: Json) -> None:
    """Say what to look at now; a browser resolves *.localhost, not every program does."""
    commands = [
        ("livchat sandbox status", "try_status"),
        ("livchat job list", "try_jobs"),
        ("livchat sandbox reset", "try_reset"),
    ]
    lines = [f"  {command:<24}{translate(key)}" for command, key in commands]
    for app in (job.get("result") or {}).get("apps", []):
        url = urlsplit(app.get("url") or "")
        if url.hostname:
            curl = f"curl -H 'Host: {url.hostname}' http://127.0.0.1:{url.port or 80}/"
            lines.insert(0, f"  {curl}  {translate('try_curl')}")
    show.note(translate("try_next"))
    show.note("\n".join(lines))
