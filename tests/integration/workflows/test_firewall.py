"""The firewall, Docker's source and the updates of a set-up, on machines of the user's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from time import sleep  # noqa: TID251 - a call that gets no answer is waited for
from typing import Any

import pytest

from tests.contract.sandbox_process import SandboxProcess
from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.own_machine import Landlord, Machine
from tests.integration.workflows.test_cancel_each_step import begins

SETUP = {"zone_name": "livchat.localhost", "subdomain": "lab", "ssl_email": "me@example.com"}
TABLE = "table inet livchat"
RULES = "cat /etc/livchat/firewall.nft"
LOOKS = {"Wait for the first boot to end", "Wait for Portainer"}
Job = dict[str, Any]


@pytest.fixture(scope="module")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, sandbox: SandboxProcess
) -> Iterator[DaemonProcess]:
    home, cloudflare = tmp_path_factory.mktemp("d") / "livchat", sandbox.address["cloudflare"]
    with running(home, CLOUDFLARE_BASE_URL=cloudflare) as started:
        token = {"api_token": sandbox.address["cloudflare_token"]}
        assert started.request("POST", "/api/config/cloudflare", token).status == 200
        yield started


def joined(daemon: DaemonProcess, landlord: Landlord, name: str) -> Machine:
    """A machine that is added."""
    machine = landlord.rent(name)
    job = daemon.wait(daemon.submit("POST", "/api/servers", machine.order()))
    assert job["status"] == "completed", job
    return machine


def set_up(daemon: DaemonProcess, name: str, **more: Any) -> Job:
    return daemon.wait(daemon.submit("POST", f"/api/servers/{name}/setup", {**SETUP, **more}))


def done(job: Job) -> Job:
    assert job["status"] == "completed", (job["error"], job)
    return job


def touched(job: Job) -> set[str]:
    return {step["name"] for step in job["steps"] if step["status"] != "skipped"} - LOOKS


def logs(daemon: DaemonProcess, job: Job, level: str) -> list[str]:
    found = daemon.request("GET", f"/api/jobs/{job['job_id']}/logs?tail=1000&level={level}")
    return [line["message"] for line in found.json["logs"]]


def test_only_ssh_and_the_web_stay_open_and_what_was_asked_for(daemon, landlord, sandbox):
    machine = joined(daemon, landlord, "walled")
    done(set_up(daemon, "walled", open_ports=["51820/udp", "25/tcp"]))
    (text,) = machine.run(RULES)
    assert f"tcp dport {{ 22, 25, 80, 443, {machine.port} }} accept" in text
    assert "udp dport { 51820 } accept" in text
    assert sandbox.control("machines/walled")["firewall"] is True
    server = daemon.request("GET", "/api/servers/walled").json
    assert server["open_ports"] == ["25/tcp", "51820/udp"]

    # A second set-up that says nothing of ports closes none; one that says none, all.
    assert touched(done(set_up(daemon, "walled"))) == set()
    assert machine.run(RULES) == [text]
    changed = touched(done(set_up(daemon, "walled", open_ports=[])))
    assert changed == {"Note the domain", "Set the firewall", "Record the set-up"}
    assert "25" not in machine.run(RULES)[0].partition("tcp dport")[2].partition("}")[0].split(", ")
    assert daemon.request("GET", "/api/servers/walled").json["open_ports"] == []


def test_a_firewall_that_somebody_took_away_is_set_again(daemon, landlord, sandbox):
    machine = joined(daemon, landlord, "bared")
    done(set_up(daemon, "bared"))
    machine.run("nft delete table inet livchat")
    assert sandbox.control("machines/bared")["firewall"] is False
    assert touched(done(set_up(daemon, "bared"))) == {"Set the firewall"}
    assert sandbox.control("machines/bared")["firewall"] is True


def test_a_set_up_that_would_lock_its_owner_out_opens_the_machine_again(daemon, landlord, sandbox):
    machine = joined(daemon, landlord, "locked")
    # systemd listens for an sshd that says another port, and our own is a third one.
    machine.write("/etc/systemd/system/ssh.socket", "[Socket]\nListenStream=2200\nAccept=yes\n")
    job = set_up(daemon, "locked")
    assert job["status"] == "failed"
    assert "took no new connection" in job["error"]
    assert "--open" in job["hint"]
    assert not any("firewall" in thing for thing in job["left_behind"])
    # Who reads the log knows which port it is.
    assert any("2200/tcp (systemd)" in line for line in logs(daemon, job, "warning"))
    found = sandbox.control("machines/locked")
    assert found["firewall"] is False
    assert not any("guard" in unit["name"] for unit in found["units"])
    assert "No such file" in machine.complaint("cat /etc/livchat/firewall.nft")

    done(set_up(daemon, "locked", open_ports=["2200/tcp"]))
    assert sandbox.control("machines/locked")["firewall"] is True
    assert machine.run("hostname") == ["locked\n"]


def test_ports_of_a_set_up_that_is_cancelled_are_closed_again_and_forgotten(
    daemon, landlord, sandbox
):
    machine = joined(daemon, landlord, "waver")
    done(set_up(daemon, "waver", open_ports=["25/tcp"]))
    before = machine.run(RULES)
    job = cancelled_at_its_end(daemon, sandbox, machine, open_ports=["8080/tcp"])
    assert not any("firewall" in thing for thing in job["left_behind"]), job["left_behind"]
    assert machine.run(RULES, f"nft list {TABLE}") == before * 2
    assert not any("guard" in one["name"] for one in sandbox.control("machines/waver")["units"])
    assert daemon.request("GET", "/api/servers/waver").json["open_ports"] == ["25/tcp"]

    # Who asks for nothing new gets nothing new; who tries the cancelled one again, its ports.
    assert "Set the firewall" not in touched(done(set_up(daemon, "waver")))
    done(daemon.wait(daemon.submit("POST", f"/api/jobs/{job['job_id']}/retry")))
    assert "8080" in machine.run(RULES)[0]
    assert daemon.request("GET", "/api/servers/waver").json["open_ports"] == ["8080/tcp"]


def test_rules_that_would_lock_us_out_are_not_put_back(daemon, landlord, sandbox):
    machine = joined(daemon, landlord, "moved")
    done(set_up(daemon, "moved"))
    (ours,) = machine.run(RULES)
    # The rules of before, opened by hand, let no SSH in.
    machine.write("/etc/livchat/firewall.nft", re.sub(r"dport \{.+\}", "dport { 80 }", ours))
    machine.run(f"nft delete {TABLE}")
    job = cancelled_at_its_end(daemon, sandbox, machine)
    assert "changed firewall rules on moved" in job["left_behind"]
    assert machine.run(RULES, f"nft list {TABLE}") == [ours, ours]


def cancelled_at_its_end(
    daemon: DaemonProcess, sandbox: SandboxProcess, machine: Machine, **more: Any
) -> Job:
    """A set-up that is cancelled in its last step, which has something to do and gets no answer."""
    machine.run("rm -f /etc/apt/apt.conf.d/53livchat-daily")
    silent = {
        "service": "ssh",
        "route": "*--unit=livchat-updates *",
        "fault": "silent",
        "times": None,
    }
    sandbox.control("faults", "PUT", {"faults": [silent]})
    order = {**SETUP, **more}
    job_id = daemon.submit("POST", f"/api/servers/{machine.name}/setup", order)
    begins(daemon, job_id, "Keep it up to date")
    assert machine.run(f"nft list {TABLE}") == machine.run(RULES)
    sandbox.control("faults", "PUT", {"faults": []})
    daemon.request("DELETE", f"/api/jobs/{job_id}")
    job = daemon.wait(job_id)
    assert job["status"] == "cancelled", job
    return job


def test_no_firewall_is_tried_where_ssh_takes_nobody_new_already(daemon, landlord, sandbox):
    machine = joined(daemon, landlord, "deaf")
    done(set_up(daemon, "deaf"))
    before = machine.run(RULES)
    machine.write("/etc/hosts.deny", "sshd: ALL\n")
    job = set_up(daemon, "deaf", open_ports=["25/tcp"])
    assert job["status"] == "failed"
    assert "takes no new connection" in job["error"]
    assert sandbox.control("machines/deaf")["firewall"] is True
    answer = daemon.request("POST", "/api/servers/deaf/exec", {"command": RULES}).json
    assert [answer["stdout"]] == before


def test_without_dockers_own_source_the_distributions_docker_serves(daemon, landlord):
    machine = joined(daemon, landlord, "remote")
    machine.write("/etc/hosts", "127.0.0.1 localhost\n127.0.0.1 download.docker.com\n")
    job = done(set_up(daemon, "remote"))
    assert any("the distribution's Docker" in line for line in logs(daemon, job, "warning"))
    assert machine.run("docker version --format {{.Server.Version}}") == ["20.10.24+dfsg1\n"]
    assert "No such file" in machine.complaint("cat /etc/apt/sources.list.d/livchat-docker.sources")
    # Once it can be reached, Docker that runs is not taken for another one.
    machine.write("/etc/hosts", "127.0.0.1 localhost\n")
    assert touched(done(set_up(daemon, "remote"))) == set()


def test_docker_comes_from_its_vendor_and_stays_at_its_version(daemon, landlord):
    machine = joined(daemon, landlord, "vendored")
    done(set_up(daemon, "vendored"))
    assert machine.run("docker version --format {{.Server.Version}}") == ["29.9.0\n"]
    (source,) = machine.run("cat /etc/apt/sources.list.d/livchat-docker.sources")
    assert "URIs: https://download.docker.com/linux/debian\nSuites: bookworm\n" in source
    assert machine.run("apt-mark showhold") == ["containerd.io\ndocker-ce\ndocker-ce-cli\n"]


def test_docker_is_held_even_if_the_daemon_died_before_it_was(tmp_path, landlord, sandbox):
    with running(tmp_path / "livchat", CLOUDFLARE_BASE_URL=sandbox.address["cloudflare"]) as daemon:
        token = {"api_token": sandbox.address["cloudflare_token"]}
        assert daemon.request("POST", "/api/config/cloudflare", token).status == 200
        machine = joined(daemon, landlord, "unheld")
        silent = {"service": "ssh", "route": "*apt-mark hold*", "fault": "silent", "times": None}
        sandbox.control("faults", "PUT", {"faults": [silent]})
        job_id = daemon.submit("POST", "/api/servers/unheld/setup", SETUP)
        met = 0
        for _ in range(1200):
            (rule,) = sandbox.control("faults")["faults"]
            met = rule["fired"]
            if met:
                break
            sleep(0.05)
        assert met, daemon.request("GET", f"/api/jobs/{job_id}").json
        daemon.kill()
        sandbox.control("faults", "PUT", {"faults": []})
        assert machine.run("apt-mark showhold") == [""]
        daemon.start()
        done(daemon.wait(job_id))
        assert machine.run("apt-mark showhold") == ["containerd.io\ndocker-ce\ndocker-ce-cli\n"]


def test_updates_are_switched_on_and_those_of_now_begun(daemon, landlord):
    machine = joined(daemon, landlord, "fresh")
    job = done(set_up(daemon, "fresh"))
    assert any("background" in line for line in logs(daemon, job, "info"))
    what, when, log = machine.run(
        "cat /etc/apt/apt.conf.d/52livchat-security",
        "cat /etc/apt/apt.conf.d/53livchat-daily",
        "cat /var/log/livchat/livchat-updates.log",
    )
    assert "Debian-Security" in what
    assert 'Automatic-Reboot "false"' in what
    assert 'Unattended-Upgrade "1"' in when
    assert "Starting unattended upgrades" in log
