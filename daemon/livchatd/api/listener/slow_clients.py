"""Connections with limits for slow clients: time for a head and a response, and how many wait."""

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
"""Seconds within which the head of a request must arrive, from its first byte on."""
RESPONSE_SECONDS = 60.0
"""Seconds within which a client must read a response; streams have a limit of their own."""
IDLE_SECONDS = 75.0
"""Seconds for which a connection is kept open between requests."""
MAX_UNAUTHENTICATED = 128
"""Connections over TCP that have not shown a token yet; one more aborts the oldest."""

_log = logging.getLogger("livchatd")
_NO_LOG = logging.getLogger("livchatd.access")
_NO_LOG.disabled = True


class UnauthenticatedConnections:
    """The connections of one listener that have sent no authorized request yet, oldest first."""

    def __init__(self, limit: int = MAX_UNAUTHENTICATED) -> None:
        self._limit = limit
        self._waiting: dict[Connection, None] = {}

    def add(self, connection: Connection) -> None:
        """Add a new connection; if they are too many now, abort the oldest."""
        self._waiting[connection] = None
        if len(self._waiting) > self._limit:
            oldest = next(iter(self._waiting))
            self.remove(oldest)
            oldest.abort()

    def remove(self, connection: Connection) -> None:
        """Remove a connection that is authenticated or closed."""
        self._waiting.pop(connection, None)


class Connection(web.RequestHandler):
    """aiohttp's connection, with limits on what a slow client can hold."""

    def __init__(
        self, server: web.Server, unauthenticated: UnauthenticatedConnections | None
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=_NO_LOG,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=2.0,
        )
        self._unauthenticated = unauthenticated
        self._head_timer: asyncio.TimerHandle | None = None
        self._handling = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for a head."""
        super().connection_made(transport)
        self._start_head_timer()
        if self._unauthenticated is not None:
            self._unauthenticated.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the time for a head."""
        self._stop_head_timer()
        if self._unauthenticated is not None:
            self._unauthenticated.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first ones after a response begin another head."""
        if not self._handling and self._head_timer is None:
            self._start_head_timer()
        super().data_received(data)

    def request_started(self) -> None:
        """Note that a head is complete, and its request is being handled."""
        self._handling = True
        self._stop_head_timer()

    def authenticated(self) -> None:
        """Note that a request was authorized: the connection counts as unauthenticated no more."""
        if self._unauthenticated is not None:
            self._unauthenticated.remove(self)

    def abort(self) -> None:
        """Close the connection at once; what is not sent yet is lost."""
        if self.transport is not None:
            self.transport.abort()

    async def finish_response(self, *arguments: Any) -> Any:
        """Send the rest of a response; a client that does not read it in time is aborted."""
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                return await super().finish_response(*arguments)
        except TimeoutError:
            self.abort()
            raise ConnectionResetError("the client does not take its answer") from None
        finally:
            self._handling = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature
    ) -> web.StreamResponse:
        """Return the error response for what is no HTTP request, and close the connection."""
        error: LivChatError = BadRequest("cannot read the request: it is not HTTP, or too large")
        if isinstance(exc, ConnectionError):
            raise exc
        if status >= 500:
            _log.error("a request broke", exc_info=exc)
            error = LivChatError("something broke inside the daemon", hint="livchat daemon logs")
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("the answer had begun already")
        text = ErrorResponse.of(error).model_dump_json(exclude_unset=True)
        response = web.Response(status=error.status, text=text, content_type="application/json")
        response.force_close()
        return response

    def _start_head_timer(self) -> None:
        self._head_timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.abort)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class ListeningSocket(web.SockSite):
    """A listening socket; its connections have limits for slow clients."""

    def __init__(
        self,
        runner: web.AppRunner,
        listener: socket.socket,
        *,
        backlog: int,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(runner, listener, backlog=backlog, ssl_context=ssl_context)
        is_unix = listener.family == socket.AF_UNIX
        self._unauthenticated = None if is_unix else UnauthenticatedConnections()

    async def start(self) -> None:
        """Start to accept connections."""
        await web.BaseSite.start(self)
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner has not been set up")
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(server, self._unauthenticated),
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=self._backlog,
        )
