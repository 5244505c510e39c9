"""The home of an earlier version opens, and its work goes on: fixtures/make_home.py made it."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemon_process import DaemonProcess, running

ARCHIVE = Path(__file__).with_name("fixtures") / "home.tar.xz"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
PORT = re.compile(r":\d+/")
SINCE_THEN = {"cursor": "the newest event of all jobs, and one of them goes on"}
"""Fields that need not be as they were, and why."""
NEXT_STACKS = {"traefik", "portainer", "uptime-kuma"}


@dataclass(frozen=True)
class Earlier:
    """A home made by an earlier version, opened; what was answered then, and at first now."""

    daemon: DaemonProcess
    then: dict[str, Any]
    now: dict[str, Any]


def unpack(home: Path) -> dict[str, Any]:
    """Put the files into a home of a test's own; what its daemon had answered."""
    with tarfile.open(ARCHIVE) as packed:
        for member in packed:
            content = packed.extractfile(member)
            assert content is not None
            path = home / member.name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(content.read())
            path.chmod(0o600)
    sandbox_of_its_own(home / "state" / "sandbox")
    answers: dict[str, Any] = json.loads((home / "answers.json").read_text())
    return answers


def sandbox_of_its_own(folder: Path) -> None:
    """Another token for the sandbox.

    Its address file is of a sandbox that is gone. Where another run of this test has one at the
    same ports, the two would be taken for each other if they had the same token.
    """
    world = json.loads((folder / "world.json").read_text())
    another = world["token"][:-8] + secrets.token_hex(4)
    for path in (folder / "world.json", folder / "sandbox.json"):
        path.write_text(path.read_text().replace(world["token"], another))


def later(by: timedelta, text: str | None) -> str | None:
    """All times in a text, moved; ended jobs are forgotten after 90 days, these are to stay."""
    return None if text is None else TIME.sub(partial(_moved, by), text)


def _moved(by: timedelta, found: re.Match[str]) -> str:
    moved = datetime.fromisoformat(found[0]) + by
    return moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def move_times(path: Path, move: Callable[[str | None], str | None]) -> None:
    """Move every time in a table's file."""
    with closing(sqlite3.connect(path)) as table, table:
        table.create_function("moved", 1, move)
        names = table.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            for _, column, kind, *_ in table.execute(f"PRAGMA table_info({name})").fetchall():
                if kind == "TEXT":
                    table.execute(f"UPDATE {name} SET {column} = moved({column})")  # noqa: S608


def listed(daemon: DaemonProcess, then: dict[str, Any]) -> dict[str, Any]:
    """The answers to what was asked then."""
    ended = [job["job_id"] for job in then["jobs"]]
    return {
        "servers": daemon.request("GET", "/api/servers").json["servers"],
        "apps": daemon.request("GET", "/api/servers/prod-01/apps").json["apps"],
        "jobs": [daemon.request("GET", f"/api/jobs/{job_id}").json for job_id in ended],
        "logs": {
            job_id: daemon.request("GET", f"/api/jobs/{job_id}/logs?tail=1000").json
            for job_id in ended
        },
        "job_list": daemon.request("GET", "/api/jobs?limit=500").json["jobs"],
        "health": daemon.request("GET", "/health").json,
    }


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Earlier]:
    """The home, as if it had been left a moment ago, with a daemon of today."""
    home = tmp_path_factory.mktemp("earlier") / "livchat"
    then = unpack(home)
    move = partial(later, datetime.now(UTC) - datetime.fromisoformat(then["made_at"]))
    move_times(home / "state" / "livchat.db", move)
    then = json.loads(move(json.dumps(then)) or "")
    with running(home) as daemon:
        yield Earlier(daemon, then, listed(daemon, then))


def differences(then: Any, now: Any, where: str = "") -> list[str]:
    """Where what was there is not there any more; what has been added since is fine."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            line
            for key, value in then.items()
            if key not in SINCE_THEN
            for line in differences(value, now.get(key, "missing"), f"{where}.{key}")
        ]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [line for n, (a, b) in pairs for line in differences(a, b, f"{where}[{n}]")]
    return [] if then == now else [f"{where}: {then!r} then, {now!r} now"]


def test_it_opens_as_the_kill_left_it(tmp_path: Path) -> None:
    """The table with its write-ahead log, all times and the address of a sandbox that is gone."""
    then = unpack(tmp_path / "livchat")
    with running(tmp_path / "livchat") as daemon:
        health = daemon.request("GET", "/health")
        assert (health.status, health.json["status"]) == (200, "ok")
        server = daemon.request("GET", "/api/servers/prod-01").json
        assert differences(then["servers"]["prod-01"], server) == []


def test_servers_apps_and_jobs_are_told_as_they_were(earlier: Earlier) -> None:
    assert earlier.now["health"]["status"] == "ok"
    for kind in ("servers", "apps", "jobs", "logs"):
        assert differences(earlier.then[kind], earlier.now[kind], kind) == []


def test_all_jobs_are_there_and_each_has_the_end_that_it_had(earlier: Earlier) -> None:
    ends = {job["job_id"]: job["status"] for job in earlier.then["jobs"]}
    assert Counter(ends.values()) == {"completed": 3, "failed": 1}
    now = {job["job_id"]: job["status"] for job in earlier.now["job_list"]}
    running_then = earlier.then["running"]["job_id"]
    assert {job_id: now[job_id] for job_id in ends} == ends
    assert now.keys() == {*ends, running_then}


def test_a_cursor_of_then_is_one_of_today(earlier: Earlier) -> None:
    """Whoever watched the job over the change sees it go on, and nothing twice."""
    job = earlier.then["running"]
    events = list(earlier.daemon.client.job_events(job["job_id"], job["cursor"]))
    epoch, _, last = job["cursor"].rpartition("-")
    seen = [event.id.rpartition("-") for event in events]
    assert {one[0] for one in seen} == {epoch}
    numbers = [int(one[2]) for one in seen]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > int(last)
    assert events[-1].data["job"]["status"] == "completed"


def test_the_running_job_goes_on_to_its_end_and_makes_nothing_twice(earlier: Earlier) -> None:
    daemon, job_id = earlier.daemon, earlier.then["running"]["job_id"]
    job = daemon.wait(job_id)
    assert (job["status"], job["error"], job["left_behind"]) == ("completed", None, [])
    server = daemon.request("GET", "/api/servers/next-01").json
    assert (server["status"], server["apps"]) == ("ready", ["uptime-kuma"])
    assert job["result"]["server"]["name"] == "next-01"
    assert job["result"]["server"]["ip_address"] == server["ip_address"]
    world = daemon.sandbox("status")
    assert sorted(one["name"] for one in world["servers"]) == ["next-01", "prod-01"]
    names = {one["id"]: one["name"] for one in world["servers"]}
    assert sorted(
        names[one["server"]] for one in world["primary_ips"] if one["type"] == "ipv4"
    ) == (["next-01", "prod-01"])
    assert len(world["primary_ips"]) == 4
    owners = [one["labels"]["livchat.server"] for one in world["ssh_keys"]]
    assert Counter(owners) == {"next-01": 1, "prod-01": 1}
    stacks = [one["name"] for one in world["stacks"] if one["server"] == "next-01"]
    assert Counter(stacks) == dict.fromkeys(NEXT_STACKS, 1)
    records = [one["content"] for one in world["dns_records"] if ".next." in one["name"]]
    assert records == [server["ip_address"]]


def test_what_the_running_job_had_done_is_not_done_again(earlier: Earlier) -> None:
    then = earlier.then["running"]
    done = {step["name"]: step for step in then["steps"] if step["status"] == "completed"}
    assert {"Create the machine", "Wait for SSH"} <= done.keys()
    job = earlier.daemon.wait(then["job_id"])
    now = {step["name"]: step for step in job["steps"]}
    assert differences(done, {name: now[name] for name in done}) == []
    assert {step["status"] for step in job["steps"]} <= {"completed", "skipped"}


def test_the_failed_job_is_retried_and_completes(earlier: Earlier) -> None:
    daemon, failed = earlier.daemon, earlier.then["failed"]
    job = daemon.wait(daemon.submit("POST", f"/api/jobs/{failed}/retry"))
    assert (job["status"], job["retry_of"]) == ("completed", failed), job
    apps = daemon.request("GET", "/api/servers/prod-01/apps").json["apps"]
    assert {app["app_name"]: app["status"] for app in apps}["uptime-kuma"] == "running"
    names = [record["name"] for record in daemon.sandbox("status")["dns_records"]]
    assert names.count("upt.lab.livchat.localhost") == 1


def test_a_command_runs_on_its_server(earlier: Earlier) -> None:
    """With the key of then, at the host key that was pinned then."""
    body = {"command": "hostname"}
    found = earlier.daemon.request("POST", "/api/servers/prod-01/exec", body).json
    assert found["exit_code"] == 0, found
    assert found["stdout"] == "prod-01\n"


def test_an_app_of_its_server_is_deleted(earlier: Earlier) -> None:
    daemon = earlier.daemon
    job = daemon.wait(daemon.submit("DELETE", "/api/servers/prod-01/apps/n8n"))
    assert job["status"] == "completed", job
    assert "n8n" not in daemon.request("GET", "/api/servers/prod-01").json["apps"]
    world = daemon.sandbox("status")
    stacks = {one["name"] for one in world["stacks"] if one["server"] == "prod-01"}
    assert "n8n" not in stacks
    assert {"postgres", "redis", "traefik", "portainer"} <= stacks
    assert "edt.lab.livchat.localhost" not in [one["name"] for one in world["dns_records"]]


def test_its_secrets_are_read(earlier: Earlier) -> None:
    """By the key of then, in the layout of then."""
    daemon = earlier.daemon
    (key, value) = next(iter(earlier.then["secret"].items()))
    assert daemon.request("GET", f"/api/secrets/{key}?reveal=true").json["value"] == value
    found = {one["key"] for one in daemon.request("GET", "/api/secrets").json["secrets"]}
    assert {one for one in earlier.then["secrets"] if "/n8n/" not in one} <= found
