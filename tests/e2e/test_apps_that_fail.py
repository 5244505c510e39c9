"""Apps that cannot run on a real swarm: the job says why, and what to do, and soon."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.e2e.house import House, done

pytestmark = pytest.mark.timeout(900)  # the first run builds the images

SOON = 120.0
"""Seconds, of the 600 that these apps have to come up."""


def _refused(house: House, app: str, service: str = "web") -> dict[str, Any]:
    """The job of a deployment that fails, well before its time is over."""
    job = house.deploy(app)
    assert job["status"] == "failed", job["steps"]
    began, ended = (datetime.fromisoformat(job[key]) for key in ("started_at", "completed_at"))
    assert (ended - began).total_seconds() < SOON
    assert job["error"].startswith(f"Deploy {app.title()}: {app}_{service} does not come up: ")
    return job


def _logged(job: dict[str, Any]) -> str:
    return "\n".join(line["message"] for line in job["logs"])


def test_an_image_that_is_not_there_is_told_with_what_the_registry_said(standing: House) -> None:
    job = _refused(standing, "absent")
    assert "No such image: ghcr.io/example/absent:1.2.3" in job["error"]
    assert job["hint"] == f"livchat job logs {job['job_id']}"
    assert "ghcr.io/example/absent:1.2.3 cannot be fetched yet" in _logged(job)
    assert "manifest unknown" in _logged(job)


def test_a_program_that_fails_is_told_with_its_exit_status_and_last_words(standing: House) -> None:
    job = _refused(standing, "broken")
    assert "non-zero exit (3)" in job["error"]
    assert job["error"].endswith("there is no bed here")
    assert "broken_web: there is no bed here" in _logged(job)


def test_a_program_that_ends_well_where_it_should_stay_is_a_failure(standing: House) -> None:
    job = _refused(standing, "brief")
    assert "ends at once, with exit status 0" in job["error"]
    assert job["error"].endswith("all is done")


def test_a_job_that_docker_tries_no_more_is_not_waited_for(standing: House) -> None:
    job = _refused(standing, "hopeless", "install")
    assert "non-zero exit (4)" in job["error"]
    assert job["error"].endswith("there is nothing to install")
    assert "hopeless_web" not in str(standing.machine.state()["services"])


def test_a_program_that_is_not_healthy_is_told_by_its_check(standing: House) -> None:
    job = _refused(standing, "sick")
    assert "unhealthy" in job["error"]
    assert "its health check does not pass" in job["error"]


def test_an_app_that_is_too_large_for_the_machine_is_told_so(standing: House) -> None:
    job = _refused(standing, "huge")
    assert "no suitable node (insufficient resources on 1 node)" in job["error"]
    assert "livchat app list box" in job["hint"]


def test_an_app_whose_data_has_no_node_is_told_so_and_a_retry_goes_on_once_it_has(
    standing: House,
) -> None:
    box = standing.machine
    node = box.run("docker", "node", "inspect", "self", "--format", "{{.ID}}")
    box.run("docker", "node", "update", "--label-rm", "livchat.data", node)
    job = _refused(standing, "bound")
    assert "scheduling constraints not satisfied" in job["error"]
    assert "livchat server setup box" in job["hint"]

    done(standing.set_up())  # as the hint says
    retried = standing.daemon.submit("POST", f"/api/jobs/{job['job_id']}/retry")
    done(standing.daemon.wait(retried, 120))
    assert "bound_web 1/1" in str(box.state()["services"])


def test_an_app_that_failed_can_be_deleted(standing: House) -> None:
    assert standing.deploy("absent")["status"] == "failed"
    gone = standing.daemon.submit("DELETE", "/api/servers/box/apps/absent?purge=true")
    done(standing.daemon.wait(gone, 120))
    stacks = standing.machine.run("docker", "stack", "ls", "--format", "{{.Name}}").split()
    assert "absent" not in stacks
