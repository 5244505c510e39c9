"""Cloudflare's filters: what a query picks of zones and records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from livchat_sandbox.cloudflare.views import ACCOUNT
from livchat_sandbox.storage.state import Record, Zone

Row = TypeVar("Row")


def picks_zone(query: Mapping[str, str]) -> Callable[[Zone], bool]:
    """The query's test of a zone: name, status, account."""
    tests: list[Callable[[Zone], bool]] = []
    if "name" in query:
        tests.append(lambda zone: _operator(query["name"].lower(), zone.name))
    if "status" in query:
        tests.append(lambda zone: query["status"] == zone.status)
    if "account.id" in query:
        tests.append(lambda _: query["account.id"] == ACCOUNT["id"])
    return _joined(query, tests)


def picks_record(query: Mapping[str, str]) -> Callable[[Record], bool]:
    """The query's test of a record; all its filters must hold, or any with `match=any`."""
    tests: list[Callable[[Record], bool]] = [
        _on(field, test)
        for field in ("name", "content", "comment")
        for test in _filters(query, field)
    ]
    if "type" in query:
        tests.append(lambda record: query["type"] == record.type)
    if "proxied" in query:
        proxied = query["proxied"].lower() == "true"
        tests.append(lambda record: record.proxied == proxied)
    if "search" in query:
        wanted = query["search"].lower()
        tests.append(lambda record: wanted in f"{record.name} {record.content} {record.comment}")
    return _joined(query, tests)


def _operator(wanted: str, name: str) -> bool:
    operator, colon, value = wanted.partition(":")
    if not colon:
        return name == wanted
    return {
        "equal": name == value,
        "not_equal": name != value,
        "starts_with": name.startswith(value),
        "ends_with": name.endswith(value),
        "contains": value in name,
    }.get(operator, False)


def _joined(query: Mapping[str, str], tests: list[Callable[[Row], bool]]) -> Callable[[Row], bool]:
    if tests and query.get("match") == "any":
        return lambda row: any(test(row) for test in tests)
    return lambda row: all(test(row) for test in tests)


def _filters(query: Mapping[str, str], field: str) -> list[Callable[[str | None], bool]]:
    # Exact, contains and so on; case does not count.
    return [
        _filter(operator, query[name].lower())
        for operator in (
            "",
            ".exact",
            ".contains",
            ".startswith",
            ".endswith",
            ".present",
            ".absent",
        )
        if (name := field + operator) in query
    ]


def _filter(operator: str, wanted: str) -> Callable[[str | None], bool]:
    tests: dict[str, Callable[[str], bool]] = {
        ".contains": lambda text: wanted in text,
        ".startswith": lambda text: text.startswith(wanted),
        ".endswith": lambda text: text.endswith(wanted),
        ".present": bool,
        ".absent": lambda text: not text,
    }
    test = tests.get(operator, wanted.__eq__)
    return lambda value: test((value or "").lower())


def _on(field: str, test: Callable[[str | None], bool]) -> Callable[[Record], bool]:
    return lambda record: test(getattr(record, field))
