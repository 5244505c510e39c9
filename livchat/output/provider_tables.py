"""What a provider offers and what an `up` would cost, as tables for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livchat.output.formatting import price, roughly
from livchat.output.messages import say
from livchat.output.tables import columns, record

Json = dict[str, Any]


def server_types(answer: Json) -> Iterator[str]:
    """Server types, cheapest first, with prices and where they can be had now.

    What is retired stands at the end, marked; a place that is sold out has brackets round it.
    """
    kinds = sorted(answer["server_types"], key=lambda kind: (kind["deprecated"], _amount(kind)))
    rows = [
        (
            kind["name"],
            kind["cores"],
            f"{kind['memory_gb']:g}",
            kind["disk_gb"],
            kind["architecture"],
            *_cheapest(kind["locations"]),
            say("retired") if kind["deprecated"] else " ".join(map(_place, kind["locations"])),
        )
        for kind in kinds
    ]
    heads = ("TYPE", "CPU", "RAM", "DISK", "ARCH", "A MONTH", "AN HOUR", "WHERE")
    yield from columns(heads, rows)
    yield ""
    yield say("brackets")


def locations(answer: Json) -> Iterator[str]:
    """Where servers can stand."""
    rows = [
        (at["name"], at["city"], at["country"], at["network_zone"]) for at in answer["locations"]
    ]
    return columns(("LOCATION", "CITY", "COUNTRY", "ZONE"), rows)


def images(answer: Json) -> Iterator[str]:
    """Operating systems."""
    rows = [
        (
            image["name"],
            image["architecture"],
            image["description"] + (f" ({say('retired')})" if image["deprecated"] else ""),
        )
        for image in sorted(answer["images"], key=lambda image: bool(image["deprecated"]))
    ]
    return columns(("IMAGE", "ARCH", "WHAT IT IS"), rows)


def cost(offer: Json) -> str:
    """What an offer costs a month and an hour; a dash where that is not known."""
    currency = offer.get("currency")
    monthly, hourly = offer.get("price_monthly"), offer.get("price_hourly")
    if monthly is None:
        return "-"
    told = say("a_month", price=price(monthly, currency))
    if hourly is not None:
        told += ", " + say("an_hour", price=price(hourly, currency, 4))
    return told


def plan(found: Json) -> Iterator[str]:
    """What would be done: the price before anything else."""
    server = found.get("server") or {}
    seconds = found.get("estimated_seconds")
    told = {"apps": found.get("apps"), "dns": found.get("records")}
    apps = [(key, value) for key, value in told.items() if value]
    urls = [(f"url {name}", url) for name, url in (found.get("urls") or {}).items()]
    yield from record(
        [
            (say("price"), cost(found)),
            *[(say("sold_out"), _against(found, offer)) for offer in found.get("sold_out") or []],
            *[(say("if_sold_out"), _other(offer, found)) for offer in found.get("fallback") or []],
            *[(str(key), value) for key, value in server.items() if not isinstance(value, dict)],
            *apps[:1],
            *urls,
            *apps[1:],
        ]
    )
    steps = found.get("steps") or []
    if steps:
        yield ""
        yield from columns(("#", "STEP"), list(enumerate(steps, start=1)))
    if seconds:
        yield ""
        yield say("takes", time=roughly(float(seconds)))


def sandbox(found: Json) -> Iterator[str]:
    """What exists in the sandbox, and what it would cost."""
    lists = ("servers", "primary_ips", "ssh_keys", "dns_records", "stacks")
    counted = [(key, len(found.get(key) or [])) for key in lists]
    bill = price(found.get("bill_monthly"), found.get("currency") or "EUR")
    yield from record([*counted, ("bill_monthly", bill), ("front", found.get("front"))])
    for key in ("servers", "dns_records", "stacks"):
        rows = [row for row in found.get(key) or [] if isinstance(row, dict)]
        if rows:
            yield ""
            head = list(rows[0])
            yield from columns(
                [name.upper() for name in head], [[row.get(name) for name in head] for row in rows]
            )


def faults(found: Json) -> Iterator[str]:
    """The faults at work with how often each came; without any, those that there are."""
    rules = found.get("faults") or []
    if rules:
        rows = [
            (r["service"], r["route"], r["fault"], r["times"] or "always", r["fired"])
            for r in rules
        ]
        yield from columns(("SERVICE", "ROUTE", "FAULT", "TIMES", "CAME"), rows)
        return
    known: dict[tuple[str, str], list[str]] = {}
    for fault in found.get("known") or []:
        known.setdefault((fault["fault"], fault["words"]), []).append(fault["service"])
    alike = sorted(known.items(), key=lambda item: -len(item[1]))
    yield from columns(
        ("FAULT", "AT", "WHAT HAPPENS"),
        [(name, ", ".join(services), words) for (name, words), services in alike],
    )


def _against(taken: Json, offer: Json) -> str:
    """What could not be had, and what is taken for it costs more or less."""
    return f"{_named(offer)} ({_difference(taken, offer)})"


def _other(offer: Json, first: Json) -> str:
    """What is taken where the order is refused, and what it costs more or less."""
    return f"{_named(offer)}, {cost(offer)} ({_difference(offer, first)})"


def _named(offer: Json) -> str:
    return f"{offer['server_type']} @ {offer['region']}"


def _difference(offer: Json, other: Json) -> str:
    here, there = offer.get("price_monthly"), other.get("price_monthly")
    if here is None or there is None:
        return "-"
    more = float(here) - float(there)
    if not round(more, 2):
        return say("as_dear")
    told = say("a_month", price=price(abs(more), offer.get("currency")))
    return say("dearer" if more > 0 else "cheaper", price=told)


def _place(place: Json) -> str:
    name: str = place["name"]
    return name if place["available"] else f"({name})"


def _cheapest(places: list[Json]) -> tuple[str, str]:
    """The lowest price of a type, a month and an hour; of what can be had, if anything can."""
    priced = [place for place in places if place["price_monthly"] is not None]
    offers = [place for place in priced if place["available"]] or priced
    if not offers:
        return "-", "-"
    best = min(offers, key=lambda place: float(place["price_monthly"]))
    hourly = best["price_hourly"]
    return price(best["price_monthly"], best["currency"]), (
        price(hourly, "", 4) if hourly is not None else "-"
    )


def _amount(kind: Json) -> float:
    known = [float(at["price_monthly"]) for at in kind["locations"] if at["price_monthly"]]
    return min(known, default=float("inf"))
