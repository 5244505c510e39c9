"""The daemon's API as a Python object: one method a route, over a Unix socket or TCP.

Answers are the JSON objects of the contract, as they are. An error answer is raised as the class
of `livchat.errors` that its code names. A call that changes something carries an idempotency key
and is sent again with it when the connection breaks, so that it happens once.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from time import monotonic, sleep  # noqa: TID251 - there is no loop here to block
from typing import Any
from urllib.parse import quote

from livchat.errors import CursorGone, DaemonUnreachable, TimedOut
from livchat.transport import PATIENCE, Event, Json, Transport

DOCTOR_TIMEOUT = 90.0
"""Seconds that the doctor may take: what does not answer has 40 of them."""
ENDED = frozenset({"completed", "failed", "cancelled"})


class Client(Transport):
    """A daemon's API."""

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

    def configure_certificates(self, order: Json) -> Json:
        """POST /api/config/certificates."""
        return self._call("POST", "/api/config/certificates", body=order)

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

    def plan_server(self, order: Json) -> Json:
        """POST /api/servers?plan=true; nothing is done."""
        return self._call("POST", "/api/servers", query={"plan": "true"}, body=order)

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

    def delete_app(self, server: str, app_name: str, *, purge: bool = False) -> Json:
        """DELETE /api/servers/{name}/apps/{app_name}?purge=."""
        path = f"/api/servers/{_part(server)}/apps/{_part(app_name)}"
        return self._call("DELETE", path, query={"purge": "true"} if purge else None)

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

    def doctor(self) -> Json:
        """GET /api/doctor."""
        return self._call("GET", "/api/doctor", wait=DOCTOR_TIMEOUT)

    def mend(self, findings: list[str] | None = None) -> Json:
        """POST /api/doctor; all that is this installation's own where none is named."""
        body = {"findings": findings}
        return self._call("POST", "/api/doctor", body=body, wait=DOCTOR_TIMEOUT)

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


def _part(text: str) -> str:
    return quote(text, safe="")


def _follows(cursor: str, last: str | None) -> bool:
    """Is this event later than the last one? Of another epoch, it is."""
    epoch, _, number = cursor.rpartition("-")
    last_epoch, _, last_number = (last or "").rpartition("-")
    if epoch != last_epoch or not (number.isdigit() and last_number.isdigit()):
        return cursor != last
    return int(number) > int(last_number)


def _snapshot(job: Json) -> Event:
    line = json.dumps({"id": job["cursor"], "event": "snapshot", "data": job})
    return Event(job["cursor"], "snapshot", job, line)
