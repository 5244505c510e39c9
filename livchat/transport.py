"""HTTP to a daemon over a Unix socket or TCP; sent again when the connection breaks."""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from time import monotonic, sleep  # noqa: TID251 - there is no loop here to block
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from livchat.errors import BY_CODE, DaemonUnreachable, LivChatError, TimedOut

Json = dict[str, Any]

RESPONSE_TIMEOUT = 60.0
"""Seconds that a response may take: a token is tried at its provider before the response."""
STREAM_TIMEOUT = 45.0
"""Seconds of silence after which a stream is dead; the daemon sends a heartbeat each 15 s."""
RECONNECT_SECONDS = 60.0
"""Seconds for which a daemon that was there may be away: a restart, an update."""
QUEUE_SECONDS = 10
"""Seconds to wait for room in the socket's queue of connections."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path; wait while its queue of connections is full."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A blocking connect waits for room; one with a time-out is refused at once (EAGAIN).
        timeout = struct.pack("ll", QUEUE_SECONDS, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise
        self.sock.settimeout(self.timeout)


class Event(NamedTuple):
    """One event of a job, and the `line` of JSON that brought it.

    The daemon sends no event `snapshot`: the client makes one, with the whole job as its data,
    where the events between were pruned.
    """

    id: str
    name: str
    data: Json
    line: str


class Transport:
    """The way to one daemon.

    `restart` is called where the daemon has died: its socket is there and refuses. Each call that
    changes something gets an idempotency key of its own, unless `idempotency_key` is set.
    """

    def __init__(
        self,
        *,
        socket_path: str | None = None,
        url: str | None = None,
        token: str | None = None,
        restart: Callable[[], None] | None = None,
    ) -> None:
        self.address = url or socket_path or ""
        self._path = socket_path
        self._url = urlsplit(url) if url else None
        self._token = token
        self._restart = restart
        self._open_connection: http.client.HTTPConnection | None = None
        self.idempotency_key: str | None = None

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._open_connection is not None:
            self._open_connection.close()
            self._open_connection = None

    def open(self) -> None:
        """Connect, or raise DaemonUnreachable at once: nothing listens there."""
        if self._open_connection is None:
            self._open_connection = self._connect(RESPONSE_TIMEOUT)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Json | None = None,
        body: Json | None = None,
        wait: float = RESPONSE_TIMEOUT,
    ) -> Json:
        """The response to one request, which happens once however often it is sent."""
        headers = self._headers()
        if method != "GET":
            headers["Idempotency-Key"] = self.idempotency_key or os.urandom(16).hex()
        payload = None
        if body is not None:
            payload = json.dumps({k: v for k, v in body.items() if v is not None}).encode()
            headers["Content-Type"] = "application/json"
        self.open()
        deadline = monotonic() + RECONNECT_SECONDS
        while True:
            try:
                return self._exchange(method, _target(path, query or {}), payload, headers, wait)
            except TimeoutError:
                self.close()
                begun = "" if method == "GET" else "; what was asked for may have begun"
                raise TimedOut(
                    f"the daemon did not answer {method} {path} within {wait:.0f} s{begun}",
                    hint="livchat daemon status" if method == "GET" else "livchat job list",
                ) from None
            except (DaemonUnreachable, ConnectionError, http.client.HTTPException) as error:
                self.close()
                self._wait_to_reconnect(error, deadline)

    def _exchange(
        self, method: str, target: str, payload: bytes | None, headers: dict[str, str], wait: float
    ) -> Json:
        self.open()
        connection = self._open_connection
        assert connection is not None  # noqa: S101 - open() has just set it
        connection.timeout = wait
        if connection.sock is not None:
            connection.sock.settimeout(wait)
        connection.request(method, target, body=payload, headers=headers)
        response = connection.getresponse()
        data = response.read()
        if response.status >= http.client.BAD_REQUEST:
            raise _error(response.status, data)
        return _json(data)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        try:
            connection = self._new_connection(timeout)
            connection.connect()
        except OSError as error:
            raise _unreachable(self.address, error) from error
        return connection

    def _new_connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._url is None:
            return UnixConnection(self._path or "", timeout)
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(self._url.hostname or "", self._url.port, timeout=timeout)

    def _wait_to_reconnect(self, error: Exception, deadline: float) -> None:
        """Pause before another try, or raise the error when the daemon has been away too long."""
        if monotonic() >= deadline:
            if isinstance(error, LivChatError):
                raise error
            raise _unreachable(self.address, error) from error
        # A daemon that died leaves its socket, which refuses. One that somebody stopped removed it,
        # and is not to be started again.
        if self._restart is not None and isinstance(error.__cause__, ConnectionRefusedError):
            self._restart()
        sleep(0.1)

    def _stream(self, path: str, after: str | None) -> Iterator[Event | None]:
        """The events of one connection; None is a heartbeat."""
        connection = self._connect(STREAM_TIMEOUT)
        try:
            headers = self._headers() | {"Accept": "application/x-ndjson"}
            connection.request("GET", _target(path, {"after": after}), headers=headers)
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise _error(response.status, response.read())
            while line := response.readline():
                if not line.endswith(b"\n"):
                    return
                yield _event(line)
        finally:
            connection.close()


def quoted(name: str) -> str:
    """A name as one part of a path: it cannot leave its place there."""
    return quote(name, safe="")


def _target(path: str, query: Json) -> str:
    given = {key: value for key, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _event(line: bytes) -> Event | None:
    if not (text := line.decode().strip()):
        return None
    found = json.loads(text)
    return Event(str(found["id"]), str(found["event"]), found["data"], text)


def _json(data: bytes) -> Json:
    try:
        return dict(json.loads(data))
    except (ValueError, TypeError):
        raise LivChatError("what answers there is not the daemon: it speaks no JSON") from None


def _error(status: int, data: bytes) -> LivChatError:
    try:
        found = json.loads(data)
        kind = BY_CODE.get(found["code"], LivChatError)
        error = kind(found["error"], hint=found.get("hint"), details=found.get("details"))
    except (ValueError, KeyError, TypeError):
        return LivChatError(f"the daemon answered {status} without a reason")
    error.messages = found.get("messages")
    return error


def _unreachable(address: str, error: Exception) -> DaemonUnreachable:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DaemonUnreachable(
        f"the daemon does not answer at {address}: {reason.lower()}", hint="livchat daemon start"
    )
