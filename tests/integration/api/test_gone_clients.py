"""Clients that go away in the middle: what they asked for is done whole, or not at all."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from time import monotonic, sleep  # noqa: TID251 - jobs are looked for in bounded loops
from typing import Any

import pytest

from tests.integration.daemon_process import DaemonProcess, running


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running(tmp_path_factory.mktemp("d")) as started:
        started.request("GET", "/api/providers/images?provider=sandbox")
        yield started


def post(name: str, key: str) -> bytes:
    body = json.dumps({"name": name, "provider": "sandbox"}).encode()
    head = (
        f"POST /api/servers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(daemon: DaemonProcess, data: bytes, linger: float) -> None:
    """Send, and go away without a look at the answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        client.sendall(data)
        sleep(linger)


def settled(daemon: DaemonProcess) -> list[dict[str, Any]]:
    """All jobs, once none is at work and none has come for a second."""
    deadline = monotonic() + 60
    found: list[dict[str, Any]] = []
    quiet = 0
    while quiet < 10 and monotonic() < deadline:
        sleep(0.1)
        counts = daemon.request("GET", "/health").json["jobs"]
        before, found = found, daemon.request("GET", "/api/jobs?limit=500").json["jobs"]
        idle = counts == {"queued": 0, "running": 0} and len(found) == len(before)
        quiet = quiet + 1 if idle else 0
    return found


def test_half_a_request_does_nothing(daemon: DaemonProcess) -> None:
    whole = post("half", "half-a-request")
    for cut in (10, whole.index(b"\r\n\r\n") + 2, whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
        send(daemon, whole[:cut], 0)
    assert settled(daemon) == []
    assert daemon.request("GET", "/api/servers/half").status == 404
    assert "Traceback" not in daemon.log.read_text()


def test_a_whole_request_whose_client_is_gone_is_done_whole_or_not_at_all(
    daemon: DaemonProcess,
) -> None:
    chance = random.Random(4)  # noqa: S311 - seeded, for no secret
    names = [f"gone-{number}" for number in range(20)]
    for name in names:
        send(daemon, post(name, f"key-of-{name}"), chance.choice([0, 0, 0.001, 0.005, 0.02]))
    jobs = {job["server"]: job for job in settled(daemon)}
    servers = daemon.request("GET", "/api/servers").json["servers"]
    assert set(jobs) == set(servers)
    assert {job["status"] for job in jobs.values()} == {"completed"}
    assert {server["status"] for server in servers.values()} == {"running"}
    bought = {found["name"] for found in daemon.sandbox("status")["servers"]}
    assert len(bought) == len(jobs)

    # Whoever asks again with the same key gets the first job, or the only one.
    for name in names:
        answer = daemon.request(
            "POST", "/api/servers", {"name": name, "provider": "sandbox"},
            {"Idempotency-Key": f"key-of-{name}"},
        )  # fmt: skip
        assert answer.status == 202
        if name in jobs:
            assert answer.json["job_id"] == jobs[name]["job_id"]
            assert answer.headers["Idempotency-Replayed"] == "true"
    assert len(settled(daemon)) == len(names)
