"""Streams of a real daemon, and jobs that outlive it or are taken back."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - processes are waited for, in bounded loops
from typing import Any

from livchat.job_state import apply_event
from tests.integration.daemon_process import DaemonProcess, UnixConnection, running

SERVER = {"name": "prod-01", "provider": "sandbox"}


def test_snapshot_and_events_give_what_get_gives(daemon: DaemonProcess) -> None:
    job_id = daemon.submit("POST", "/api/servers", SERVER)
    job = daemon.request("GET", f"/api/jobs/{job_id}").json
    last = 0
    for event in _follow(daemon, f"/api/jobs/{job_id}/events?after={job['cursor']}"):
        assert event["data"]["seq"] > last
        last = event["data"]["seq"]
        job = apply_event(job, event["data"], event["id"])
    after = daemon.request("GET", f"/api/jobs/{job_id}").json
    assert after["status"] == "completed"
    assert {**job, "cursor": ""} == {**after, "cursor": ""}


def test_both_encodings_tell_the_same(daemon: DaemonProcess) -> None:
    job_id = daemon.submit("POST", "/api/servers", SERVER)
    daemon.wait(job_id)
    lines = list(_follow(daemon, f"/api/jobs/{job_id}/events"))
    answer = daemon.request("GET", f"/api/jobs/{job_id}/events")
    assert answer.headers["Content-Type"] == "text/event-stream"
    frames = [frame.split("\n") for frame in answer.raw.decode().split("\n\n") if frame]
    told = [
        {
            "id": frame[0].removeprefix("id: "),
            "event": frame[1].removeprefix("event: "),
            "data": json.loads(frame[2].removeprefix("data: ")),
        }
        for frame in frames
    ]
    assert told == lines
    assert lines[-1]["event"] == "end"
    middle = lines[len(lines) // 2]["id"]
    resumed = daemon.request("GET", f"/api/jobs/{job_id}/events", headers={"Last-Event-ID": middle})
    assert resumed.raw.decode().count("id: ") == len(lines) - len(lines) // 2 - 1


def test_a_cursor_of_another_table_is_gone(daemon: DaemonProcess) -> None:
    for path in ("/api/events?after=deadbeef-1", "/api/events?after=nonsense"):
        answer = daemon.request("GET", path)
        assert answer.json["code"] in {"cursor_gone", "invalid"}
        assert answer.status in {410, 422}


def test_open_streams_and_waits_do_not_hold_the_daemon(tmp_path: Path) -> None:
    with running(tmp_path / "d", scale=1) as daemon:
        job_id = daemon.submit("POST", "/api/servers", SERVER)
        opened = [_open(daemon, path) for path in ("/api/events", f"/api/jobs/{job_id}/events") * 5]
        waiting = UnixConnection(daemon.socket)
        waiting.request("GET", f"/api/jobs/{job_id}/wait?timeout=300")
        _until_at_work(daemon, job_id)
        assert daemon.stop() == 0
        for connection, response in opened:
            # The last chunk is there: the stream was ended, not cut.
            response.read()
            connection.close()
        answer = waiting.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["job_id"] == job_id
        waiting.close()


def test_a_stream_ends_whole_when_the_daemon_stops(daemon: DaemonProcess) -> None:
    connection, response = _open(daemon, "/api/events")
    daemon.stop()
    assert response.read() == b""
    connection.close()


def test_a_job_goes_on_after_the_daemon_was_killed(tmp_path: Path) -> None:
    with running(tmp_path / "d", scale=0.05) as daemon:
        job_id = daemon.submit("POST", "/api/servers", SERVER)
        _until_at_work(daemon, job_id)
        daemon.kill()
        daemon.start()
        job = daemon.wait(job_id)
        assert (job["status"], job["error"]) == ("completed", None)
        assert len(daemon.sandbox("status")["servers"]) == 1


def test_a_cancelled_job_takes_back_what_it_bought(tmp_path: Path) -> None:
    with running(tmp_path / "d", scale=0.3) as daemon:
        job_id = daemon.submit("POST", "/api/servers", SERVER)
        _until_at_work(daemon, job_id)
        answer = daemon.request("DELETE", f"/api/jobs/{job_id}")
        assert (answer.status, answer.json["success"]) == (200, True)
        job = daemon.wait(job_id)
        assert (job["status"], job["rollback"]) == ("cancelled", "clean")
        left = daemon.sandbox("status")
        assert (left["servers"], left["primary_ips"], left["ssh_keys"]) == ([], [], [])
        assert daemon.request("GET", "/api/servers").json["total"] == 0
        again = daemon.request("POST", f"/api/jobs/{job_id}/retry")
        assert (again.status, again.json["retry_of"]) == (202, job_id)
        daemon.request("DELETE", f"/api/jobs/{again.json['job_id']}")
        daemon.wait(again.json["job_id"])


def _open(daemon: DaemonProcess, path: str) -> tuple[UnixConnection, http.client.HTTPResponse]:
    connection = UnixConnection(daemon.socket)
    connection.request("GET", path)
    return connection, connection.getresponse()


def _follow(daemon: DaemonProcess, path: str) -> Iterator[dict[str, Any]]:
    connection = UnixConnection(daemon.socket)
    try:
        connection.request("GET", path, headers={"Accept": "application/x-ndjson"})
        response = connection.getresponse()
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/x-ndjson"
        while line := response.readline():
            if line.strip():
                yield json.loads(line)
    finally:
        connection.close()


def _until_at_work(daemon: DaemonProcess, job_id: str) -> None:
    """Return once the machine is being waited for: bought, and not there yet."""
    deadline = monotonic() + 30
    while monotonic() < deadline:
        done = daemon.request("GET", f"/api/jobs/{job_id}").json["steps_completed"]
        if "Create the machine" in done:
            return
        sleep(0.02)
    raise AssertionError(f"{job_id} does not get to its machine")
