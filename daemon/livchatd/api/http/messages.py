"""Requests in, answers out: bodies, errors, headers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from livchat import __version__
from livchat.errors import (
    BadRequest,
    LivChatError,
    NotFound,
    UnsupportedMedia,
)
from livchat.wire.base import parse
from livchat.wire.errors import ErrorResponse
from livchatd.operations.orchestrator import Orchestrator

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
M = TypeVar("M", bound=BaseModel)

API_VERSION = "1"
BODY_LIMIT = 1024 * 1024
"""Bytes that a body may have."""
BODY_SECONDS = 20.0
"""Seconds within which a body must have come: a client that trickles holds nothing for long."""
PARAMETER_LIMIT = 200
"""Characters that a part of a path may have: no name and no id is longer."""

ORCHESTRATOR = web.AppKey("orchestrator", Orchestrator)
_log = logging.getLogger("livchatd")


async def read(request: web.Request, model: type[M]) -> M:
    """The body as a request model; `BadRequest`, `UnsupportedMedia`, `TooLarge` or `Invalid`."""
    return parse(model, await body(request))


def query(request: web.Request, model: type[M]) -> M:
    """The query as a model; `Invalid` where it does not fit."""
    return parse(model, dict(request.query))


def part(request: web.Request, name: str) -> str:
    """A part of the path. What can be no name or id of ours is `NotFound`."""
    value = request.match_info[name]
    if len(value) > PARAMETER_LIMIT or not value.isprintable():
        raise NotFound(f"there is no such {name.replace('_', ' ')}")
    return value


def reply(answer: BaseModel | dict[str, Any] | str, status: int = 200) -> web.Response:
    """An answer; text is JSON already."""
    if isinstance(answer, BaseModel):
        answer = answer.model_dump_json()
    elif not isinstance(answer, str):
        answer = _ENCODER.encode(answer)
    return web.Response(body=answer.encode(), status=status, content_type="application/json")


async def mark(_: web.Request, response: web.StreamResponse) -> None:
    """Say on every answer which API and which version spoke."""
    response.headers["Api-Version"] = API_VERSION
    response.headers["Livchat-Version"] = __version__
    response.headers["Server"] = "livchatd"


def refusal(error: LivChatError, cause: web.HTTPException | None = None) -> web.Response:
    """The answer that tells an error."""
    response = reply(ErrorResponse.of(error), error.status)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.status == 429 and "retry_after" in error.details:
        response.headers["Retry-After"] = str(error.details["retry_after"])
    if cause is not None and "Allow" in cause.headers:
        response.headers["Allow"] = cause.headers["Allow"]
    return response


async def body(request: web.Request) -> Any:
    """The body's JSON; an empty body is an empty object."""
    raw = await _raw(request)
    if not raw:
        return {}
    if request.content_type != "application/json":
        raise UnsupportedMedia(
            "the body must be JSON", hint="send the header Content-Type: application/json"
        )
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia("the body must be UTF-8")
    try:
        return _DECODER.decode(raw.decode())
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {_reason(error)}") from None


async def _raw(request: web.Request) -> bytes:
    if request.content.is_eof():
        return await request.read()  # it has come already, with its head
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise BadRequest(f"the body did not come within {BODY_SECONDS:g} s") from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


# Made once: `json.loads` and `json.dumps` make one for each call that has options.
_DECODER = json.JSONDecoder(parse_constant=_no_number)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _reason(error: Exception) -> str:
    """Why JSON cannot be read, without the text itself: it may hold a secret."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower()} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
