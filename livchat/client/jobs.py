"""Routes of jobs, and the events of one as a stream that outlives broken connections."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from time import monotonic, sleep  # noqa: TID251 - there is no loop here to block
from typing import Any

from livchat.errors import CursorGone, DaemonUnreachable, TimedOut
from livchat.job_state import ENDED
from livchat.transport import RECONNECT_SECONDS, Event, Json, Transport, quoted


class JobRoutes(Transport):
    """`/api/jobs/...`."""

    def jobs(self, **query: Any) -> Json:
        """GET /api/jobs?status=&type=&server=&limit=&cursor=."""
        return self._call("GET", "/api/jobs", query=query)

    def job(self, job_id: str) -> Json:
        """GET /api/jobs/{job_id}."""
        return self._call("GET", f"/api/jobs/{quoted(job_id)}")

    def job_logs(self, job_id: str, **query: Any) -> Json:
        """GET /api/jobs/{job_id}/logs?tail=&step=&level=."""
        return self._call("GET", f"/api/jobs/{quoted(job_id)}/logs", query=query)

    def wait(self, job_id: str, timeout: float) -> Json:
        """GET /api/jobs/{job_id}/wait?timeout=; the job, ended or not after `timeout` seconds."""
        path = f"/api/jobs/{quoted(job_id)}/wait"
        return self._call("GET", path, query={"timeout": int(timeout)}, wait=timeout + 15)

    def cancel_job(self, job_id: str, *, force: bool = False) -> Json:
        """DELETE /api/jobs/{job_id}?force=."""
        query = {"force": "true"} if force else None
        return self._call("DELETE", f"/api/jobs/{quoted(job_id)}", query=query)

    def retry_job(self, job_id: str) -> Json:
        """POST /api/jobs/{job_id}/retry."""
        return self._call("POST", f"/api/jobs/{quoted(job_id)}/retry")

    def prune_jobs(self, **query: Any) -> Json:
        """DELETE /api/jobs?older_than=&status=."""
        return self._call("DELETE", "/api/jobs", query=query)

    def job_events(self, job_id: str, after: str | None = None) -> Iterator[Event]:
        """GET /api/jobs/{job_id}/events; ends after the job's `end`, or a snapshot that has ended.

        Every event after the cursor `after` (all of them without one) once and in order, also
        where the connection breaks or the daemon restarts; DaemonUnreachable when it stays away.
        """
        deadline = monotonic() + RECONNECT_SECONDS
        while True:
            try:
                for event in self._one_connection(job_id, after):
                    deadline = monotonic() + RECONNECT_SECONDS
                    if event is None:
                        continue
                    after = event.id
                    yield event
                    if event.name == "end" or event.data.get("status") in ENDED:
                        return
            except (DaemonUnreachable, TimedOut, http.client.HTTPException, OSError) as error:
                self._wait_to_reconnect(error, deadline)

    def _one_connection(self, job_id: str, after: str | None) -> Iterator[Event | None]:
        """What one connection brings: new events, None for a heartbeat, else a snapshot."""
        received = False
        try:
            for event in self._stream(f"/api/jobs/{quoted(job_id)}/events", after):
                if event is None:
                    yield None
                elif _is_later(event.id, after):
                    received, after = True, event.id
                    yield event
        except CursorGone:
            received, after = False, None
        if received:
            return
        job = self.job(job_id)
        if after is None or job["status"] in ENDED:
            yield _snapshot(job)
        else:
            sleep(0.2)


def _is_later(cursor: str, last: str | None) -> bool:
    """Is this event later than the last one? Of another epoch, it is."""
    epoch, _, number = cursor.rpartition("-")
    last_epoch, _, last_number = (last or "").rpartition("-")
    if epoch != last_epoch or not (number.isdigit() and last_number.isdigit()):
        return cursor != last
    return int(number) > int(last_number)


def _snapshot(job: Json) -> Event:
    line = json.dumps({"id": job["cursor"], "event": "snapshot", "data": job})
    return Event(job["cursor"], "snapshot", job, line)
