"""The daemon told to stop in the middle of everything: it goes at once, and the work goes on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - processes are waited for, in bounded loops

import pytest

from tests.integration.daemon_process import DaemonProcess, UnixConnection, running
from tests.integration.installation_folder import differences, units

SERVERS = ("a", "b", "c")
SETUP = {"zone_name": "livchat.localhost", "ssl_email": "ops@example.com"}
BOUND = 5.0
"""Seconds that the daemon may take to stop here; the promise, on an idle machine, is 3."""


def opened(daemon: DaemonProcess, path: str) -> UnixConnection:
    connection = UnixConnection(daemon.socket)
    connection.request("GET", path, headers={"Accept": "application/x-ndjson"})
    return connection


def until_installing(daemon: DaemonProcess) -> None:
    """Wait until apt is at work on each server and has printed something."""
    for server in SERVERS:
        deadline = monotonic() + 40
        while not any("apt-install" in unit for unit in units(daemon, server)):
            assert monotonic() < deadline, units(daemon, server)
            sleep(0.02)


def installation(daemon: DaemonProcess, job_id: str) -> list[str]:
    """What apt said, as the job's log has it.

    The step's own last word is left out: a step that finds all installed when it is taken up again
    has nothing to say.
    """
    path = f"/api/jobs/{job_id}/logs?tail=1000&step=Install%20the%20packages"
    said = [line["message"] for line in daemon.request("GET", path).json["logs"]]
    return [line for line in said if not (line.startswith("Docker ") and "installed" in line)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_stop_in_the_middle_leaves_the_units_at_work_and_the_jobs_complete(
    tmp_path: Path, way: str
) -> None:
    # At this scale an installation outlasts by far the way of the slowest server to its own.
    with running(tmp_path / "livchat", scale=0.1) as daemon:
        for server in SERVERS:
            order = {"name": server, "provider": "sandbox"}
            job = daemon.wait(daemon.submit("POST", "/api/servers", order))
            assert job["status"] == "completed", job
        jobs = [
            daemon.submit("POST", f"/api/servers/{server}/setup", {**SETUP, "subdomain": server})
            for server in SERVERS
        ]
        paths = ["/api/events", *(f"/api/jobs/{job_id}/events" for job_id in jobs)]
        streams = [opened(daemon, paths[i % len(paths)]) for i in range(10)]
        until_installing(daemon)
        began = monotonic()
        if way == "stop":
            assert daemon.stop() == 0
            assert monotonic() - began < BOUND
        else:
            daemon.kill()
        for stream in streams:
            stream.close()
        at_work = {server: units(daemon, server) for server in SERVERS}
        assert all(any("apt-install" in unit for unit in found) for found in at_work.values())
        daemon.start()
        for job_id in jobs:
            job = daemon.wait(job_id)
            assert job["status"] == "completed", job
            said = Counter(
                line for line in installation(daemon, job_id) if line.startswith("Setting up")
            )
            assert said
            assert set(said.values()) == {1}, said
        assert differences(daemon) == []


def test_the_log_of_an_installation_is_the_same_with_and_without_kills(tmp_path: Path) -> None:
    said = []
    for kills in (0, 4):
        with running(tmp_path / f"livchat-{kills}", scale=0.05) as daemon:
            order = {"name": "a", "provider": "sandbox"}
            daemon.wait(daemon.submit("POST", "/api/servers", order))
            job_id = daemon.submit("POST", "/api/servers/a/setup", {**SETUP, "subdomain": "a"})
            for _ in range(kills):
                sleep(0.25)
                daemon.kill()
                daemon.start()
            job = daemon.wait(job_id)
            assert job["status"] == "completed", job
            said.append(installation(daemon, job_id))
    assert json.dumps(said[0], indent=1) == json.dumps(said[1], indent=1)
