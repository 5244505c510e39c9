"""Apps: livchat app catalog, info, deploy, list, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from livchat.cli.input import options, prompts
from livchat.cli.input.parsing import app_values
from livchat.cli.session.connect import connect
from livchat.cli.session.follow import follow
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format
from livchat.output.tables import apps as tables

cli = typer.Typer(
    name="app",
    help="See what can be deployed; deploy and delete apps.",
    no_args_is_help=True,
    add_completion=False,
)


@cli.command()
def catalog(output: options.Output = Format.HUMAN) -> None:
    """List the apps that can be deployed.

    Example: livchat app catalog
    """
    show.result(
        connect().catalog(),
        output,
        human=tables.catalog,
        quiet=lambda found: [app["name"] for app in found["apps"]],
        items=lambda found: found["apps"],
    )


@cli.command()
def info(app: options.AppArgument, output: options.Output = Format.HUMAN) -> None:
    """Show an app of the catalog, and the settings that it takes.

    Example: livchat app info n8n
    """
    show.result(
        connect().app(app), output, human=tables.app, quiet=lambda found: [found["version"]]
    )


@cli.command()
def deploy(
    server: options.ServerArgument,
    app: options.AppArgument,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="K=V", help="A setting of the app; @FILE for a secret."),
    ] = None,
    wait: options.Wait = False,
    output: options.Output = Format.HUMAN,
) -> None:
    """Deploy an app, and first what it needs.

    Example: livchat app deploy prod-01 n8n --wait
    """
    client = connect()
    accepted = client.deploy_app(server, app, app_values(settings or []))
    if wait:
        follow(client, accepted["job_id"], output)
    else:
        show.accepted(accepted, output)


@cli.command("list")
def index(server: options.ServerArgument, output: options.Output = Format.HUMAN) -> None:
    """List the apps of a server.

    Example: livchat app list prod-01
    """
    show.result(
        connect().installed_apps(server),
        output,
        human=tables.installed,
        quiet=lambda found: [app["app_name"] for app in found["apps"]],
        items=lambda found: found["apps"],
    )


@cli.command()
def delete(
    server: options.ServerArgument,
    app: options.AppArgument,
    purge: Annotated[
        bool, typer.Option("--purge", help="Delete its volumes, databases and secrets too.")
    ] = False,
    yes: options.Yes = False,
    wait: options.Wait = False,
    output: options.Output = Format.HUMAN,
) -> None:
    """Delete an app from a server; its data stays unless it is purged.

    Example: livchat app delete prod-01 n8n --wait
    """
    prompts.confirm(
        translate("purge_app" if purge else "delete_app", app=app, server=server), yes=yes
    )
    client = connect()
    accepted = client.delete_app(server, app, purge=purge)
    if wait:
        follow(client, accepted["job_id"], output)
    else:
        show.accepted(accepted, output)
