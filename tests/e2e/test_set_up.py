"""The set-up of a real server through kills, a cancel and cut connections."""

from __future__ import annotations

import random
from contextlib import ExitStack
from time import sleep  # noqa: TID251 - instants are chosen by chance
from typing import Any

import pytest

from tests.e2e import images
from tests.e2e.conftest import Ground
from tests.e2e.house import House, done

pytestmark = pytest.mark.timeout(900)  # the first run builds the images

KILLS = 10
BARE = ["portainer_portainer 1/1", "traefik_socket-proxy 1/1", "traefik_traefik 1/1"]


def touched(job: dict[str, Any]) -> list[str]:
    """The steps that did something; some only look, and are never skipped."""
    looks = {"Wait for the first boot to end", "Wait for Portainer"}
    done = {step["name"] for step in job["steps"] if step["status"] != "skipped"}
    return sorted(done - looks)


def test_a_set_up_killed_at_ten_random_instants_ends_in_the_same_state(house: House) -> None:
    chance = random.Random(5)  # noqa: S311 - instants, not secrets
    done(house.add())
    job_id = house.begin()
    for _ in range(KILLS):
        sleep(chance.uniform(0.1, 2.5))
        house.daemon.kill()
        house.daemon.start()
    done(house.daemon.wait(job_id, 240))
    state = house.machine.state()
    assert state["audit"] == ""
    assert state["units"] == ""
    assert state["services"] == BARE
    assert state["secrets"] == 1
    assert touched(done(house.set_up())) == []
    assert house.machine.state() == state


def test_a_cancel_during_the_installation_leaves_nothing_running_and_dpkg_whole(
    house: House,
) -> None:
    box = house.machine
    done(house.add())
    job_id = house.begin()
    house.until_logged(job_id, "Unpacking docker.io")
    assert house.daemon.request("DELETE", f"/api/jobs/{job_id}").status == 200
    assert house.daemon.wait(job_id)["status"] == "cancelled"
    assert not {"apt-get", "dpkg", "apt"} & set(box.processes())
    assert box.run("dpkg", "--audit") == ""
    assert box.run("systemctl", "list-units", "--all", "--no-legend", "livchat-*") == ""
    done(house.set_up())


def test_a_set_up_and_a_deployment_go_on_when_their_connection_is_cut(
    house: House, ground: Ground
) -> None:
    box = house.machine
    done(house.add())
    job_id = house.begin()
    house.until_logged(job_id, "newly installed")
    with box.unreachable():
        sleep(20)
    house.until_logged(job_id, "is installed")
    with box.unreachable("-j", "REJECT", "--reject-with", "tcp-reset"):
        sleep(2)
    done(house.daemon.wait(job_id, 240))
    assert box.state()["audit"] == ""

    # The pull goes on without us; after it, the work goes on with what it brought. The registry
    # keeps silent until the connection is cut: a small image would be there before.
    image = "pgvector/pgvector:0.8.6-pg17-bookworm"
    with ExitStack() as quiet:
        quiet.enter_context(images.silent(ground.registry))
        job_id = house.daemon.submit("POST", "/api/servers/box/apps", {"app_name": "postgres"})
        box.until(("ps", "-eo", "args"), f"docker pull --quiet {image}")
        with box.unreachable():
            quiet.close()
            box.until(("docker", "image", "ls", "--format", "{{.Repository}}"), "pgvector/pgvector")
            sleep(20)
    done(house.daemon.wait(job_id, 240))

    # With the cable pulled nobody is told, and the registry is gone too.
    with ExitStack() as quiet:
        quiet.enter_context(images.silent(ground.registry))
        job_id = house.daemon.submit("POST", "/api/servers/box/apps", {"app_name": "umami"})
        box.until(("ps", "-eo", "args"), "docker pull --quiet")
        with box.unplugged():
            quiet.close()
            sleep(20)
    done(house.daemon.wait(job_id, 240))
    assert {"postgres_postgres 1/1", "umami_web 1/1"} <= set(box.state()["services"])  # type: ignore[call-overload]
