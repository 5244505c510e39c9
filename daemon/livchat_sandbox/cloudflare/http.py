"""The form of Cloudflare's API: envelopes, errors, bodies, pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiohttp import web

Row = TypeVar("Row")
Json = dict[str, Any]

RATE_LIMIT_WINDOW = 300
"""Seconds for which calls are counted, and for which a caller over the limit is refused."""


class ApiError(Exception):
    """A request is answered with an error; `cause` (code, message) stands in its error chain."""

    def __init__(
        self, status: int, code: int, message: str, cause: tuple[int, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.cause = cause

    def response(self) -> web.Response:
        """Return the error as it is sent."""
        error: Json = {"code": self.code, "message": str(self)}
        if self.cause is not None:
            error["error_chain"] = [{"code": self.cause[0], "message": self.cause[1]}]
        body = {"success": False, "errors": [error], "messages": [], "result": None}
        return _encode(body, self.status)


def not_found(path: str) -> ApiError:
    """Return a 404 for a path that names nothing."""
    message = f"Could not route to {path}, perhaps your object identifier is invalid?"
    return ApiError(404, 7003, message, (7000, "No route for that URI"))


def invalid_record(code: int, why: str) -> ApiError:
    """Return a 400 for a record with an impossible value."""
    return ApiError(400, 1004, "DNS Validation Error", (code, why))


def rate_limited() -> ApiError:
    """Return a 429 for a caller over the limit."""
    return ApiError(429, 971, "Please wait and consider throttling your request speed")


def json_response(result: object, info: Json | None = None) -> web.Response:
    """Return an answer in its envelope; `info` says where a page stands."""
    body = {"success": True, "errors": [], "messages": [], "result": result}
    return _encode(body if info is None else {**body, "result_info": info}, 200)


def page_response(
    request: web.Request, rows: list[Row], view: Callable[[Row], Json], sizes: tuple[int, int, int]
) -> web.Response:
    """Return one page of rows, an empty one past the last.

    `sizes` are the default, the smallest and the largest number of rows on a page.
    """
    default, smallest, largest = sizes
    number = max(1, _int_parameter(request, "page", 1))
    size = min(largest, max(smallest, _int_parameter(request, "per_page", default)))
    shown = rows[(number - 1) * size : number * size]
    info = {
        "page": number,
        "per_page": size,
        "count": len(shown),
        "total_count": len(rows),
        "total_pages": -(-len(rows) // size),
    }
    return json_response([view(row) for row in shown], info)


async def read_body(request: web.Request) -> Json:
    """Return the fields of a request's body; raise a 400 if it is no JSON object."""
    try:
        data = json.loads(await request.read())
    except ValueError:
        raise ApiError(400, 9207, "Failed to parse the request body as JSON") from None
    if not isinstance(data, dict):
        raise ApiError(400, 9207, "Request body is invalid")
    return data


def timestamp(moment: float) -> str:
    """Return a moment in seconds since 1970 as Cloudflare writes it (RFC 3339, UTC)."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _int_parameter(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 9 else default


def _encode(data: Json, status: int) -> web.Response:
    body = json.dumps(data, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, content_type="application/json")
