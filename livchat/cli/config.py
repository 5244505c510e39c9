"""Credentials and settings: livchat config provider, cloudflare, certificates, show."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from livchat.cli.input import options, prompts
from livchat.cli.session.connect import connect
from livchat.errors import LivChatError
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format
from livchat.output.tables.columns import record
from livchat.paths import paths

Json = dict[str, Any]

cli = typer.Typer(
    name="config",
    help="Store credentials; see where things lie.",
    no_args_is_help=True,
    add_completion=False,
)

TokenFile = Annotated[
    str | None,
    typer.Option("--token-file", metavar="PATH", help="Read it from a file; - is stdin."),
]
Verify = Annotated[
    bool, typer.Option("--verify/--no-verify", help="Try the token before it is stored.")
]


@cli.command()
def provider(
    name: Annotated[str, typer.Argument(metavar="NAME", help="hetzner")],
    token_file: TokenFile = None,
    verify: Verify = True,
    output: options.Output = Format.HUMAN,
) -> None:
    """Store the token of a provider; it is asked for without an echo.

    Example: livchat config provider hetzner
    """
    token = prompts.secret(translate("token_of", name=name), token_file)
    _done(connect().configure_provider(name, token, verify=verify), output)


@cli.command()
def cloudflare(
    email: Annotated[
        str | None,
        typer.Option("--email", metavar="E", help="With the global API key instead of a token."),
    ] = None,
    token_file: TokenFile = None,
    verify: Verify = True,
    output: options.Output = Format.HUMAN,
) -> None:
    """Store the API token of Cloudflare, or with --email its global API key.

    Example: livchat config cloudflare --token-file token.txt
    """
    if email is None:
        found = {
            "api_token": prompts.secret(translate("api_token_of", name="Cloudflare"), token_file)
        }
    else:
        key = prompts.secret(translate("api_key_of", name="Cloudflare"), token_file)
        found = {"email": email, "api_key": key}
    _done(connect().configure_cloudflare({**found, "verify": verify}), output)


@cli.command()
def certificates(
    zone: Annotated[str, typer.Argument(metavar="ZONE", help="The DNS zone, e.g. example.com.")],
    token_file: TokenFile = None,
    provider: options.Provider = None,
    verify: Verify = True,
    output: options.Output = Format.HUMAN,
) -> None:
    """Store the certificate token of a zone, which its servers get for the DNS-01 challenge.

    Make it at Cloudflare for this zone alone: Zone Read and DNS Edit.

    Example: livchat config certificates example.com --token-file token.txt
    """
    token = prompts.secret(translate("certificate_token_of", name=zone), token_file)
    request = {"zone_name": zone, "token": token, "provider": provider, "verify": verify}
    _done(connect().configure_certificates(request), output)


@cli.command("show")
def details(output: options.Output = Format.HUMAN) -> None:
    """Show where things lie and the settings that are no secret.

    Example: livchat config show
    """
    show.result(_places_and_settings(), output, human=_lines)


def _done(response: Json, output: Format) -> None:
    show.result(response, output, human=lambda _: [response["message"]])


def _lines(found: Json) -> Iterator[str]:
    settings = found.get("settings") or {}
    others = [(key, value) for key, value in found.items() if key != "settings"]
    return record([*others, *settings.items()])


def _places_and_settings() -> Json:
    url = os.environ.get("LIVCHAT_URL")
    if url:
        return {"url": url, "token_file": os.environ.get("LIVCHAT_TOKEN_FILE")}
    here = paths()
    found: Json = {
        "config_dir": str(here.config),
        "state_dir": str(here.state),
        "socket": str(here.socket),
        "log": str(here.log),
    }
    try:
        settings = json.loads(here.settings.read_text(encoding="utf-8"))
    except FileNotFoundError:
        settings = {}
    except (OSError, ValueError) as error:
        raise LivChatError(f"cannot read {here.settings}: it is damaged") from error
    return {**found, "settings": settings}
