"""Each mutating request, written down with who asked, for what, and what came of it."""

from __future__ import annotations

from aiohttp import web

from livchat.errors import LivChatError
from livchatd.api.http.messages import ORCHESTRATOR, Handler
from livchatd.api.middleware.auth import caller
from livchatd.storage.audit_log import Entry

_TARGET = "target"


def concerning(request: web.Request, *names: str) -> None:
    """Say what a request is about, where its path does not."""
    request[_TARGET] = "/".join(names)


def entry(request: web.Request, action: str, status: int, whose: str) -> Entry:
    """The entry of this request; names that are none of ours are cut to size."""
    target = request.get(_TARGET) or "/".join(request.match_info.values())
    shown = "".join(sign for sign in target[:200] if sign.isprintable())
    return Entry(whose, action, shown or None, status)


def audited(action: str, handler: Handler) -> Handler:
    """The handler, whose outcome is written down whatever it is."""

    async def told(request: web.Request) -> web.StreamResponse:
        whose, audit = caller(request), request.app[ORCHESTRATOR].audit
        try:
            response = await handler(request)
        except BaseException as error:
            status = error.status if isinstance(error, LivChatError | web.HTTPException) else 500
            audit.tell(entry(request, action, status, whose))
            raise
        made = entry(request, action, response.status, whose)
        if response.status == 202:
            # The job's row, which is on disk, says who asked; the entry follows at once.
            audit.tell(made)
        else:
            await audit.keep(made)
        return response

    return told
