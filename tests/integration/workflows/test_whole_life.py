"""The main job, end to end: real processes, the protocols of the sandbox, no stand-in of ours."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import sleep  # noqa: TID251 - a kill at a random instant waits for it
from typing import Any

import pytest

from tests.integration.daemon_process import ROOT, DaemonProcess, running

UP = {
    "apps": ["n8n"],
    "server": "demo",
    "provider": "sandbox",
    "zone_name": "livchat.localhost",
    "subdomain": "lab",
}
HOSTS = ["edt.lab.livchat.localhost", "whk.lab.livchat.localhost"]


def site(daemon: DaemonProcess, host: str) -> int:
    """The status of a site through the sandbox's front."""
    front = daemon.sandbox("status")["front"].removeprefix("http://")
    connection = http.client.HTTPConnection(front, timeout=10)
    connection.request("GET", "/", headers={"Host": host})
    status = connection.getresponse().status
    connection.close()
    return status


def holds_exactly_the_demo(daemon: DaemonProcess) -> None:
    """One server, one address of each kind, one key, one record a name, one stack an app."""
    world = daemon.sandbox("status")
    assert [server["name"] for server in world["servers"]] == ["demo"]
    assert len(world["ssh_keys"]) == 1
    assert len(world["primary_ips"]) == 2
    assert sorted(record["name"] for record in world["dns_records"]) == HOSTS
    stacks = sorted(stack["name"] for stack in world["stacks"])
    assert stacks == ["n8n", "portainer", "postgres", "redis", "traefik"]
    found = daemon.request("GET", "/api/servers/demo").json
    assert (found["status"], found["apps"]) == ("ready", ["n8n", "postgres", "redis"])


def holds_nothing(daemon: DaemonProcess) -> None:
    world = daemon.sandbox("status")
    kinds = ("servers", "primary_ips", "ssh_keys", "dns_records", "stacks")
    assert {kind: world[kind] for kind in kinds} == {kind: [] for kind in kinds}
    assert float(world["bill_monthly"]) == 0
    assert daemon.request("GET", "/api/servers").json == {"servers": {}, "total": 0}


def test_up_brings_n8n_to_an_address_that_answers(daemon):
    job = daemon.wait(daemon.submit("POST", "/api/up", UP))
    assert job["status"] == "completed", job
    holds_exactly_the_demo(daemon)
    assert site(daemon, HOSTS[0]) == 200
    apps = {
        app["app_name"]: app for app in daemon.request("GET", "/api/servers/demo/apps").json["apps"]
    }
    assert apps["n8n"]["depends_on"] == ["postgres", "redis"]
    assert apps["n8n"]["url"].startswith(f"http://{HOSTS[0]}:")


LOOKS = {
    f"ssh {command}"
    for command in (
        *("apt-cache", "cat", "cloud-init status", "connect", "df", "dpkg-query", "free"),
        *("hostname", "ip", "ss", "sshd", "swapon", "timedatectl", "true", "uname"),
        *("docker exec", "docker image inspect", "docker info", "docker inspect", "docker ps"),
        *("docker network inspect", "docker node inspect", "docker secret inspect"),
        *("docker service inspect", "docker stack ls", "docker stack ps", "docker stack services"),
        *("docker version", "nft", "systemctl is-active", "systemctl is-enabled"),
    )
}
"""What is sent to a server to look at it: `up` again may, and nothing else."""


def test_up_again_changes_nothing(daemon):
    daemon.wait(daemon.submit("POST", "/api/up", UP))
    before = daemon.sandbox("status")["calls"]
    job = daemon.wait(daemon.submit("POST", "/api/up", UP))
    assert job["status"] == "completed", job
    holds_exactly_the_demo(daemon)
    after = daemon.sandbox("status")["calls"]
    changing = {call for call in after if " GET " not in call} - LOOKS
    assert {c: after[c] for c in changing} == {c: before.get(c, 0) for c in changing}


def test_step_by_step_comes_to_the_same(daemon):
    made = daemon.wait(
        daemon.submit("POST", "/api/servers", {"name": "demo", "provider": "sandbox"})
    )
    assert made["status"] == "completed", made
    setup = {"zone_name": "livchat.localhost", "subdomain": "lab", "ssl_email": "a@example.com"}
    assert (
        daemon.wait(daemon.submit("POST", "/api/servers/demo/setup", setup))["status"]
        == "completed"
    )
    job = daemon.wait(daemon.submit("POST", "/api/servers/demo/apps", {"app_name": "n8n"}))
    assert job["status"] == "completed", job
    holds_exactly_the_demo(daemon)


def test_what_was_made_can_be_deleted_without_a_trace(daemon):
    daemon.wait(daemon.submit("POST", "/api/up", UP))
    refused = daemon.request("DELETE", "/api/servers/demo/apps/postgres")
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    gone = daemon.wait(daemon.submit("DELETE", "/api/servers/demo/apps/n8n"))
    assert gone["status"] == "completed", gone
    assert daemon.sandbox("status")["dns_records"] == []
    gone = daemon.wait(daemon.submit("DELETE", "/api/servers/demo"))
    assert gone["status"] == "completed", gone
    holds_nothing(daemon)


@pytest.mark.parametrize("seed", range(6))
def test_a_daemon_killed_at_any_moment_finishes_the_job(tmp_path, seed):
    chance = random.Random(seed)  # noqa: S311 - the same instants in every run
    with running(tmp_path / "livchat", scale=0.01) as daemon:
        job_id = daemon.submit("POST", "/api/up", UP)
        for _ in range(3):
            sleep(chance.uniform(0, 1.2))
            daemon.kill()
            daemon.start()
        job = daemon.wait(job_id)
        assert job["status"] == "completed", job
        holds_exactly_the_demo(daemon)
        assert site(daemon, HOSTS[0]) == 200


def events(daemon: DaemonProcess, job_id: str) -> list[tuple[str, str]]:
    return [(event.id, event.line) for event in daemon.client.job_events(job_id)]


def test_two_watchers_see_the_same_events_each_once_in_order(daemon):
    job_id = daemon.submit("POST", "/api/up", UP)
    seen: list[list[tuple[str, str]]] = [[], []]

    def watch(which: int) -> None:
        seen[which] = events(daemon, job_id)

    threads = [threading.Thread(target=watch, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen[0] == seen[1]
    numbers = [int(cursor.split("-")[1]) for cursor, _ in seen[0]]
    assert numbers == sorted(set(numbers))
    assert json.loads(seen[0][-1][1])["event"] == "end"


def test_a_watcher_sees_everything_over_a_kill(tmp_path):
    with running(tmp_path / "livchat", scale=0.01) as daemon:
        job_id = daemon.submit("POST", "/api/up", UP)
        seen: list[tuple[str, str]] = []
        thread = threading.Thread(target=lambda: seen.extend(events(daemon, job_id)))
        thread.start()
        sleep(0.7)
        daemon.kill()
        daemon.start()
        assert daemon.wait(job_id)["status"] == "completed"
        thread.join(60)
        assert seen == events(daemon, job_id)


def test_two_creates_of_one_name_make_one_job_and_one_conflict_that_names_it(daemon):
    body = {"name": "a", "provider": "sandbox"}
    answers: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(daemon.request("POST", "/api/servers", body))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    taken, refused = sorted(answers, key=lambda answer: answer.status)
    assert (taken.status, refused.status) == (202, 409)
    assert refused.json["details"]["job_id"] == taken.json["job_id"]
    daemon.wait(taken.json["job_id"])
    assert len(daemon.sandbox("status")["servers"]) == 1


@pytest.mark.parametrize("seed", range(6))
def test_a_cancel_at_any_moment_leaves_what_it_says_and_nothing_else(tmp_path, seed):
    chance = random.Random(100 + seed)  # noqa: S311
    with running(tmp_path / "livchat", scale=0.01) as daemon:
        job_id = daemon.submit("POST", "/api/up", UP)
        sleep(chance.uniform(0, 2.0))
        daemon.request("DELETE", f"/api/jobs/{job_id}")
        job = daemon.wait(job_id)
        if job["status"] == "completed":
            holds_exactly_the_demo(daemon)
            return
        assert (job["status"], job["left_behind"]) == ("cancelled", []), job
        holds_nothing(daemon)


def test_a_retry_after_a_cancel_comes_to_the_whole(tmp_path):
    with running(tmp_path / "livchat", scale=0.01) as daemon:
        job_id = daemon.submit("POST", "/api/up", UP)
        for event in daemon.client.job_events(job_id):
            step = event.data.get("step") or {}
            if (step.get("name"), step.get("status")) == ("Create the machine", "completed"):
                break
        daemon.request("DELETE", f"/api/jobs/{job_id}")
        assert daemon.wait(job_id)["status"] == "cancelled"
        again = daemon.submit("POST", f"/api/jobs/{job_id}/retry")
        job = daemon.wait(again)
        assert (job["status"], job["retry_of"]) == ("completed", job_id), job
        holds_exactly_the_demo(daemon)


WRONG = [
    ("POST", "/api/servers", {"name": "../etc"}, 422, "name"),
    ("POST", "/api/servers", {"name": "a", "server_type": "cx9999"}, 422, "server_type"),
    ("POST", "/api/servers", {"name": "a", "region": "mars1"}, 422, "region"),
    ("POST", "/api/servers", {"name": "a", "image": "windows-95"}, 422, "image"),
    ("POST", "/api/servers", {"name": "a", "provider": "nobody"}, 422, "provider"),
    ("POST", "/api/up", {**UP, "zone_name": "not-there.example"}, 422, "zone_name"),
    ("POST", "/api/up", {**UP, "apps": ["nothing-like-it"]}, 404, None),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), WRONG)
def test_wrong_input_is_refused_and_leaves_nothing(daemon, method, path, body, status, field):
    given = body if "provider" in body else {**body, "provider": "sandbox"}
    answer = daemon.request(method, path, given)
    assert answer.status == status, answer.raw
    if field is not None:
        assert [one["field"] for one in answer.json["details"]["fields"]] == [field]
    assert daemon.request("GET", "/api/jobs").json["total"] == 0
    if (daemon.home / "state" / "sandbox" / "sandbox.json").exists():
        holds_nothing(daemon)


def livchat(
    home: Path, *words: str, scale: str = "0", **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "LIVCHAT_HOME": str(home),
        "LIVCHAT_SANDBOX_TIME_SCALE": scale,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'daemon'}",
        "LC_ALL": "C.UTF-8",
        **more,
    }
    return subprocess.run(
        [sys.executable, "-m", "livchat", *words],
        env=environment, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path):
    place = tmp_path / "livchat"
    yield place
    livchat(place, "daemon", "stop")
    told = place / "state" / "sandbox" / "sandbox.json"
    if told.exists():
        os.kill(json.loads(told.read_text())["pid"], signal.SIGTERM)


def test_the_demo_ends_with_an_address_and_keeps_its_talk_on_stderr(home):
    done = livchat(home, "demo")
    assert done.returncode == 0, done.stderr
    assert f"http://{HOSTS[0]}:" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert "Deploy n8n ... done" in done.stderr


def test_the_demo_as_ndjson_is_the_stream_itself(home):
    done = livchat(home, "demo", "-o", "ndjson")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    job_id = lines[0]["data"]["job_id"]
    again = livchat(home, "job", "watch", job_id, "-o", "ndjson")
    assert again.stdout.splitlines() == done.stdout.splitlines()


CLI_WRONG = [
    (["server", "create", "../x", "--provider", "sandbox"], 2),
    (["server", "create", "x", "--provider", "sandbox", "--type", "cx9999"], 2),
    (
        [
            "up",
            "n8n",
            "--server",
            "x",
            "--zone",
            "nowhere.example",
            "--provider",
            "sandbox",
            "--yes",
        ],
        2,
    ),
    (["server", "show", "nobody"], 7),
    (["job", "show", "job_nothing"], 7),
]


@pytest.mark.parametrize(("words", "code"), CLI_WRONG)
def test_the_command_line_says_what_to_do_next_in_four_lines(home, words, code):
    done = livchat(home, *words)
    assert done.returncode == code, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_a_daemon_and_a_way_to_start_one_it_says_so(home):
    done = livchat(home, "job", "list", LIVCHAT_NO_AUTOSTART="1")
    assert done.returncode == 5
    assert "livchat daemon" in done.stderr


async def test_ctrl_c_stops_the_watching_and_not_the_work(home):
    environment = {
        **os.environ,
        "LIVCHAT_HOME": str(home),
        "LIVCHAT_SANDBOX_TIME_SCALE": "0.02",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'daemon'}",
        "LC_ALL": "C.UTF-8",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "livchat", "demo",
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    async for line in process.stderr:
        if b"Create the machine" in line:
            break
    process.send_signal(signal.SIGINT)
    _, told = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 130
    assert b"livchat job watch job_" in told
    job_id = told.decode().split("livchat job watch ")[1].split()[0]
    done = await asyncio.to_thread(livchat, home, "job", "wait", job_id)
    assert done.returncode == 0, done.stderr


def test_a_wrong_name_is_told_with_what_a_name_may_be(home):
    done = livchat(home, "server", "create", "../x", "--provider", "sandbox")
    assert "lower-case letters" in done.stderr
    assert "such as prod-01" in done.stderr
