"""A real server: set-up, apps, kills, cuts and cancels on a real Debian with a real swarm."""

from __future__ import annotations

import json
import random
from time import sleep  # noqa: TID251 - instants are chosen by chance
from typing import Any

import pytest

from tests.e2e.house import House
from tests.e2e.machine import Machine

pytestmark = pytest.mark.timeout(900)  # the first run builds the images


def _done(job: dict[str, Any]) -> dict[str, Any]:
    assert job["status"] == "completed", (job["error"], job["steps"], job["logs"][-20:])
    return job


def _touched(job: dict[str, Any]) -> list[str]:
    """The steps that did something; some only look, and are never skipped."""
    looks = {"Wait for the first boot to end", "Wait for Portainer"}
    done = {step["name"] for step in job["steps"] if step["status"] != "skipped"}
    return sorted(done - looks)


def test_from_a_bare_machine_to_an_app_whose_own_role_queries_its_database(house: House) -> None:
    box = house.machine
    _done(house.add())
    _done(house.set_up())
    assert box.run("hostname") == "box"
    assert json.loads(box.run("cat", "/etc/docker/daemon.json"))["registry-mirrors"]

    first = box.state()
    assert _touched(_done(house.set_up())) == []
    assert box.state() == first

    for app in ("postgres", "redis", "umami"):
        _done(house.deploy(app))
    assert set(box.state()["services"]) == {  # type: ignore[call-overload]
        "portainer_portainer 1/1", "postgres_postgres 1/1", "redis_redis 1/1",
        "traefik_socket-proxy 1/1", "traefik_traefik 1/1", "umami_web 1/1",
    }  # fmt: skip
    web = box.run("docker", "ps", "-q", "-f", "label=com.docker.swarm.service.name=umami_web")
    told = box.run("docker", "exec", web, "curl", "-fsS", "http://127.0.0.1:3000/")
    assert json.loads(told) == {"user": "umami", "database": "umami"}
    outside = {line.split()[3] for line in box.run("ss", "-Hltn").splitlines()}
    assert not any(port.endswith((":5432", ":6379", ":9000")) for port in outside)

    gone = house.daemon.submit("DELETE", "/api/servers/box/apps/umami")
    _done(house.daemon.wait(gone, 120))
    assert "umami" not in box.run("docker", "stack", "ls", "--format", "{{.Name}}")


def test_a_set_up_killed_at_random_instants_ends_in_the_same_state(house: House) -> None:
    chance = random.Random(5)  # noqa: S311 - instants, not secrets
    _done(house.add())
    job_id = house.begin()
    for _ in range(6):
        sleep(chance.uniform(0.2, 4))
        house.daemon.kill()
        house.daemon.start()
    _done(house.daemon.wait(job_id, 240))
    state = house.machine.state()
    assert state["audit"] == ""
    assert state["units"] == ""
    assert state["services"] == [
        "portainer_portainer 1/1", "traefik_socket-proxy 1/1", "traefik_traefik 1/1"
    ]  # fmt: skip
    assert state["secrets"] == 1
    assert _touched(_done(house.set_up())) == []


def test_a_cancel_during_the_installation_leaves_nothing_running_and_dpkg_whole(
    house: House,
) -> None:
    box = house.machine
    _done(house.add())
    job_id = house.begin()
    house.until_logged(job_id, "Unpacking docker.io")
    assert house.daemon.request("DELETE", f"/api/jobs/{job_id}").status == 200
    assert house.daemon.wait(job_id)["status"] == "cancelled"
    assert not {"apt-get", "dpkg", "apt"} & set(box.processes())
    assert box.run("dpkg", "--audit") == ""
    assert box.run("systemctl", "list-units", "--all", "--no-legend", "livchat-*") == ""
    _done(house.set_up())


def test_a_set_up_goes_on_when_its_connection_is_cut_for_20_seconds(house: House) -> None:
    box = house.machine
    _done(house.add())
    job_id = house.begin()
    house.until_logged(job_id, "newly installed")
    with box.unreachable():
        sleep(20)
    house.until_logged(job_id, "is installed")
    with box.unreachable("-j", "REJECT", "--reject-with", "tcp-reset"):
        sleep(2)
    _done(house.daemon.wait(job_id, 240))
    assert box.state()["audit"] == ""


def test_a_machine_that_will_not_do_is_refused_before_anything_is_changed(house: House) -> None:
    box = house.machine

    wrong = house.add(name="wrong", private_key=_other_key(box))
    assert "refuses our key" in wrong["error"]

    box.run("useradd", "-m", "-s", "/bin/sh", "someone")
    keys = box.run("cat", "/root/.ssh/authorized_keys")
    box.run("install", "-d", "-o", "someone", "-m", "700", "/home/someone/.ssh")
    box.run(
        *("install", "-o", "someone", "-m", "600", "/dev/stdin"),
        "/home/someone/.ssh/authorized_keys",
        stdin=keys,
    )
    powerless = house.add(name="powerless", user="someone")
    assert "sudo" in powerless["error"]

    # systemd itself listens; what would answer does not matter.
    box.write("/etc/systemd/system/web.socket", "[Socket]\nListenStream=80\n")
    box.write("/etc/systemd/system/web.service", "[Service]\nExecStart=/bin/true\n")
    box.run("systemctl", "start", "web.socket")
    box.until(("ss", "-Hltn"), ":80 ")
    taken = house.add(name="taken")
    assert "port 80 is taken" in taken["error"]
    box.run("systemctl", "stop", "web.socket")

    _done(house.add())
    box.run("sh", "-c", "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh")
    house.daemon.restart()
    changed = house.set_up()
    assert changed["status"] == "failed"
    assert changed["error_code"] == "host_key_changed"
    assert "another host key" in changed["error"]
    assert box.run("sh", "-c", "command -v docker", check=False) == ""


def _other_key(box: Machine) -> str:
    box.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/other")
    return box.run("cat", "/root/other") + "\n"
