"""The outermost middleware: who asks is let in, and every error becomes an answer."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from livchat.errors import BadRequest, LivChatError, MethodNotAllowed, NotFound, TooLarge
from livchatd.api.http.messages import BODY_LIMIT, Handler, refusal
from livchatd.api.listener.slow_clients import Connection
from livchatd.api.middleware.auth import Guard

GUARD = web.AppKey("guard", Guard)
READY = web.AppKey("ready", asyncio.Event)
"""Set once the jobs of before are taken up: until then only who asks how it is gets an answer."""
AT_ONCE = frozenset({"/", "/health", "/openapi.json", "/docs"})

_log = logging.getLogger("livchatd")


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn an error into an answer: the one place where this happens."""
    try:
        await _enter(request)
        return await handler(request)
    except LivChatError as error:
        return refusal(error)
    except web.HTTPException as error:
        return _answered(request, error)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:  # noqa: BLE001 - nobody outside may see what it says
        _log.exception("%s %s broke", request.method, request.path)
        return refusal(
            LivChatError("something broke inside the daemon", hint="livchat daemon logs")
        )


async def _enter(request: web.Request) -> None:
    """See that who asks may, and that the daemon can answer."""
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.heard()
    request.app[GUARD].admit(request)
    if isinstance(connection, Connection):
        connection.admitted()
    if not request.app[READY].is_set() and request.path not in AT_ONCE:
        await request.app[READY].wait()


def _answered(request: web.Request, error: web.HTTPException) -> web.Response:
    """The answer where no handler was found, or none may be asked."""
    if isinstance(error, web.HTTPMethodNotAllowed) and request.method == "OPTIONS":
        return web.Response(status=204, headers={"Allow": error.headers["Allow"]})
    return refusal(_ours(request, error), error)


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
