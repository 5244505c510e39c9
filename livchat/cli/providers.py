"""What a provider offers: livchat provider types, locations, images."""

from __future__ import annotations

import typer

from livchat.cli.input import options
from livchat.cli.session.connect import connect
from livchat.output import show
from livchat.output.show import Format
from livchat.output.tables import providers as tables

cli = typer.Typer(
    name="provider",
    help="See what a provider offers now, and what it costs.",
    no_args_is_help=True,
    add_completion=False,
)


@cli.command()
def types(
    provider: options.Provider = None,
    region: options.Region = None,
    cpu: options.Cpu = None,
    ram: options.Ram = None,
    output: options.Output = Format.HUMAN,
) -> None:
    """List server types with prices and where they can be had now.

    Example: livchat provider types --region nbg1 --ram 8
    """
    found = connect().server_types(provider=provider, region=region)
    large_enough = [
        kind
        for kind in found["server_types"]
        if kind["cores"] >= (cpu or 0) and kind["memory_gb"] >= (ram or 0)
    ]
    show.result(
        {**found, "server_types": large_enough},
        output,
        human=tables.server_types,
        quiet=lambda page: [kind["name"] for kind in page["server_types"]],
        items=lambda page: page["server_types"],
    )


@cli.command()
def locations(provider: options.Provider = None, output: options.Output = Format.HUMAN) -> None:
    """List the places where servers can stand.

    Example: livchat provider locations
    """
    show.result(
        connect().locations(provider=provider),
        output,
        human=tables.locations,
        quiet=lambda page: [location["name"] for location in page["locations"]],
        items=lambda page: page["locations"],
    )


@cli.command()
def images(provider: options.Provider = None, output: options.Output = Format.HUMAN) -> None:
    """List the operating systems that a server can begin with.

    Example: livchat provider images
    """
    show.result(
        connect().images(provider=provider),
        output,
        human=tables.images,
        quiet=lambda page: [image["name"] for image in page["images"]],
        items=lambda page: page["images"],
    )
