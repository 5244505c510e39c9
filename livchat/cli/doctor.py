"""What is not as it should be: livchat doctor."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from livchat.cli.input import options, prompts
from livchat.cli.session.connect import connect
from livchat.cli.session.follow import submitted
from livchat.errors import BadRequest, NotFound
from livchat.output import findings, show
from livchat.output.messages import say
from livchat.output.show import Format

Json = dict[str, Any]

cli = typer.Typer(add_completion=False)


@cli.command()
def doctor(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="With --mend: only these, e.g. hetzner/machine/7."),
    ] = None,
    mend: Annotated[
        bool, typer.Option("--mend", help="Delete what belongs to nothing, after asking.")
    ] = False,
    yes: options.Yes = False,
    wait: options.Wait = True,
    output: options.Output = Format.HUMAN,
) -> None:
    """Find what costs money and belongs to nothing, and what else is not as it should be.

    It ends with 0 when all is well and with 1 when it found something. What another
    installation of LivChat made is only mended if it is named.

    Example: livchat doctor --mend
    """
    if ids and not mend:
        raise BadRequest(say("ids_without_mend"), hint=f"livchat doctor --mend {' '.join(ids)}")
    client = connect()
    answer = client.doctor()
    chosen = _chosen(answer, ids) if mend else []
    if not chosen:
        show.result(
            answer,
            output,
            human=findings.diagnosis,
            quiet=lambda found: [one["id"] for one in found["findings"]],
            items=lambda found: [*found["findings"], *found["foreign"]],
        )
        if mend:
            show.note(say("nothing_to_mend"))
        if not answer["healthy"]:
            raise typer.Exit(1)
        return
    if not yes:
        show.note("\n".join(findings.goes(chosen)))
    prompts.confirm(findings.together(chosen), yes=yes)
    accepted = client.mend([one["id"] for one in chosen])
    submitted(client, accepted, output, wait=wait, human=findings.mended)


def _chosen(answer: Json, ids: list[str] | None) -> list[Json]:
    """The findings that are meant: those named, or all of our own that can be mended."""
    if not ids:
        return [one for one in answer["findings"] if one["mend"] and not one["named_only"]]
    known = {one["id"]: one for one in (*answer["findings"], *answer["foreign"])}
    for name in ids:
        if name not in known:
            raise NotFound(say("no_finding", name=name), hint="livchat doctor")
    return [known[name] for name in dict.fromkeys(ids)]
