"""A machine of the user's own: added, set up, given an app, opened by ssh, and let go again."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from livchat.asyncssh_guard import asyncssh
from tests.contract.sandbox_process import SandboxProcess
from tests.integration.daemon_process import ROOT, DaemonProcess
from tests.integration.own_machine import Machine, user
from tests.integration.workflows.held_daemon import HeldDaemon, held

SETUP = {"zone_name": "livchat.localhost", "subdomain": "lab", "ssl_email": "me@example.com"}
Job = dict[str, Any]


@pytest.fixture(scope="module")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, sandbox: SandboxProcess
) -> Iterator[HeldDaemon]:
    """A daemon whose Cloudflare is the sandbox's, and which knows nothing else of it."""
    home, cloudflare = tmp_path_factory.mktemp("d") / "livchat", sandbox.address["cloudflare"]
    names = sandbox.address["dns"]
    with held(home, CLOUDFLARE_BASE_URL=cloudflare, LIVCHAT_NAMESERVERS=names) as started:
        yield started


def secrets(daemon: DaemonProcess, server: str) -> list[str]:
    """The keys of a server's secrets."""
    found = daemon.request("GET", "/api/secrets").json["secrets"]
    return [one["key"] for one in found if server in one["key"].split("/")]


def add(daemon: DaemonProcess, order: dict[str, Any]) -> Job:
    return daemon.wait(daemon.submit("POST", "/api/servers", order))


def added(daemon: DaemonProcess, machine: Machine, **more: Any) -> Job:
    job = add(daemon, machine.order(**more))
    assert job["status"] == "completed", (job["error"], job)
    return job


def logs(daemon: DaemonProcess, job: Job) -> str:
    found = daemon.request("GET", f"/api/jobs/{job['job_id']}/logs?tail=1000").json["logs"]
    return "\n".join(line["message"] for line in found)


def refused(daemon: DaemonProcess, order: dict[str, Any], *words: str) -> Job:
    """The job failed for this reason, with a hint, and the name is free again."""
    job = add(daemon, order)
    assert (job["status"], job["left_behind"]) == ("failed", []), job
    assert job["hint"], job
    for word in words:
        assert word in f"{job['error']} {job['hint']}", job
    assert daemon.request("GET", f"/api/servers/{order['name']}").status == 404
    return job


def test_a_machine_is_added_set_up_and_takes_an_app(daemon, landlord, sandbox):
    machine = landlord.rent("whole")
    job = added(daemon, machine)
    assert job["result"]["server"]["ip_address"] == "127.0.0.1"
    assert job["result"]["system"].startswith("Debian GNU/Linux 12")
    assert job["result"]["docker"] == "none"
    server = daemon.request("GET", "/api/servers/whole").json
    assert (server["status"], server["provider"]) == ("running", "own")
    assert server["host_key_fingerprint"] == job["result"]["host_key"]
    assert server["host_key_fingerprint"] in logs(daemon, job)

    token = {"api_token": sandbox.address["cloudflare_token"]}
    assert daemon.request("POST", "/api/config/cloudflare", token).status == 200
    done = daemon.wait(daemon.submit("POST", "/api/servers/whole/setup", SETUP))
    assert done["status"] == "completed", done
    done = daemon.wait(daemon.submit("POST", "/api/servers/whole/apps", {"app_name": "postgres"}))
    assert done["status"] == "completed", done
    stacks = [one["name"] for one in sandbox.status()["stacks"] if one["server"] == "whole"]
    assert sorted(stacks) == ["portainer", "postgres", "traefik"]

    again = daemon.wait(daemon.submit("POST", "/api/servers/whole/setup", SETUP))
    assert again["status"] == "completed", again
    changed = [step["name"] for step in again["steps"] if step["status"] != "skipped"]
    assert set(changed) <= {"Wait for the first boot to end", "Wait for Portainer"}, changed

    gone = daemon.wait(daemon.submit("DELETE", "/api/servers/whole"))
    assert gone["status"] == "completed", gone
    assert "the machine whole and all that is on it" in gone["result"]["left"]
    stacks = [one["name"] for one in sandbox.status()["stacks"] if one["server"] == "whole"]
    assert "postgres" in stacks
    assert secrets(daemon, "whole") == []


def test_up_brings_apps_to_a_machine_that_was_added(daemon, landlord, sandbox):
    machine = landlord.rent("upon")
    added(daemon, machine)
    token = {"api_token": sandbox.address["cloudflare_token"]}
    assert daemon.request("POST", "/api/config/cloudflare", token).status == 200
    order = {**SETUP, "server": "upon", "apps": ["postgres", "redis"]}
    job = daemon.wait(daemon.submit("POST", "/api/up", order))
    assert job["status"] == "completed", (job["error"], job)
    server = daemon.request("GET", "/api/servers/upon").json
    assert (server["status"], server["apps"]) == ("ready", ["postgres", "redis"])


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_add_that_is_cancelled_in_any_step_leaves_nothing(daemon, landlord, when):
    machine = landlord.rent(f"halted-{when}")
    steps = len(added(daemon, machine)["steps"])
    daemon.wait(daemon.submit("DELETE", f"/api/servers/{machine.name}"))
    for place in range(steps):
        with daemon.holding(machine.name, place, when) as hold:
            job_id = daemon.submit("POST", "/api/servers", machine.order())
            assert hold.wait(job_id), place
            assert daemon.request("DELETE", f"/api/jobs/{job_id}").status == 200
            job = daemon.wait(job_id)
        assert (job["status"], job["left_behind"]) == ("cancelled", []), (place, job)
        assert daemon.request("GET", f"/api/servers/{machine.name}").status == 404, place
        assert secrets(daemon, machine.name) == [], place


def test_a_user_with_sudo_will_do(daemon, landlord):
    machine = landlord.rent("sudo", user_data=user("deploy", landlord.public, sudo=True))
    added(daemon, machine, user="deploy")
    ran = daemon.request("POST", "/api/servers/sudo/exec", {"command": "hostname"})
    assert (ran.status, ran.json["stdout"]) == (200, "sudo\n")


def test_a_user_who_needs_a_password_for_sudo_is_refused(daemon, landlord):
    machine = landlord.rent("nosudo", user_data=user("deploy", landlord.public, sudo=False))
    refused(daemon, machine.order(user="deploy"), "deploy may not become root", "NOPASSWD")


def test_the_key_is_in_the_vault_and_nowhere_else(daemon, landlord):
    machine = landlord.rent("canary")
    job = added(daemon, machine)
    secret = [line for line in machine.private.splitlines() if not line.startswith("-----")][1]
    key = "/api/secrets/ssh/canary/private?reveal=true"
    assert daemon.request("GET", key).json["value"] == machine.private
    told = [daemon.request("GET", f"/api/jobs/{job['job_id']}").raw.decode()]
    told += [event.line for event in daemon.client.job_events(job["job_id"])]
    files = [path for path in daemon.home.rglob("*") if path.is_file()]
    told += [path.read_bytes().decode("latin-1") for path in files]
    assert [text for text in told if secret in text] == []


def test_a_wrong_key_is_refused_and_says_what_to_let_in(daemon, landlord):
    machine = landlord.rent("wrong")
    other = asyncssh.generate_private_key("ssh-ed25519")
    order = machine.order(private_key=other.export_private_key("openssh").decode())
    line = other.export_public_key("openssh").decode().split()[1]
    refused(daemon, order, "refuses our key", "authorized_keys", line)


def test_without_a_key_one_is_made_and_waited_for(daemon, landlord):
    machine = landlord.rent("keyless")
    order = {k: v for k, v in machine.order().items() if k != "private_key"}
    job_id = daemon.submit("POST", "/api/servers", order)
    line = daemon.request("GET", "/api/servers/keyless").json["public_key"]
    assert line.startswith("ssh-ed25519 ")
    assert daemon.request("GET", f"/api/jobs/{job_id}/wait?timeout=1").json["status"] == "running"
    daemon.request("DELETE", f"/api/jobs/{job_id}")
    job = daemon.wait(job_id)
    assert (job["status"], job["left_behind"]) == ("cancelled", [])
    assert line in logs(daemon, job)
    assert daemon.request("GET", "/api/servers/keyless").status == 404
    assert secrets(daemon, "keyless") == []


def test_a_key_that_was_made_is_the_same_at_the_next_try(daemon, landlord):
    nowhere = {"name": "later", "provider": "own", "host": "127.0.0.1", "port": 1}
    job = refused(daemon, nowhere, "does not answer over SSH", "ssh -p 1 root@127.0.0.1")
    line = job["params"]["public_key"]
    machine = landlord.rent("later", user_data=user("root", line, sudo=True))
    added = add(daemon, {**nowhere, "port": machine.port})
    assert added["status"] == "completed", added
    assert line in logs(daemon, added)


def test_a_daemon_that_is_killed_goes_on_waiting_for_its_key(daemon, landlord):
    machine = landlord.rent("patient")
    order = {k: v for k, v in machine.order().items() if k != "private_key"}
    job_id = daemon.submit("POST", "/api/servers", order)
    daemon.kill()
    daemon.start()
    job = daemon.request("GET", f"/api/jobs/{job_id}/wait?timeout=1").json
    assert job["status"] == "running", job
    assert secrets(daemon, "patient") == ["ssh/patient/private"]
    daemon.request("DELETE", f"/api/jobs/{job_id}")
    assert daemon.wait(job_id)["status"] == "cancelled"


def test_another_host_key_than_the_given_one_is_refused(daemon, landlord):
    machine = landlord.rent("pinned")
    wrong = landlord.public
    refused(daemon, machine.order(host_key=wrong), "another host key")
    refused(daemon, machine.order(host_key="SHA256:" + "A" * 43), "another host key")
    right = machine.host_key()
    added(daemon, machine, host_key=right)
    assert daemon.request("GET", "/api/servers/pinned/ssh").json["host_key"] == right


def test_a_changed_host_key_stops_everything(daemon, landlord, sandbox):
    machine = landlord.rent("swapped")
    added(daemon, machine, host_key=machine.host_key())
    # Somebody else's machine takes its place.
    other = landlord.rent("impostor")
    daemon.stop()
    with sqlite3.connect(daemon.home / "state" / "livchat.db") as table:
        table.execute(
            "UPDATE servers SET record = json_set(record, '$.ssh_port', ?) WHERE name = 'swapped'",
            (other.port,),
        )
    table.close()
    daemon.start()
    answer = daemon.request("POST", "/api/servers/swapped/exec", {"command": "hostname"})
    assert (answer.status, answer.json["code"]) == (502, "host_key_changed")
    assert answer.json["hint"]


def test_what_is_on_a_machine_is_told_before_anything_is_changed(daemon, landlord):
    machine = landlord.rent("taken", image="ubuntu-26.04")
    unit = "systemd-run --unit={} -p RemainAfterExit=yes -p StandardOutput=append:/{}.log -- {}"
    apt = "apt-get -o DPkg::Lock::Timeout=300"
    machine.run(unit.format("a", "a", f"{apt} update"), "systemctl show a -p LoadState")
    machine.run(unit.format("b", "b", f"{apt} install -y --no-install-recommends nginx"))
    machine.run("uname -m")
    job = refused(daemon, machine.order(), "Ubuntu 26.04", "Debian 12")
    told = logs(daemon, job)
    assert "port 80 is taken by nginx" in told
    assert "packages: nginx" in told
    assert machine.run("hostname", "docker version", "cat /root/.livchat")[0] == "taken\n"


def test_a_failed_add_can_be_retried_once_the_reason_is_gone(daemon, landlord):
    machine = landlord.rent("again")
    wrong = machine.order(host_key="SHA256:" + "A" * 43)
    job = refused(daemon, wrong, "another host key")
    retried = daemon.wait(daemon.submit("POST", f"/api/jobs/{job['job_id']}/retry"))
    # The same order fails the same way: its key was still there.
    assert "another host key" in retried["error"]
    added(daemon, machine)


def test_a_name_that_is_taken_keeps_its_key(daemon, landlord):
    machine = landlord.rent("first")
    added(daemon, machine)
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh").decode()
    answer = daemon.request("POST", "/api/servers", machine.order(private_key=other))
    assert (answer.status, answer.json["code"]) == (409, "conflict")
    kept = daemon.request("GET", "/api/secrets/ssh/first/private?reveal=true").json["value"]
    assert kept == machine.private


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"private_key": "not a key"}, "private_key"),
        ({"host": "no-such-host.invalid"}, "host"),
        ({"provider": "hetzner"}, "machines of your own"),
        ({"server_type": "cx23"}, "server_type"),
        ({"user": "root; reboot"}, "user"),
        ({"host": "-oProxyCommand=x"}, "host"),
    ],
)
def test_wrong_input_is_refused_without_a_job(daemon, more, words):
    order = {"name": "x", "provider": "own", "host": "127.0.0.1", **more}
    answer = daemon.request("POST", "/api/servers", order)
    assert answer.status == 422, answer.raw
    assert words in answer.json["error"]
    assert daemon.request("GET", "/api/jobs?server=x").json["total"] == 0


def livchat(daemon: DaemonProcess, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**daemon.environment, "LC_ALL": "C.UTF-8", "HOME": str(daemon.home), **more}
    return subprocess.run(
        [sys.executable, "-m", "livchat", *words],
        env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip


def test_the_command_line_adds_a_machine_and_opens_a_shell_on_it(daemon, landlord, tmp_path):
    machine = landlord.rent("typed")
    identity = tmp_path / "key"
    identity.write_text(machine.private)
    where = ["--host", "127.0.0.1", "--port", str(machine.port), "--identity", str(identity)]
    done = livchat(daemon, "server", "add", "typed", *where, "--wait", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["architecture"] == "x86_64"
    # By the machine's own ssh program if it has one, and then where it has none.
    for programs in (os.environ["PATH"], str(tmp_path)):
        ran = livchat(daemon, "server", "ssh", "typed", "--", "hostname", PATH=programs)
        assert (ran.returncode, ran.stdout) == (0, "typed\n"), ran.stderr
        ended = livchat(daemon, "server", "ssh", "typed", "--", "cat", "/none", PATH=programs)
        assert ended.returncode == 1


def test_a_key_with_a_passphrase_is_refused_with_a_way_out(daemon, tmp_path):
    key = asyncssh.generate_private_key("ssh-ed25519")
    identity = tmp_path / "locked"
    identity.write_bytes(key.export_private_key("openssh", passphrase="s3cret-words"))
    done = livchat(daemon, "server", "add", "x", "--host", "127.0.0.1", "--identity", str(identity))
    assert done.returncode == 2
    assert "passphrase" in done.stderr
    assert "--new-key" in done.stderr
