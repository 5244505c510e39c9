"""Options that many commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from livchat.output.show import Format

Output = Annotated[
    Format, typer.Option("--output", "-o", help="How the result is written.", show_default=False)
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", "-w", help="Watch the job until it ends.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ServerArgument = Annotated[str, typer.Argument(metavar="SERVER", help="The server's name.")]
AppArgument = Annotated[str, typer.Argument(metavar="APP", help="The app's name in the catalog.")]
JobArgument = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
Provider = Annotated[
    str | None, typer.Option("--provider", metavar="P", help="hetzner, own or sandbox.")
]
ServerType = Annotated[
    str | None, typer.Option("--type", metavar="T", help="The server type, e.g. cx23.")
]
Region = Annotated[str | None, typer.Option("--region", metavar="R", help="Where it stands.")]
Fallback = Annotated[
    str | None,
    typer.Option(
        "--fallback",
        metavar="LIST",
        help="What to take where that is sold out: TYPE, TYPE@LOCATION or @LOCATION, in order.",
    ),
]
Plan = Annotated[bool, typer.Option("--plan", help="Show what would be done, and stop.")]
Image = Annotated[str | None, typer.Option("--image", metavar="I", help="Its operating system.")]
Cpu = Annotated[int | None, typer.Option("--cpu", metavar="N", help="At least so many cores.")]
Ram = Annotated[float | None, typer.Option("--ram", metavar="N", help="At least so many GB.")]
Zone = Annotated[
    str, typer.Option("--zone", metavar="ZONE", help="The DNS zone, e.g. example.com.")
]
Subdomain = Annotated[
    str | None,
    typer.Option("--subdomain", metavar="NAME", help="A level between app and zone, e.g. lab."),
]
Open = Annotated[
    list[str] | None,
    typer.Option(
        "--open", metavar="PORT", help="Keep a port open, e.g. 25/tcp; none closes all of them."
    ),
]
Challenges = Annotated[
    str | None,
    typer.Option(
        "--challenge",
        metavar="C",
        help="For certificates: auto, dns-01 (one for all names) or http-01; else as before.",
    ),
]
Timezone = Annotated[
    str | None, typer.Option("--timezone", metavar="TZ", help="e.g. America/Sao_Paulo.")
]
