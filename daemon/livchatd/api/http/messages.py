"""Requests in, responses out: bodies, queries, errors, headers."""

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
    MethodNotAllowed,
    NotFound,
    TooLarge,
    UnsupportedMedia,
)
from livchat.wire.base import parse
from livchat.wire.errors import ErrorResponse
from livchatd.jobs.idempotency import AcceptedJob
from livchatd.operations.operations import Operations

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
M = TypeVar("M", bound=BaseModel)

API_VERSION = "1"
MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 20.0
"""Seconds within which a body must arrive: a slow client does not hold a request for long."""
MAX_PATH_PARAM_LENGTH = 200
"""Characters that a path parameter may have: no name and no id is longer."""

OPERATIONS = web.AppKey("operations", Operations)

_log = logging.getLogger("livchatd")


async def read_body(request: web.Request, model: type[M]) -> M:
    """Return the body as a request model.

    Raises `BadRequest`, `UnsupportedMedia`, `TooLarge` and `InvalidRequest`.
    """
    return parse(model, await json_body(request))


def read_query(request: web.Request, model: type[M]) -> M:
    """Return the query as a model; `InvalidRequest` if it does not fit."""
    return parse(model, dict(request.query))


def path_param(request: web.Request, name: str) -> str:
    """Return a parameter of the path; `NotFound` for what cannot be a name or an id of ours."""
    value = request.match_info[name]
    if len(value) > MAX_PATH_PARAM_LENGTH or not value.isprintable():
        raise NotFound(f"there is no such {name.replace('_', ' ')}")
    return value


def reply(content: BaseModel | dict[str, Any] | str, status: int = 200) -> web.Response:
    """Return a response with this content; text is JSON already."""
    if isinstance(content, BaseModel):
        content = content.model_dump_json()
    elif not isinstance(content, str):
        content = _ENCODER.encode(content)
    return web.Response(body=content.encode(), status=status, content_type="application/json")


def accepted(job: AcceptedJob) -> web.Response:
    """Return the 202 for a job that is on disk, or once more that of a repeated request."""
    response = reply(job.body, 202)
    response.headers["Location"] = f"/api/jobs/{job.job_id}"
    if job.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a response; no other place does that."""
    try:
        return await handler(request)
    except LivChatError as error:
        return error_response(error)
    except web.HTTPException as error:
        return _routing_response(request, error)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:  # noqa: BLE001 - its message is not for whoever sends the request
        _log.exception("%s %s broke", request.method, request.path)
        return error_response(
            LivChatError("something broke inside the daemon", hint="livchat daemon logs")
        )


async def add_version_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Put the versions of API and daemon into the headers of a response."""
    response.headers["Api-Version"] = API_VERSION
    response.headers["Livchat-Version"] = __version__
    response.headers["Server"] = "livchatd"


def error_response(error: LivChatError, cause: web.HTTPException | None = None) -> web.Response:
    """Return the response for an error."""
    response = reply(ErrorResponse.of(error).model_dump_json(exclude_unset=True), error.status)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.status == 429 and "retry_after" in error.details:
        response.headers["Retry-After"] = str(error.details["retry_after"])
    if cause is not None and "Allow" in cause.headers:
        response.headers["Allow"] = cause.headers["Allow"]
    return response


def _routing_response(request: web.Request, error: web.HTTPException) -> web.Response:
    """Return the response where aiohttp found no handler, or refused the request."""
    if isinstance(error, web.HTTPMethodNotAllowed) and request.method == "OPTIONS":
        return web.Response(status=204, headers={"Allow": error.headers["Allow"]})
    return error_response(_routing_error(request, error), error)


def _routing_error(request: web.Request, error: web.HTTPException) -> LivChatError:
    if error.status == 404:
        return NotFound(f"there is no {request.path} here", hint="GET /openapi.json lists what is")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return MethodNotAllowed(
            f"{request.path} does not take {request.method}, only {allowed}",
            details={"allowed": sorted(error.allowed_methods)},
        )
    if error.status == 413:
        return TooLarge(f"the body is over {MAX_BODY_BYTES // 1024} KiB")
    return BadRequest(f"cannot read the request: {error.reason.lower()}")


async def json_body(request: web.Request) -> Any:
    """Return the body's JSON; an empty body is an empty object.

    Raises `BadRequest`, `UnsupportedMedia` and, from aiohttp, 413.
    """
    raw = await _raw_body(request)
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


async def _raw_body(request: web.Request) -> bytes:
    if request.content.is_eof():
        return await request.read()  # it has arrived already, with the head
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise BadRequest(f"the body did not come within {BODY_SECONDS:g} s") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


# Made once: `json.loads` and `json.dumps` with options make one for each call.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _reason(error: Exception) -> str:
    """Return why JSON cannot be read, without the text itself, which may hold a secret."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower()} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
