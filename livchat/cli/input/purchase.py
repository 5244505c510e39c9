"""What is to be bought: fallbacks as they are typed, and the price that a person agrees to."""

from __future__ import annotations

import sys
from typing import Any

from livchat.cli.input import prompts
from livchat.errors import Invalid
from livchat.output import provider_tables, show
from livchat.output.messages import say

Json = dict[str, Any]


def fallback(text: str | None) -> list[Json] | None:
    """`TYPE`, `TYPE@LOCATION` or `@LOCATION`, with commas between them, as the daemon takes it."""
    if text is None:
        return None
    found = []
    for part in (part.strip() for part in text.split(",")):
        server_type, at, region = part.partition("@")
        if not part or (at and not region):
            raise Invalid(
                say("fallback_form", part=part or text), hint="--fallback cpx22,cax11@fsn1,@hel1"
            )
        asked = {"server_type": server_type, "region": region}
        found.append({key: value for key, value in asked.items() if value})
    return found


def can_ask(provider: str | None, *, yes: bool) -> bool:
    """Whether a person is to be asked: the sandbox costs nothing, and a script has said so."""
    return not yes and provider != "sandbox" and sys.stdin.isatty()


def agree(plan: Json) -> str | None:
    """Show the price before anything is bought; the hash of the plan that was agreed to.

    None where nothing is bought, which needs no answer. Exits where the answer is no.
    """
    server = plan.get("server") or {}
    amount = plan.get("price_monthly")
    if amount is None or server.get("exists") or server.get("provider") == "sandbox":
        return None
    show.note("\n".join(provider_tables.plan(plan)))
    prompts.confirm(say("plan"), yes=False, question=say("spend", price=provider_tables.cost(plan)))
    agreed: str = plan["hash"]
    return agreed
