"""The names of an app are asked of name servers, over real sockets, before its stack is there."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
import requests

from tests.integration.daemon_process import DaemonProcess, running

UP = {
    "apps": ["n8n"],
    "server": "a",
    "provider": "sandbox",
    "zone_name": "example.com",
    "subdomain": "lab",
    "ssl_email": "ops@example.com",
}
STEP = "Check that the 2 names of n8n are answered"
HOSTS = ("edt.lab.example.com", "whk.lab.example.com")


def add(daemon: DaemonProcess, kind: str, name: str, content: str) -> None:
    """A record of somebody else's in the sandbox's zone."""
    daemon.request("GET", "/api/providers/locations?provider=sandbox")
    told = json.loads((daemon.home / "state" / "sandbox" / "sandbox.json").read_text())
    headers = {"Authorization": f"Bearer {told['cloudflare_token']}"}
    zones = f"{told['cloudflare']}/zones"
    found = requests.get(zones, {"name": "example.com"}, headers=headers, timeout=10)
    body: Any = {"type": kind, "name": name, "content": content, "ttl": 1}
    path = f"{zones}/{found.json()['result'][0]['id']}/dns_records"
    assert requests.post(path, json=body, headers=headers, timeout=10).status_code == 200


def step(job: dict[str, Any], name: str = STEP) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in job["steps"] if one["name"] == name)
    return found


def said(daemon: DaemonProcess, job: dict[str, Any]) -> list[str]:
    path = f"/api/jobs/{job['job_id']}/logs?tail=1000"
    lines = daemon.request("GET", path).json["logs"]
    return [line["message"] for line in lines if line["step"] == STEP]


def test_every_name_is_asked_of_the_name_server_before_the_stack_is_deployed(
    daemon: DaemonProcess,
) -> None:
    job = daemon.wait(daemon.submit("POST", "/api/up", UP))
    assert job["status"] == "completed", job
    told = json.loads((daemon.home / "state" / "sandbox" / "sandbox.json").read_text())
    ip = daemon.request("GET", "/api/servers/a").json["ip_address"]
    answered = [line for line in said(daemon, job) if "is answered" in line]
    assert sorted(answered) == [f"{host} is answered with {ip} by {told['dns']}" for host in HOSTS]
    assert step(job)["completed_at"] <= step(job, "Deploy n8n")["started_at"]


def test_a_caa_record_that_forbids_the_certificate_is_told(daemon: DaemonProcess) -> None:
    add(daemon, "CAA", "example.com", '0 issue "digicert.com"')
    job = daemon.wait(daemon.submit("POST", "/api/up", UP))
    assert (job["status"], step(job)["status"]) == ("failed", "failed")
    assert "digicert.com" in job["error"]
    assert '0 issue "letsencrypt.org"' in job["hint"]
    add(daemon, "CAA", "lab.example.com", '0 issue "letsencrypt.org"')
    again = daemon.wait(daemon.submit("POST", f"/api/jobs/{job['job_id']}/retry"))
    assert again["status"] == "completed", again


def test_name_servers_that_are_not_reached_hold_nothing_up(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))  # takes questions, answers none; its TCP refuses
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        with running(tmp_path / "livchat", LIVCHAT_NAMESERVERS=where) as daemon:
            job = daemon.wait(daemon.submit("POST", "/api/up", UP))
            assert job["status"] == "completed", job
            (line,) = said(daemon, job)
            assert "cannot ask the name servers of example.com from here; going on" in line


def test_a_name_server_that_says_something_else_is_named(tmp_path):
    """Two are asked: one that knows the account's records, and one that has another's."""
    with running(tmp_path / "other") as other, running(tmp_path / "own") as first:
        for daemon in (other, first):
            add(daemon, "TXT", "nothing", "here")
        own, foreign = (
            json.loads((daemon.home / "state" / "sandbox" / "sandbox.json").read_text())["dns"]
            for daemon in (first, other)
        )
        first.stop()
        first.environment["LIVCHAT_NAMESERVERS"] = f"{own}, {foreign}"
        first.start()
        job_id = first.submit("POST", "/api/up", UP)
        for event in first.client.job_events(job_id):
            line = event.data.get("log") or {}
            if f"{foreign} says that there is no such name" in line.get("message", ""):
                break
        else:
            raise AssertionError("nobody was told who says something else")
        first.request("DELETE", f"/api/jobs/{job_id}")
        assert first.wait(job_id)["status"] == "cancelled"


def test_a_wrong_address_of_a_name_server_is_refused_at_the_start(tmp_path):
    home = tmp_path / "livchat"
    daemon = DaemonProcess(home, LIVCHAT_NAMESERVERS="ns1.example.com")
    with pytest.raises(AssertionError, match="is not the address of a name server"):
        daemon.start()
