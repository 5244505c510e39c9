"""Requests in, answers out: bodies, errors, headers, and requests that are sent twice."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from livchat import __version__
from livchat.errors import (
    BadRequest,
    Invalid,
    LivChatError,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    UnsupportedMedia,
)
from livchat.wire.base import parse
from livchat.wire.errors import ErrorResponse
from livchatd.api.guard import Guard, caller
from livchatd.jobs.claims import Claim
from livchatd.orchestrator import Ask, Orchestrator, Started

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
M = TypeVar("M", bound=BaseModel)

API_VERSION = "1"
BODY_LIMIT = 1024 * 1024
"""Bytes that a body may have."""
PARAMETER_LIMIT = 128
"""Characters that a part of a path may have: no name and no id is longer."""

ORCHESTRATOR = web.AppKey("orchestrator", Orchestrator)
GUARD = web.AppKey("guard", Guard)
READY = web.AppKey("ready", asyncio.Event)
"""Set once the jobs of before are taken up: until then only who asks how it is gets an answer."""
AT_ONCE = frozenset({"/", "/health", "/openapi.json", "/docs"})

_log = logging.getLogger("livchatd")


async def read(request: web.Request, model: type[M]) -> M:
    """The body as a request model; `BadRequest`, `UnsupportedMedia`, `TooLarge` or `Invalid`."""
    return parse(model, await _body(request))


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
        answer = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return web.Response(body=answer.encode(), status=status, content_type="application/json")


def accepted(started: Started) -> web.Response:
    """202: the job is on disk. A repeated request gets its first answer."""
    if started.replay is not None:
        return _replayed(started.replay)
    return _located(reply(_accepted_text(started), 202), started.job_id)


async def asked(request: web.Request) -> Ask:
    """Who asks, and how the answer is kept for the same request sent again."""
    key = _key(request)
    if key is None:
        return Ask(caller(request))
    digest = await _digest(request)
    return Ask(caller(request), lambda started: Claim(key, digest, 202, _accepted_text(started)))


class Once:
    """Gives a mutating request that is sent again its first answer, and does nothing twice."""

    def __init__(self) -> None:
        self._busy: dict[str, tuple[asyncio.Lock, int]] = {}

    def guarding(self, handler: Handler, *, starts_job: bool) -> Handler:
        """The handler, run at most once for each Idempotency-Key."""
        answer = self._by_engine if starts_job else self._here

        async def once(request: web.Request) -> web.StreamResponse:
            key = _key(request)
            if key is None:
                return await handler(request)
            async with self._alone(key):
                return await answer(request, handler, key)

        return once

    async def _by_engine(
        self, request: web.Request, handler: Handler, key: str
    ) -> web.StreamResponse:
        """The engine keeps and finds the answer in the job's own transaction: one commit.

        A repeated request can be refused before it gets there, since its first one has changed
        what is there: then the first answer is looked for.
        """
        try:
            return await handler(request)
        except LivChatError:
            claims = request.app[ORCHESTRATOR].engine.claims
            first = await claims.find(key, await _digest(request))
            if first is None:
                raise
            return _replayed(first)

    async def _here(self, request: web.Request, handler: Handler, key: str) -> web.StreamResponse:
        claims = request.app[ORCHESTRATOR].engine.claims
        digest = await _digest(request)
        first = await claims.find(key, digest)
        if first is not None:
            return _replayed(first)
        response = await handler(request)
        if isinstance(response, web.Response):
            await claims.keep(Claim(key, digest, response.status, response.text or ""))
        return response

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        """Nobody else has this key meanwhile."""
        lock, waiting = self._busy.get(key, (asyncio.Lock(), 0))
        self._busy[key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._busy.pop(key)
            if waiting > 1:
                self._busy[key] = (lock, waiting - 1)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn an error into an answer: the one place where this happens."""
    try:
        request.app[GUARD].admit(request)
        if not request.app[READY].is_set() and request.path not in AT_ONCE:
            await request.app[READY].wait()
        return await handler(request)
    except LivChatError as error:
        return _refusal(error)
    except web.HTTPException as error:
        return _refusal(_ours(request, error), error)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:  # noqa: BLE001 - nobody outside may see what it says
        _log.exception("%s %s broke", request.method, request.path)
        return _refusal(
            LivChatError("something broke inside the daemon", hint="livchat daemon logs")
        )


async def mark(_: web.Request, response: web.StreamResponse) -> None:
    """Say on every answer which API and which version spoke."""
    response.headers["Api-Version"] = API_VERSION
    response.headers["Livchat-Version"] = __version__
    response.headers["Server"] = "livchatd"


def _refusal(error: LivChatError, cause: web.HTTPException | None = None) -> web.Response:
    response = reply(ErrorResponse.of(error), error.status)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if cause is not None and "Allow" in cause.headers:
        response.headers["Allow"] = cause.headers["Allow"]
    return response


def _ours(request: web.Request, error: web.HTTPException) -> LivChatError:
    if error.status == 404:
        return NotFound(f"there is no {request.path} here", hint="GET /openapi.json lists what is")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return MethodNotAllowed(
            f"{request.path} does not take {request.method}, only {allowed}",
            details={"allowed": sorted(error.allowed_methods)},
        )
    if error.status == 413:
        return TooLarge(f"the body is over {BODY_LIMIT // 1024} KiB")
    return BadRequest(f"cannot read the request: {error.reason.lower()}")


async def _body(request: web.Request) -> Any:
    """The body's JSON; an empty body is an empty object."""
    raw = await request.read()
    if not raw:
        return {}
    if request.content_type != "application/json":
        raise UnsupportedMedia(
            "the body must be JSON", hint="send the header Content-Type: application/json"
        )
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia("the body must be UTF-8")
    try:
        return json.loads(raw.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {_reason(error)}") from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _reason(error: Exception) -> str:
    """Why JSON cannot be read, without the text itself: it may hold a secret."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower()} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (8 <= len(key) <= 128 and key.isascii() and key.isprintable()):
        raise Invalid.field("Idempotency-Key", "must have 8 to 128 printable characters")
    return key


async def _digest(request: web.Request) -> str:
    """What makes a request the same one: method, path, query and body, however it is spaced."""
    body = json.dumps(await _body(request), sort_keys=True, separators=(",", ":"))
    return sha256(f"{request.method} {request.path_qs}\n{body}".encode()).hexdigest()


def _accepted_text(started: Started) -> str:
    answer: dict[str, Any] = {
        "job_id": started.job_id,
        "status": started.status,
        "message": f"{started.summary}: accepted",
        "check_status": f"GET /api/jobs/{started.job_id}",
        "server_name": started.server,
    }
    if started.retry_of is not None:
        answer["retry_of"] = started.retry_of
    return json.dumps(answer, separators=(",", ":"))


def _replayed(first: Claim) -> web.Response:
    response = reply(first.body, first.status)
    if first.status == 202:
        _located(response, json.loads(first.body)["job_id"])
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _located(response: web.Response, job_id: str) -> web.Response:
    response.headers["Location"] = f"/api/jobs/{job_id}"
    return response
