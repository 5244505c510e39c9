"""What a provider offers: server types with prices, locations, images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livchat.output.formatting import price
from livchat.output.messages import translate
from livchat.output.tables.columns import columns

Json = dict[str, Any]


def server_types(found: Json) -> Iterator[str]:
    """Server types, cheapest first, with prices and where they can be had now.

    Retired types stand at the end, marked; a location that is sold out has brackets round it.
    """
    kinds = sorted(found["server_types"], key=lambda kind: (kind["deprecated"], _lowest(kind)))
    rows = [
        (
            kind["name"],
            kind["cores"],
            f"{kind['memory_gb']:g}",
            kind["disk_gb"],
            kind["architecture"],
            *_cheapest(kind["locations"]),
            translate("retired")
            if kind["deprecated"]
            else " ".join(map(_location, kind["locations"])),
        )
        for kind in kinds
    ]
    heads = ("TYPE", "CPU", "RAM", "DISK", "ARCH", "A MONTH", "AN HOUR", "WHERE")
    yield from columns(heads, rows)
    yield ""
    yield translate("price_legend")


def locations(found: Json) -> Iterator[str]:
    """Where servers can stand."""
    rows = [
        (at["name"], at["city"], at["country"], at["network_zone"]) for at in found["locations"]
    ]
    return columns(("LOCATION", "CITY", "COUNTRY", "ZONE"), rows)


def images(found: Json) -> Iterator[str]:
    """Operating systems."""
    rows = [
        (
            image["name"],
            image["architecture"],
            image["description"] + (f" ({translate('retired')})" if image["deprecated"] else ""),
        )
        for image in sorted(found["images"], key=lambda image: bool(image["deprecated"]))
    ]
    return columns(("IMAGE", "ARCH", "WHAT IT IS"), rows)


def _location(location: Json) -> str:
    name: str = location["name"]
    return name if location["available"] else f"({name})"


def _cheapest(locations: list[Json]) -> tuple[str, str]:
    """The lowest price of a type, a month and an hour; of what can be had, if anything can."""
    priced = [at for at in locations if at["price_monthly"] is not None]
    offers = [at for at in priced if at["available"]] or priced
    if not offers:
        return "-", "-"
    best = min(offers, key=lambda at: float(at["price_monthly"]))
    hourly = best["price_hourly"]
    return price(best["price_monthly"], best["currency"]), (
        price(hourly, "", 4) if hourly is not None else "-"
    )


def _lowest(kind: Json) -> float:
    """The lowest price a month of a type; infinite where none is known, to stand last."""
    known = [float(at["price_monthly"]) for at in kind["locations"] if at["price_monthly"]]
    return min(known, default=float("inf"))
