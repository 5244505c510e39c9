"""What is not as it should be, found and mended: livchat doctor."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from livchat.cli.input import options, prompts
from livchat.cli.session.connect import connect
from livchat.cli.session.follow import follow
from livchat.errors import BadRequest, NotFound
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format
from livchat.output.tables import doctor as tables

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
        raise BadRequest(
            translate("ids_without_mend"), hint=f"livchat doctor --mend {' '.join(ids)}"
        )
    client = connect()
    found = client.doctor()
    chosen = _chosen(found, ids) if mend else []
    if not chosen:
        show.result(
            found,
            output,
            human=tables.diagnosis,
            quiet=lambda diagnosis: [one["id"] for one in diagnosis["findings"]],
            items=lambda diagnosis: [*diagnosis["findings"], *diagnosis["foreign"]],
        )
        if mend:
            show.note(translate("nothing_to_mend"))
        if not found["healthy"]:
            raise typer.Exit(1)
        return
    if not yes:
        show.note("\n".join(tables.what_will_be_mended(chosen)))
    prompts.confirm(tables.count_and_savings(chosen), yes=yes)
    accepted = client.mend([one["id"] for one in chosen])
    if wait:
        follow(client, accepted["job_id"], output, human=tables.mending_result)
    else:
        show.accepted(accepted, output)


def _chosen(diagnosis: Json, ids: list[str] | None) -> list[Json]:
    """The findings to mend: those named, else all of this installation's own that can be."""
    if not ids:
        return [one for one in diagnosis["findings"] if one["mend"] and not one["named_only"]]
    known = {one["id"]: one for one in (*diagnosis["findings"], *diagnosis["foreign"])}
    for name in ids:
        if name not in known:
            raise NotFound(translate("no_finding", name=name), hint="livchat doctor")
    return [known[name] for name in dict.fromkeys(ids)]
