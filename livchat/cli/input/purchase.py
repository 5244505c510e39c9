"""Purchases: fallbacks as they are typed, and the price that a person agrees to."""

from __future__ import annotations

import sys
from typing import Any

from livchat.cli.input import prompts
from livchat.errors import InvalidRequest
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.tables import plan as tables

Json = dict[str, Any]


def fallback(text: str) -> list[Json]:
    """Alternatives from `TYPE`, `TYPE@LOCATION` or `@LOCATION`, separated by commas.

    Raises InvalidRequest for a text of another form.
    """
    found = []
    for part in (part.strip() for part in text.split(",")):
        server_type, at, region = part.partition("@")
        if not part or (at and not region):
            raise InvalidRequest(
                translate("fallback_form", part=part or text),
                hint="--fallback cpx22,cax11@fsn1,@hel1",
            )
        alternative = {"server_type": server_type, "region": region}
        found.append({key: value for key, value in alternative.items() if value})
    return found


def can_ask(provider: str | None) -> bool:
    """Whether a person is there to be asked: not off a terminal, nor for the free sandbox."""
    return provider != "sandbox" and sys.stdin.isatty()


def agree(plan: Json) -> str | None:
    """Show a plan with its price, and ask; the hash of the plan that was agreed to.

    None where nothing is bought, and nobody is asked. Raises typer.Exit where the person says no.
    """
    server = plan.get("server") or {}
    amount = plan.get("price_monthly")
    if amount is None or server.get("exists") or server.get("provider") == "sandbox":
        return None
    show.note("\n".join(tables.plan(plan)))
    prompts.confirm(
        translate("plan"), yes=False, question=translate("spend", price=tables.cost(plan))
    )
    plan_hash: str = plan["hash"]
    return plan_hash
