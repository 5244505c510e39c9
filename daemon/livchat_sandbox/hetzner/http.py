"""How Hetzner's API speaks: errors, bodies, filters, pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiohttp import web

from livchat_sandbox.hetzner import labels

Row = TypeVar("Row")
Data = dict[str, Any]

PER_PAGE, PER_PAGE_MOST = 25, 50


class Refused(Exception):
    """A request that is answered with an error of Hetzner's table."""

    def __init__(self, status: int, code: str, message: str, details: Data | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details

    def answer(self) -> web.Response:
        """The error as it is sent."""
        error = {"code": self.code, "message": str(self), "details": self.details}
        return reply({"error": error}, self.status)


def bad_field(name: str, why: str) -> Refused:
    """422: a field that cannot be."""
    fields = {"fields": [{"name": name, "messages": [why]}]}
    return Refused(422, "invalid_input", f"invalid input in field '{name}'", fields)


def taken(message: str, field: str) -> Refused:
    """409: something like it is there already."""
    return Refused(409, "uniqueness_error", message, {"fields": [{"name": field}]})


def missing(what: str, number: object) -> Refused:
    """404: there is none of this id."""
    return Refused(404, "not_found", f"{what} with ID '{number}' not found")


def locked() -> Refused:
    """423: an action is under way."""
    return Refused(423, "locked", "server is locked")


def protected(what: str) -> Refused:
    """423: deletion is switched off."""
    return Refused(423, "protected", f"{what} is protected")


def reply(data: Data, status: int = 200) -> web.Response:
    """An answer in compact JSON."""
    text = json.dumps(data, separators=(",", ":"))
    body, kind = text.encode(), "application/json; charset=UTF-8"
    return web.Response(body=body, status=status, headers={"Content-Type": kind})


async def body(request: web.Request) -> Data:
    """The body's fields; none without a body."""
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        data = json.loads(raw)
    except ValueError:
        raise Refused(400, "json_error", "the request body is not valid JSON") from None
    if not isinstance(data, dict):
        raise Refused(400, "json_error", "the request body is not a JSON object")
    return data


def text(data: Data, name: str, default: str | None = None) -> str:
    """A field that holds text."""
    value = data.get(name, default)
    if not isinstance(value, str) or not value:
        raise bad_field(name, "Missing data for required field." if value is None else "not text")
    return value


def flag(data: Data, name: str, *, default: bool) -> bool:
    """A field that holds a truth value."""
    value = data.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise bad_field(name, "Not a valid boolean.")
    return value


def set_labels(data: Data) -> dict[str, str]:
    """The labels to be set; none if not given."""
    value = data.get("labels")
    if value is None:
        return {}
    if not labels.allowed(value):
        raise bad_field("labels", "these labels are not allowed")
    return dict(value)


def stamp(moment: float) -> str:
    """A time as Hetzner writes it."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def named(request: web.Request, rows: Iterable[Row]) -> list[Row]:
    """The rows that the query's name and label selector pick, both if both are given."""
    name, selector = request.query.get("name"), request.query.get("label_selector")
    picked = [row for row in rows if name is None or getattr(row, "name", None) == name]
    if not selector:
        return picked
    try:
        test = labels.selector(selector)
    except ValueError as error:
        raise Refused(422, "invalid_input", str(error)) from None
    return [row for row in picked if test(getattr(row, "labels", {}))]


def in_order(request: web.Request, rows: list[Row], allowed: dict[str, str]) -> list[Row]:
    """The rows in the order of the query's `sort`; `allowed` says which attribute each means."""
    for sort in reversed(request.query.getall("sort", [])):
        field, _, direction = sort.partition(":")
        if field not in allowed or direction not in ("", "asc", "desc"):
            raise bad_field("sort", f"cannot sort by {sort}")
        attribute = allowed[field]
        rows = sorted(rows, key=lambda row: getattr(row, attribute), reverse=direction == "desc")
    return rows


def page(
    request: web.Request, name: str, rows: list[Row], view: Callable[[Row], Data]
) -> web.Response:
    """One page of rows, with where it stands among all."""
    number = _whole(request, "page", 1, most=2**31)
    size = _whole(request, "per_page", PER_PAGE, most=PER_PAGE_MOST)
    last = max(1, -(-len(rows) // size))
    pagination = {
        "page": number,
        "per_page": size,
        "previous_page": number - 1 if number > 1 else None,
        "next_page": number + 1 if number < last else None,
        "last_page": last,
        "total_entries": len(rows),
    }
    shown = [view(row) for row in rows[(number - 1) * size : number * size]]
    answer = reply({name: shown, "meta": {"pagination": pagination}})
    if links := _links(request, pagination):
        answer.headers["Link"] = links
    return answer


def _links(request: web.Request, pagination: dict[str, int | None]) -> str:
    names = {"prev": "previous_page", "next": "next_page", "last": "last_page"}
    return ", ".join(
        f'<{request.url.update_query(page=str(pagination[key]))}>; rel="{name}"'
        for name, key in names.items()
        if pagination[key] is not None
    )


def _whole(request: web.Request, name: str, default: int, *, most: int) -> int:
    given = request.query.get(name)
    if given is None:
        return default
    if not given.isdecimal() or not 1 <= int(given) <= most:
        raise bad_field(name, f"must be from 1 to {most}")
    return int(given)
