"""Servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livchat.output.formatting import price
from livchat.output.messages import translate
from livchat.output.tables.columns import columns, record

Json = dict[str, Any]


def servers(found: Json) -> Iterator[str]:
    """All servers."""
    rows = [
        (
            server["name"],
            server["status"],
            server["provider"],
            server.get("server_type"),
            server.get("region"),
            server.get("ip_address"),
            server.get("apps"),
        )
        for server in found["servers"].values()
    ]
    yield from columns(("NAME", "STATUS", "PROVIDER", "TYPE", "REGION", "ADDRESS", "APPS"), rows)


def server(found: Json) -> Iterator[str]:
    """One server."""
    amount = found.get("price_monthly")
    cost = translate("a_month", price=price(amount, found.get("currency"))) if amount else None
    fields = [(key, found.get(key)) for key in found if key not in ("price_monthly", "currency")]
    return record([*fields, ("price", cost)])
