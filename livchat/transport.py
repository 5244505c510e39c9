"""Speaks to a daemon: HTTP over a Unix socket or TCP, sent again when the connection breaks."""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from time import monotonic, sleep  # noqa: TID251 - there is no loop here to block
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from livchat.errors import BY_CODE, DaemonUnreachable, LivChatError, TimedOut

Json = dict[str, Any]

ANSWER_TIMEOUT = 60.0
"""Seconds that an answer may take: a token is tried at its provider before the answer."""
STREAM_TIMEOUT = 45.0
"""Seconds of silence after which a stream is dead; the daemon sends a heartbeat each 15 s."""
PATIENCE = 60.0
"""Seconds for which a daemon that was there may be away: a restart, an update."""

QUEUE_SECONDS = 10
"""Seconds for which a daemon with a full queue of callers is waited for."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path. A queue of callers that is full is waited for."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A blocking connect waits for its place; one with a time-out is refused at once (EAGAIN).
        patience = struct.pack("ll", QUEUE_SECONDS, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise
        self.sock.settimeout(self.timeout)


class Event(NamedTuple):
    """One event of a job, and its `line` as it came.

    The event `snapshot` is ours: the job anew, where the events were pruned.
    """

    id: str
    name: str
    data: Json
    line: str


class Transport:
    """The way to one daemon. `revive` is called when it seems to have died while it was needed."""

    def __init__(
        self,
        *,
        socket_path: str | None = None,
        url: str | None = None,
        token: str | None = None,
        revive: Callable[[], None] | None = None,
    ) -> None:
        self.address = url or socket_path or ""
        self._path = socket_path
        self._url = urlsplit(url) if url else None
        self._token = token
        self._revive = revive
        self._kept: http.client.HTTPConnection | None = None
        self.key: str | None = None  # the idempotency key of every change, else each has its own

    def close(self) -> None:
        """Give the connection back."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def open(self) -> None:
        """Connect, or raise DaemonUnreachable at once: nothing listens there."""
        if self._kept is None:
            self._kept = self._connect(ANSWER_TIMEOUT)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Json | None = None,
        body: Json | None = None,
        wait: float = ANSWER_TIMEOUT,
    ) -> Json:
        """One request, which happens once however often it is sent."""
        headers = self._headers()
        if method != "GET":
            headers["Idempotency-Key"] = self.key or os.urandom(16).hex()
        payload = None
        if body is not None:
            payload = json.dumps({k: v for k, v in body.items() if v is not None}).encode()
            headers["Content-Type"] = "application/json"
        self.open()
        deadline = monotonic() + PATIENCE
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
                self._be_patient(error, deadline)

    def _exchange(
        self, method: str, target: str, payload: bytes | None, headers: dict[str, str], wait: float
    ) -> Json:
        self.open()
        connection = self._kept
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
            connection = self._connection(timeout)
            connection.connect()
        except OSError as error:
            raise _unreachable(self.address, error) from error
        return connection

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._url is None:
            return UnixConnection(self._path or "", timeout)
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(self._url.hostname or "", self._url.port, timeout=timeout)

    def _be_patient(self, error: Exception, deadline: float) -> None:
        """Pause before another try, or raise the error when the daemon has been away too long."""
        if monotonic() >= deadline:
            if isinstance(error, LivChatError):
                raise error
            raise _unreachable(self.address, error) from error
        # A socket that refuses was left by a daemon that died; one that is gone was closed by a
        # daemon that somebody stopped, which is not ours to start again.
        if self._revive is not None and isinstance(error.__cause__, ConnectionRefusedError):
            self._revive()
        sleep(0.1)

    def _stream(self, path: str, after: str | None) -> Iterator[Event | None]:
        """The lines of one connection; None is a heartbeat."""
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
        answer = json.loads(data)
        kind = BY_CODE.get(answer["code"], LivChatError)
        return kind(answer["error"], hint=answer.get("hint"), details=answer.get("details"))
    except (ValueError, KeyError, TypeError):
        return LivChatError(f"the daemon answered {status} without a reason")


def _unreachable(address: str, error: Exception) -> DaemonUnreachable:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DaemonUnreachable(
        f"the daemon does not answer at {address}: {reason.lower()}", hint="livchat daemon start"
    )
