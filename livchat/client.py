"""The daemon's API as a Python object: one method a route, over a Unix socket or TCP.

Answers are the JSON objects of the contract, as they are. An error answer is raised as the class
of `livchat.errors` that its code names. A call that changes something carries an idempotency key
and is sent again with it when the connection breaks, so that it happens once.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable, Iterator
from time import monotonic, sleep  # noqa: TID251 - there is no loop here to block
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from livchat.errors import BY_CODE, CursorGone, DaemonUnreachable, LivChatError, TimedOut
from livchat.transport import UnixConnection

Json = dict[str, Any]

ANSWER_TIMEOUT = 60.0
"""Seconds that an answer may take: a token is tried at its provider before the answer."""
STREAM_TIMEOUT = 45.0
"""Seconds of silence after which a stream is dead; the daemon sends a heartbeat each 15 s."""
PATIENCE = 60.0
"""Seconds for which a daemon that was there may be away: a restart, an update."""
ENDED = frozenset({"completed", "failed", "cancelled"})


class Event(NamedTuple):
    """One event of a job, and its `line` as it came.

    The event `snapshot` is ours: the job anew, where the events were pruned.
    """

    id: str
    name: str
    data: Json
    line: str


class Client:
    """A daemon's API. `revive` is called when the daemon seems to have died while it was needed."""

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

    def root(self) -> Json:
        """GET /."""
        return self._call("GET", "/")

    def health(self) -> Json:
        """GET /health."""
        return self._call("GET", "/health", wait=10)

    def init(self) -> Json:
        """POST /api/init."""
        return self._call("POST", "/api/init", body={})

    def configure_provider(self, name: str, token: str, *, verify: bool = True) -> Json:
        """POST /api/config/provider."""
        return self._call(
            "POST", "/api/config/provider", body={"name": name, "token": token, "verify": verify}
        )

    def configure_cloudflare(self, credentials: Json) -> Json:
        """POST /api/config/cloudflare."""
        return self._call("POST", "/api/config/cloudflare", body=credentials)

    def jobs(self, **query: Any) -> Json:
        """GET /api/jobs?status=&type=&server=&limit=&cursor=."""
        return self._call("GET", "/api/jobs", query=query)

    def job(self, job_id: str) -> Json:
        """GET /api/jobs/{job_id}."""
        return self._call("GET", f"/api/jobs/{_part(job_id)}")

    def job_logs(self, job_id: str, **query: Any) -> Json:
        """GET /api/jobs/{job_id}/logs?tail=&step=&level=."""
        return self._call("GET", f"/api/jobs/{_part(job_id)}/logs", query=query)

    def wait(self, job_id: str, timeout: float) -> Json:
        """GET /api/jobs/{job_id}/wait?timeout=; the job, ended or not after `timeout` seconds."""
        path = f"/api/jobs/{_part(job_id)}/wait"
        return self._call("GET", path, query={"timeout": int(timeout)}, wait=timeout + 15)

    def cancel_job(self, job_id: str, *, force: bool = False) -> Json:
        """DELETE /api/jobs/{job_id}?force=."""
        query = {"force": "true"} if force else None
        return self._call("DELETE", f"/api/jobs/{_part(job_id)}", query=query)

    def retry_job(self, job_id: str) -> Json:
        """POST /api/jobs/{job_id}/retry."""
        return self._call("POST", f"/api/jobs/{_part(job_id)}/retry")

    def prune_jobs(self, **query: Any) -> Json:
        """DELETE /api/jobs?older_than=&status=."""
        return self._call("DELETE", "/api/jobs", query=query)

    def create_server(self, order: Json) -> Json:
        """POST /api/servers."""
        return self._call("POST", "/api/servers", body=order)

    def servers(self) -> Json:
        """GET /api/servers."""
        return self._call("GET", "/api/servers")

    def server(self, name: str) -> Json:
        """GET /api/servers/{name}."""
        return self._call("GET", f"/api/servers/{_part(name)}")

    def delete_server(self, name: str) -> Json:
        """DELETE /api/servers/{name}."""
        return self._call("DELETE", f"/api/servers/{_part(name)}")

    def setup_server(self, name: str, order: Json) -> Json:
        """POST /api/servers/{name}/setup."""
        return self._call("POST", f"/api/servers/{_part(name)}/setup", body=order)

    def ssh_access(self, name: str) -> Json:
        """GET /api/servers/{name}/ssh."""
        return self._call("GET", f"/api/servers/{_part(name)}/ssh")

    def execute(self, name: str, command: str, timeout: int) -> Json:
        """POST /api/servers/{name}/exec."""
        body = {"command": command, "timeout": timeout}
        return self._call("POST", f"/api/servers/{_part(name)}/exec", body=body, wait=timeout + 30)

    def catalog(self) -> Json:
        """GET /api/apps."""
        return self._call("GET", "/api/apps")

    def app(self, app_name: str) -> Json:
        """GET /api/apps/{app_name}."""
        return self._call("GET", f"/api/apps/{_part(app_name)}")

    def deploy_app(self, server: str, app_name: str, config: Json) -> Json:
        """POST /api/servers/{name}/apps."""
        body = {"app_name": app_name, "config": config}
        return self._call("POST", f"/api/servers/{_part(server)}/apps", body=body)

    def installed_apps(self, server: str) -> Json:
        """GET /api/servers/{name}/apps."""
        return self._call("GET", f"/api/servers/{_part(server)}/apps")

    def delete_app(self, server: str, app_name: str) -> Json:
        """DELETE /api/servers/{name}/apps/{app_name}."""
        return self._call("DELETE", f"/api/servers/{_part(server)}/apps/{_part(app_name)}")

    def server_types(self, **query: Any) -> Json:
        """GET /api/providers/server-types?provider=&region=."""
        return self._call("GET", "/api/providers/server-types", query=query)

    def locations(self, **query: Any) -> Json:
        """GET /api/providers/locations?provider=."""
        return self._call("GET", "/api/providers/locations", query=query)

    def images(self, **query: Any) -> Json:
        """GET /api/providers/images?provider=."""
        return self._call("GET", "/api/providers/images", query=query)

    def secrets(self, *, reveal: bool = False) -> Json:
        """GET /api/secrets?reveal=."""
        return self._call("GET", "/api/secrets", query={"reveal": "true"} if reveal else None)

    def secret(self, key: str, *, reveal: bool = False) -> Json:
        """GET /api/secrets/{key}?reveal=."""
        query = {"reveal": "true"} if reveal else None
        return self._call("GET", f"/api/secrets/{_part(key)}", query=query)

    def put_secret(self, key: str, value: str) -> Json:
        """PUT /api/secrets/{key}."""
        return self._call("PUT", f"/api/secrets/{_part(key)}", body={"value": value})

    def delete_secret(self, key: str) -> Json:
        """DELETE /api/secrets/{key}."""
        return self._call("DELETE", f"/api/secrets/{_part(key)}")

    def up(self, order: Json) -> Json:
        """POST /api/up."""
        return self._call("POST", "/api/up", body=order)

    def plan(self, order: Json) -> Json:
        """POST /api/up?plan=true; nothing is done."""
        return self._call("POST", "/api/up", query={"plan": "true"}, body=order)

    def job_events(self, job_id: str, after: str | None = None) -> Iterator[Event]:
        """GET /api/jobs/{job_id}/events; ends after the job's `end`, or a snapshot that has ended.

        Every event after the cursor `after` (all of them without one) once and in order, also
        where the connection breaks or the daemon restarts; DaemonUnreachable when it stays away.
        """
        deadline = monotonic() + PATIENCE
        while True:
            try:
                for event in self._episode(job_id, after):
                    deadline = monotonic() + PATIENCE
                    if event is None:
                        continue
                    after = event.id
                    yield event
                    if event.name == "end" or event.data.get("status") in ENDED:
                        return
            except (DaemonUnreachable, TimedOut, http.client.HTTPException, OSError) as error:
                self._be_patient(error, deadline)

    def _episode(self, job_id: str, after: str | None) -> Iterator[Event | None]:
        """What one connection brings: events that are new, and a snapshot where there are none."""
        heard = False
        try:
            for event in self._stream(f"/api/jobs/{_part(job_id)}/events", after):
                if event is None:
                    yield None
                elif _follows(event.id, after):
                    heard, after = True, event.id
                    yield event
        except CursorGone:
            heard, after = False, None
        if heard:
            return
        job = self.job(job_id)
        if after is None or job["status"] in ENDED:
            yield _snapshot(job)
        else:
            sleep(0.2)

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

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Json | None = None,
        body: Json | None = None,
        wait: float = ANSWER_TIMEOUT,
    ) -> Json:
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
                raise TimedOut(
                    f"the daemon did not answer {method} {path} within {wait:.0f} s",
                    hint="livchat daemon status",
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


def _part(text: str) -> str:
    return quote(text, safe="")


def _target(path: str, query: Json) -> str:
    given = {key: value for key, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _follows(cursor: str, last: str | None) -> bool:
    """Is this event later than the last one? Of another epoch, it is."""
    epoch, _, number = cursor.rpartition("-")
    last_epoch, _, last_number = (last or "").rpartition("-")
    if epoch != last_epoch or not (number.isdigit() and last_number.isdigit()):
        return cursor != last
    return int(number) > int(last_number)


def _event(line: bytes) -> Event | None:
    if not (text := line.decode().strip()):
        return None
    found = json.loads(text)
    return Event(str(found["id"]), str(found["event"]), found["data"], text)


def _snapshot(job: Json) -> Event:
    line = json.dumps({"id": job["cursor"], "event": "snapshot", "data": job})
    return Event(job["cursor"], "snapshot", job, line)


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
