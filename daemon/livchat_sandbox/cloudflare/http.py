"""How Cloudflare's API speaks: envelopes, errors, filters, pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiohttp import web

Row = TypeVar("Row")
Data = dict[str, Any]


class Refused(Exception):
    """A request that is answered with an error; `cause` stands in its error chain."""

    def __init__(
        self, status: int, code: int, message: str, cause: tuple[int, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.cause = cause

    def answer(self) -> web.Response:
        """The error as it is sent."""
        error: Data = {"code": self.code, "message": str(self)}
        if self.cause is not None:
            error["error_chain"] = [{"code": self.cause[0], "message": self.cause[1]}]
        return _send(
            {"success": False, "errors": [error], "messages": [], "result": None}, self.status
        )


def no_route(path: str) -> Refused:
    """404: what the path names is not there."""
    message = f"Could not route to {path}, perhaps your object identifier is invalid?"
    return Refused(404, 7003, message, (7000, "No route for that URI"))


def bad_record(code: int, why: str) -> Refused:
    """400: a record that cannot be."""
    return Refused(400, 1004, "DNS Validation Error", (code, why))


def reply(result: object, info: Data | None = None) -> web.Response:
    """An answer in its envelope."""
    data = {"success": True, "errors": [], "messages": [], "result": result}
    return _send(data if info is None else {**data, "result_info": info}, 200)


def page(
    request: web.Request, rows: list[Row], view: Callable[[Row], Data], sizes: tuple[int, int, int]
) -> web.Response:
    """One page of rows; past the last an empty one. `sizes`: default, least and most."""
    default, least, most = sizes
    number = max(1, _whole(request, "page", 1))
    size = min(most, max(least, _whole(request, "per_page", default)))
    shown = rows[(number - 1) * size : number * size]
    info = {
        "page": number,
        "per_page": size,
        "count": len(shown),
        "total_count": len(rows),
        "total_pages": -(-len(rows) // size),
    }
    return reply([view(row) for row in shown], info)


async def body(request: web.Request) -> Data:
    """The body's fields."""
    try:
        data = json.loads(await request.read())
    except ValueError:
        raise Refused(400, 9207, "Failed to parse the request body as JSON") from None
    if not isinstance(data, dict):
        raise Refused(400, 9207, "Request body is invalid")
    return data


def stamp(moment: float) -> str:
    """A time as Cloudflare writes it."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _whole(request: web.Request, name: str, default: int) -> int:
    given = request.query.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 9 else default


def _send(data: Data, status: int) -> web.Response:
    raw = json.dumps(data, separators=(",", ":")).encode()
    return web.Response(body=raw, status=status, content_type="application/json")
