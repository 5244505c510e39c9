"""Cloudflare's filters: which zones and DNS records a query picks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from livchat_sandbox.cloudflare.views import ACCOUNT
from livchat_sandbox.storage.state import DnsRecord, DnsZone

Row = TypeVar("Row")


def zone_filter(query: Mapping[str, str]) -> Callable[[DnsZone], bool]:
    """Return the query's test of a zone by name, status and account."""
    tests: list[Callable[[DnsZone], bool]] = []
    if "name" in query:
        tests.append(lambda zone: _name_matches(query["name"].lower(), zone.name))
    if "status" in query:
        tests.append(lambda zone: query["status"] == zone.status)
    if "account.id" in query:
        tests.append(lambda _: query["account.id"] == ACCOUNT["id"])
    return _combined(query, tests)


def record_filter(query: Mapping[str, str]) -> Callable[[DnsRecord], bool]:
    """Return the query's test of a record.

    A record passes if it meets all filters, or any of them with `match=any`.
    """
    tests: list[Callable[[DnsRecord], bool]] = [
        _of_field(field, test)
        for field in ("name", "content", "comment")
        for test in _text_filters(query, field)
    ]
    if "type" in query:
        tests.append(lambda record: query["type"] == record.type)
    if "proxied" in query:
        proxied = query["proxied"].lower() == "true"
        tests.append(lambda record: record.proxied == proxied)
    if "search" in query:
        wanted = query["search"].lower()
        tests.append(lambda record: wanted in f"{record.name} {record.content} {record.comment}")
    return _combined(query, tests)


def _name_matches(pattern: str, name: str) -> bool:
    """Whether a zone's name matches `example.com` or `contains:exam`."""
    operator, colon, value = pattern.partition(":")
    if not colon:
        return name == pattern
    return {
        "equal": name == value,
        "not_equal": name != value,
        "starts_with": name.startswith(value),
        "ends_with": name.endswith(value),
        "contains": value in name,
    }.get(operator, False)


def _combined(
    query: Mapping[str, str], tests: list[Callable[[Row], bool]]
) -> Callable[[Row], bool]:
    if tests and query.get("match") == "any":
        return lambda row: any(test(row) for test in tests)
    return lambda row: all(test(row) for test in tests)


def _text_filters(query: Mapping[str, str], field: str) -> list[Callable[[str | None], bool]]:
    """Return the tests of a field's text, whose case does not count."""
    return [
        _text_filter(operator, query[name].lower())
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


def _text_filter(operator: str, wanted: str) -> Callable[[str | None], bool]:
    tests: dict[str, Callable[[str], bool]] = {
        ".contains": lambda text: wanted in text,
        ".startswith": lambda text: text.startswith(wanted),
        ".endswith": lambda text: text.endswith(wanted),
        ".present": bool,
        ".absent": lambda text: not text,
    }
    test = tests.get(operator, wanted.__eq__)
    return lambda value: test((value or "").lower())


def _of_field(field: str, test: Callable[[str | None], bool]) -> Callable[[DnsRecord], bool]:
    return lambda record: test(getattr(record, field))
