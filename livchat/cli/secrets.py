"""Secrets: livchat secret list, get, set, delete."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from livchat.cli.input import options, prompts
from livchat.cli.session.connect import connect
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format

cli = typer.Typer(
    name="secret",
    help="See which secrets are kept; look at one, set one, forget one.",
    no_args_is_help=True,
    add_completion=False,
)

Key = Annotated[str, typer.Argument(metavar="KEY", help="e.g. app/prod-01/n8n/encryption_key.")]


@cli.command("list")
def index(output: options.Output = Format.HUMAN) -> None:
    """List the keys of all secrets; no values.

    Example: livchat secret list
    """
    show.result(
        connect().secrets(),
        output,
        human=_keys,
        quiet=_keys,
        items=lambda found: found["secrets"],
    )


@cli.command("get")
def details(key: Key, output: options.Output = Format.HUMAN) -> None:
    """Write a secret to stdout; that it was looked at is written down.

    Example: livchat secret get portainer/prod-01
    """
    show.result(
        connect().secret(key, reveal=True),
        output,
        human=lambda secret: [secret["value"]],
        quiet=lambda secret: [secret["value"]],
    )


@cli.command("set")
def put(
    key: Key,
    source: Annotated[
        str | None,
        typer.Option("--value-file", metavar="PATH", help="Read it from a file; - is stdin."),
    ] = None,
    output: options.Output = Format.HUMAN,
) -> None:
    """Keep a secret; it is asked for without an echo, and never an argument.

    Example: livchat secret set app/prod-01/n8n/param/smtp_password --value-file -
    """
    value = prompts.secret(translate("value_of", name=key), source, "--value-file")
    _done(connect().put_secret(key, value), output)


@cli.command()
def delete(key: Key, yes: options.Yes = False, output: options.Output = Format.HUMAN) -> None:
    """Forget a secret.

    Example: livchat secret delete app/prod-01/n8n/param/smtp_password
    """
    prompts.confirm(translate("delete_secret", name=key), yes=yes)
    _done(connect().delete_secret(key), output)


def _keys(found: dict[str, Any]) -> list[str]:
    return [secret["key"] for secret in found["secrets"]]


def _done(response: dict[str, Any], output: Format) -> None:
    show.result(response, output, human=lambda _: [response["message"]])
