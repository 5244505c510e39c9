"""One client's connection: how long its head may take, and what a head that is none is told."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

from aiohttp import web

from livchat.errors import BadRequest, LivChatError
from livchat.wire.errors import ErrorResponse

if TYPE_CHECKING:
    import ssl

HEAD_SECONDS = 10.0
"""Seconds within which the head of a request must have come, from its first byte on."""
ANSWER_SECONDS = 60.0
"""Seconds within which a client must have taken an answer; streams have a limit of their own."""
IDLE_SECONDS = 75.0
"""Seconds for which a connection may be kept between requests."""
STRANGERS = 128
"""Connections over TCP that have not shown a token yet; one more cuts off the oldest."""

_log = logging.getLogger("livchatd")
_NO_LOG = logging.getLogger("livchatd.access")
_NO_LOG.disabled = True


class Strangers:
    """The connections of one listener that nobody has vouched for yet, oldest first."""

    def __init__(self, limit: int = STRANGERS) -> None:
        self._limit = limit
        self._waiting: dict[Connection, None] = {}

    def came(self, connection: Connection) -> None:
        """A new one."""
        self._waiting[connection] = None
        if len(self._waiting) > self._limit:
            oldest = next(iter(self._waiting))
            self.left(oldest)
            oldest.cut()

    def left(self, connection: Connection) -> None:
        """It is no stranger any more, or it is gone."""
        self._waiting.pop(connection, None)


class Connection(web.RequestHandler):
    """aiohttp's connection, with limits on what a slow client can hold."""

    def __init__(self, server: web.Server, strangers: Strangers | None) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=_NO_LOG,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=2.0,
        )
        self._strangers = strangers
        self._limit: asyncio.TimerHandle | None = None
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a head."""
        super().connection_made(transport)
        self._expect()
        if self._strangers is not None:
            self._strangers.came(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Expect nothing any more."""
        self._relax()
        if self._strangers is not None:
            self._strangers.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first ones after an answer begin another head."""
        if not self._busy and self._limit is None:
            self._expect()
        super().data_received(data)

    def heard(self) -> None:
        """A head has come whole: its request is being answered."""
        self._busy = True
        self._relax()

    def admitted(self) -> None:
        """Its request may be made: it is no stranger."""
        if self._strangers is not None:
            self._strangers.left(self)

    def cut(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()

    async def finish_response(self, *arguments: Any) -> Any:
        """Send what is left of an answer; a client that does not take it is cut off."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await super().finish_response(*arguments)
        except TimeoutError:
            self.cut()
            raise ConnectionResetError("the client does not take its answer") from None
        finally:
            self._busy = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature
    ) -> web.StreamResponse:
        """Tell what is no request of HTTP, as all errors are told. Closes the connection."""
        error: LivChatError = BadRequest("cannot read the request: it is not HTTP, or too large")
        if isinstance(exc, ConnectionError):
            raise exc
        if status >= 500:
            _log.error("a request broke", exc_info=exc)
            error = LivChatError("something broke inside the daemon", hint="livchat daemon logs")
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("the answer had begun already")
        told = ErrorResponse.of(error).model_dump_json()
        response = web.Response(status=error.status, text=told, content_type="application/json")
        response.force_close()
        return response

    def _expect(self) -> None:
        self._limit = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.cut)

    def _relax(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


class Site(web.SockSite):
    """A listening socket whose connections are ours."""

    def __init__(
        self,
        runner: web.AppRunner,
        listener: socket.socket,
        *,
        backlog: int,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(runner, listener, backlog=backlog, ssl_context=ssl_context)
        self._strangers = None if listener.family == socket.AF_UNIX else Strangers()

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner has not been set up")
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(server, self._strangers),
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=self._backlog,
        )
