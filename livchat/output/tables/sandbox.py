"""The sandbox: what exists in it, and the faults that it has or can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livchat.output.formatting import price
from livchat.output.tables.columns import columns, record

Json = dict[str, Any]


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
    """The faults that are set, with how often each came; without any, those that there are."""
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
    most_services_first = sorted(known.items(), key=lambda item: -len(item[1]))
    yield from columns(
        ("FAULT", "AT", "WHAT HAPPENS"),
        [(name, ", ".join(services), words) for (name, words), services in most_services_first],
    )
