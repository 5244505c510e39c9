"""The form of Hetzner's API: errors, bodies, fields, filters, pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiohttp import web

from livchat_sandbox.hetzner import labels

Row = TypeVar("Row")
Json = dict[str, Any]

REQUESTS_PER_HOUR = 3600
PER_PAGE, MAX_PER_PAGE = 25, 50


class ApiError(Exception):
    """A request is answered with an error of Hetzner's table; `details` depend on the code."""

    def __init__(
        self, status: int, code: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details

    def response(self) -> web.Response:
        """Return the error as it is sent."""
        error = {"code": self.code, "message": str(self), "details": self.details}
        return json_response({"error": error}, self.status)


def invalid_field(name: str, why: str) -> ApiError:
    """Return a 422 for a field with an impossible value."""
    fields = {"fields": [{"name": name, "messages": [why]}]}
    return ApiError(422, "invalid_input", f"invalid input in field '{name}'", fields)


def not_unique(message: str, field: str) -> ApiError:
    """Return a 409 for a field whose value another resource has."""
    return ApiError(409, "uniqueness_error", message, {"fields": [{"name": field}]})


def not_found(kind: str, resource_id: object) -> ApiError:
    """Return a 404 for an id that no resource of its kind has."""
    return ApiError(404, "not_found", f"{kind} with ID '{resource_id}' not found")


def locked() -> ApiError:
    """Return a 423 for a server on which an action is under way."""
    return ApiError(423, "locked", "server is locked")


def protected(kind: str) -> ApiError:
    """Return a 423 for a resource that may not be deleted."""
    return ApiError(423, "protected", f"{kind} is protected")


def rate_limit_exceeded(requests_per_hour: int) -> ApiError:
    """Return a 429 for a project that made more requests than it may."""
    message = f"limit of {requests_per_hour} requests per hour reached"
    return ApiError(429, "rate_limit_exceeded", message)


def json_response(data: Json, status: int = 200) -> web.Response:
    """Return an answer in compact JSON."""
    body = json.dumps(data, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    return web.Response(body=body, status=status, headers=headers)


async def read_body(request: web.Request) -> Json:
    """Return the fields of a body, none if it is empty; raise a 400 if it is no JSON object."""
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        data = json.loads(raw)
    except ValueError:
        raise ApiError(400, "json_error", "the request body is not valid JSON") from None
    if not isinstance(data, dict):
        raise ApiError(400, "json_error", "the request body is not a JSON object")
    return data


def text_field(data: Json, name: str, default: str | None = None) -> str:
    """Return a field that holds text; raise a 422 if it does not, or is empty or missing."""
    value = data.get(name, default)
    if not isinstance(value, str) or not value:
        raise invalid_field(
            name, "Missing data for required field." if value is None else "not text"
        )
    return value


def bool_field(data: Json, name: str, *, default: bool) -> bool:
    """Return a field that holds true or false; raise a 422 if it holds something else."""
    value = data.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise invalid_field(name, "Not a valid boolean.")
    return value


def labels_field(data: Json) -> dict[str, str]:
    """Return the labels that a body sets; raise a 422 if they are not allowed."""
    value = data.get("labels")
    if value is None:
        return {}
    if not labels.are_valid(value):
        raise invalid_field("labels", "these labels are not allowed")
    return dict(value)


def timestamp(moment: float) -> str:
    """Return a moment in seconds since 1970 as Hetzner writes it: ISO 8601, UTC, whole seconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def matching_query(request: web.Request, rows: Iterable[Row]) -> list[Row]:
    """Return the rows that the query's name and label selector pick, both if both are given."""
    name, selector = request.query.get("name"), request.query.get("label_selector")
    matching = [row for row in rows if name is None or getattr(row, "name", None) == name]
    if not selector:
        return matching
    try:
        test = labels.parse_selector(selector)
    except ValueError as error:
        raise ApiError(422, "invalid_input", str(error)) from None
    return [row for row in matching if test(getattr(row, "labels", {}))]


def sorted_by_query(
    request: web.Request, rows: list[Row], sortable: Mapping[str, str]
) -> list[Row]:
    """Return the rows in the order of the query's `sort`.

    `sortable` is the attribute by the word of the query.
    """
    for sort in reversed(request.query.getall("sort", [])):
        field, _, direction = sort.partition(":")
        if field not in sortable or direction not in ("", "asc", "desc"):
            raise invalid_field("sort", f"cannot sort by {sort}")
        attribute = sortable[field]
        rows = sorted(rows, key=lambda row: getattr(row, attribute), reverse=direction == "desc")
    return rows


def page_response(
    request: web.Request, name: str, rows: list[Row], view: Callable[[Row], Json]
) -> web.Response:
    """Return one page of rows under a name, with where the page stands among all."""
    number = _int_parameter(request, "page", 1, maximum=2**31)
    size = _int_parameter(request, "per_page", PER_PAGE, maximum=MAX_PER_PAGE)
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
    response = json_response({name: shown, "meta": {"pagination": pagination}})
    if links := _links(request, pagination):
        response.headers["Link"] = links
    return response


def _links(request: web.Request, pagination: dict[str, int | None]) -> str:
    names = {"prev": "previous_page", "next": "next_page", "last": "last_page"}
    return ", ".join(
        f'<{request.url.update_query(page=str(pagination[key]))}>; rel="{name}"'
        for name, key in names.items()
        if pagination[key] is not None
    )


def _int_parameter(request: web.Request, name: str, default: int, *, maximum: int) -> int:
    value = request.query.get(name)
    if value is None:
        return default
    if not value.isdecimal() or not 1 <= int(value) <= maximum:
        raise invalid_field(name, f"must be from 1 to {maximum}")
    return int(value)
