"""What a provider offers: livchat provider types, locations, images."""

from __future__ import annotations

import typer

from livchat.cli.input import options
from livchat.cli.session.connect import connect
from livchat.output import provider_tables, show
from livchat.output.show import Format

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
    large = [
        kind
        for kind in found["server_types"]
        if kind["cores"] >= (cpu or 0) and kind["memory_gb"] >= (ram or 0)
    ]
    show.result(
        {**found, "server_types": large},
        output,
        human=provider_tables.server_types,
        quiet=lambda answer: [kind["name"] for kind in answer["server_types"]],
        items=lambda answer: answer["server_types"],
    )


@cli.command()
def locations(provider: options.Provider = None, output: options.Output = Format.HUMAN) -> None:
    """List the places where servers can stand.

    Example: livchat provider locations
    """
    show.result(
        connect().locations(provider=provider),
        output,
        human=provider_tables.locations,
        quiet=lambda answer: [place["name"] for place in answer["locations"]],
        items=lambda answer: answer["locations"],
    )


@cli.command()
def images(provider: options.Provider = None, output: options.Output = Format.HUMAN) -> None:
    """List the operating systems that a server can begin with.

    Example: livchat provider images
    """
    show.result(
        connect().images(provider=provider),
        output,
        human=provider_tables.images,
        quiet=lambda answer: [image["name"] for image in answer["images"]],
        items=lambda answer: answer["images"],
    )
