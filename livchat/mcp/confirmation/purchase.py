"""A server bought at a price: the daemon's plan of it, and the question about that price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from livchat.client.client import Client
from livchat.mcp.confirmation.question import PreparedCall, Question
from livchat.mcp.inputs import CreateServerInput, body

Json = dict[str, Any]

FREE = frozenset({"sandbox", "own"})
"""Providers that sell nothing."""


class AgreedPurchase(CreateServerInput):
    """A server to be bought as planned: the daemon refuses it if the plan would be another now."""

    plan_hash: str


def purchase(client: Client, request: CreateServerInput) -> PreparedCall:
    """Ask the daemon what it would buy, and at what price; nothing is asked where nothing is sold.

    Type, region and price are the daemon's choice; what is sent is bound to them by the plan's
    hash. Raises what planning raises: Conflict for a name that is taken, InvalidRequest or SoldOut
    with what there is instead.
    """
    if request.provider in FREE:
        return PreparedCall(request)
    plan = client.plan_server(body(request))
    server = plan["server"]
    agreed = AgreedPurchase(
        **{**request.model_dump(), "provider": server["provider"], "plan_hash": plan["hash"]}
    )
    if server["provider"] in FREE:
        return PreparedCall(agreed)
    offer = f"{server['server_type']} em {server['region']}, {_price_text(plan)}"
    message = f"Comprar o servidor {request.name} na {server['provider']}: {offer} por mês?"
    return PreparedCall(agreed, Question(message, f"{request.name}: {offer}"))


def _price_text(plan: Json) -> str:
    if plan["price_monthly"] is None:
        return "preço desconhecido"
    return f"{Decimal(plan['price_monthly']):.2f} {plan['currency'] or ''}".strip()
