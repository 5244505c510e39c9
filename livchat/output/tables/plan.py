"""A plan: what would be done, and what it would cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livchat.output.formatting import price, roughly
from livchat.output.messages import translate
from livchat.output.tables.columns import columns, record

Json = dict[str, Any]


def plan(found: Json) -> Iterator[str]:
    """What would be done: the price before anything else."""
    server = found.get("server") or {}
    seconds = found.get("estimated_seconds")
    lists = {"apps": found.get("apps"), "dns": found.get("records")}
    given = [(key, value) for key, value in lists.items() if value]
    urls = [(f"url {name}", url) for name, url in (found.get("urls") or {}).items()]
    sold_out, fallback = found.get("sold_out") or [], found.get("fallback") or []
    yield from record(
        [
            (translate("price"), cost(found)),
            *[(translate("sold_out"), _instead_of(offer, found)) for offer in sold_out],
            *[(translate("if_sold_out"), _alternative(offer, found)) for offer in fallback],
            *[(str(key), value) for key, value in server.items() if not isinstance(value, dict)],
            *given[:1],
            *urls,
            *given[1:],
        ]
    )
    steps = found.get("steps") or []
    if steps:
        yield ""
        yield from columns(("#", "STEP"), list(enumerate(steps, start=1)))
    if seconds:
        yield ""
        yield translate("takes", time=roughly(float(seconds)))


def cost(offer: Json) -> str:
    """What an offer costs a month and an hour; a dash where that is not known."""
    currency = offer.get("currency")
    monthly, hourly = offer.get("price_monthly"), offer.get("price_hourly")
    if monthly is None:
        return "-"
    text = translate("a_month", price=price(monthly, currency))
    if hourly is not None:
        text += ", " + translate("an_hour", price=price(hourly, currency, 4))
    return text


def _instead_of(sold_out: Json, chosen: Json) -> str:
    """What could not be had, and how much more or less the chosen offer costs."""
    return f"{_name(sold_out)} ({_difference(chosen, sold_out)})"


def _alternative(offer: Json, first: Json) -> str:
    """What is bought where the first offer is refused, and how much more or less it costs."""
    return f"{_name(offer)}, {cost(offer)} ({_difference(offer, first)})"


def _name(offer: Json) -> str:
    return f"{offer['server_type']} @ {offer['region']}"


def _difference(offer: Json, other: Json) -> str:
    here, there = offer.get("price_monthly"), other.get("price_monthly")
    if here is None or there is None:
        return "-"
    more = float(here) - float(there)
    if not round(more, 2):
        return translate("as_dear")
    amount = translate("a_month", price=price(abs(more), offer.get("currency")))
    return translate("dearer" if more > 0 else "cheaper", price=amount)
