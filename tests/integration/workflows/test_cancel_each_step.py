"""Cancel in each step of each workflow: the work has stopped, and what is left is told."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import sleep  # noqa: TID251 - what is to stay as it is, is looked at twice
from typing import Any, cast

import pytest

from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.installation_folder import differences, things, units
from tests.integration.workflows.held_daemon import HeldDaemon, When, held

pytestmark = pytest.mark.timeout(240)

SETUP = {"zone_name": "livchat.localhost", "ssl_email": "ops@example.com"}
SIDE_BY_SIDE = 4
NO_RETURN = "Forget "
"""How the titles of steps begin at which a cancel comes too late."""
Job = dict[str, Any]
Submit = Callable[[], str]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[HeldDaemon]:
    with held(tmp_path / "livchat", scale=0.02) as started:
        yield started


def creating(daemon: DaemonProcess, name: str) -> str:
    return daemon.submit("POST", "/api/servers", {"name": name, "provider": "sandbox"})


def setting_up(daemon: DaemonProcess, name: str) -> str:
    return daemon.submit("POST", f"/api/servers/{name}/setup", {**SETUP, "subdomain": name})


def deploying(daemon: DaemonProcess, name: str) -> str:
    return daemon.submit("POST", f"/api/servers/{name}/apps", {"app_name": "n8n"})


def going_up(daemon: DaemonProcess, name: str) -> str:
    order = {"apps": ["n8n"], "server": name, "provider": "sandbox", "subdomain": name}
    return daemon.submit("POST", "/api/up", {**order, "zone_name": SETUP["zone_name"]})


def completed(daemon: DaemonProcess, job_id: str) -> Job:
    job = daemon.wait(job_id)
    assert job["status"] == "completed", job
    return job


def titles(daemon: DaemonProcess, job_id: str) -> list[str]:
    return [step["name"] for step in daemon.request("GET", f"/api/jobs/{job_id}").json["steps"]]


def cancelled_in(
    daemon: HeldDaemon, server: str, submit: Submit, place: int, when: When
) -> tuple[Job, str]:
    """A job that is cancelled while its step of this place is at work, and that step's title.

    It is cancelled, unless the step is one that nothing comes back from, or has nothing to do.
    """
    with daemon.holding(server, place, when) as hold:
        job_id = submit()
        steps = titles(daemon, job_id)
        title = steps[min(place, len(steps) - 1)]
        at_work = hold.wait(job_id)
        if at_work:
            assert daemon.request("DELETE", f"/api/jobs/{job_id}").status == 200
            if title.startswith(NO_RETURN):
                hold.release()
        job = daemon.wait(job_id)
    status = next(step["status"] for step in job["steps"] if step["name"] == title)
    if not at_work:
        assert (job["status"], status) == ("completed", "skipped"), (title, job)
    elif title.startswith(NO_RETURN):
        assert (job["status"], status) == ("completed", "completed"), (title, job)
    else:
        assert job["status"] == "cancelled", (title, job)
        assert status in {"cancelled", "undone"}, (title, job)
    return job, title


def begins(daemon: DaemonProcess, job_id: str, title: str) -> None:
    """Wait until a step is at work, or was."""
    with closing(daemon.client) as client, closing(cast(Any, client.job_events(job_id))) as events:
        for event in events:
            step = event.data.get("step") or {}
            if step.get("name") == title and step["status"] != "pending":
                return


def check(daemon: DaemonProcess, server: str, before: set[str], job: Job, title: str) -> None:
    """Nothing is at work, what is there is what the job says, and it stays so."""
    after, at_work = things(daemon, server), units(daemon, server)
    assert at_work == [], title
    if job["status"] == "completed":
        return
    assert not any(step["status"] == "running" for step in job["steps"]), (title, job)
    left = set(job["left_behind"])
    assert after - before <= left, (title, job)
    # Packages of an installation that was stopped in the middle are half there; and what a
    # deletion took away is told as missing.
    there = {thing for thing in left if "maybe without" not in thing}
    assert there - {f"Docker on {server}"} <= after, (title, job)
    sleep(0.3)
    assert (things(daemon, server), units(daemon, server)) == (after, []), title


def before_or_after(place: int) -> When:
    """Of two steps that follow each other, one is held before its work and one after it."""
    return "before" if place % 2 == 0 else "after"


def side_by_side(work: Callable[[int], None], places: Iterable[int]) -> None:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(work, places))


def again(daemon: DaemonProcess, job: Job) -> None:
    """A retry of a cancelled job completes."""
    if job["status"] == "cancelled":
        completed(daemon, daemon.submit("POST", f"/api/jobs/{job['job_id']}/retry"))


def test_a_creation_cancelled_in_any_step_leaves_nothing(daemon: HeldDaemon) -> None:
    first = creating(daemon, "first")
    completed(daemon, first)

    def one(place: int) -> None:
        name, when = f"s{place}", before_or_after(place)
        job, title = cancelled_in(daemon, name, lambda: creating(daemon, name), place, when)
        assert job["status"] == "cancelled", (title, job)
        check(daemon, name, set(), job, title)
        assert (job["left_behind"], things(daemon, name)) == ([], set()), (title, job)
        assert daemon.request("GET", f"/api/servers/{name}").status == 404, title
        again(daemon, job)

    side_by_side(one, range(len(titles(daemon, first))))
    assert differences(daemon) == []


def test_a_creation_cancelled_at_once_leaves_the_name_free(daemon: DaemonProcess) -> None:
    job_id = creating(daemon, "a")
    daemon.request("DELETE", f"/api/jobs/{job_id}")
    job = daemon.wait(job_id)
    assert (job["status"], job["left_behind"]) == ("cancelled", []), job
    completed(daemon, creating(daemon, "a"))
    assert differences(daemon) == []


def test_a_set_up_cancelled_in_any_step_leaves_what_it_says(daemon: HeldDaemon) -> None:
    completed(daemon, creating(daemon, "first"))
    first = setting_up(daemon, "first")
    completed(daemon, first)

    def one(place: int) -> None:
        name = f"s{place}"
        completed(daemon, creating(daemon, name))
        before, when = things(daemon, name), before_or_after(place)
        job, title = cancelled_in(daemon, name, lambda: setting_up(daemon, name), place, when)
        check(daemon, name, before, job, title)
        again(daemon, job)

    side_by_side(one, range(len(titles(daemon, first))))
    assert differences(daemon) == []


def test_a_deployment_cancelled_in_any_step_leaves_what_it_says(daemon: HeldDaemon) -> None:
    def one(part: int) -> None:
        name = f"s{part}"
        completed(daemon, creating(daemon, name))
        completed(daemon, setting_up(daemon, name))
        before, place, steps = things(daemon, name), part, part + 1
        while place < steps:
            job, title = cancelled_in(
                daemon, name, lambda: deploying(daemon, name), place, before_or_after(place)
            )
            check(daemon, name, before, job, title)
            steps, place = len(job["steps"]), place + SIDE_BY_SIDE
            if place + SIDE_BY_SIDE < steps and job["status"] == "cancelled":
                continue
            again(daemon, job)
            # What it needs stays: the next case finds it, and must not take it away.
            completed(daemon, daemon.submit("DELETE", f"/api/servers/{name}/apps/n8n?purge=true"))
            before = things(daemon, name)

    side_by_side(one, range(SIDE_BY_SIDE))
    assert differences(daemon) == []


def test_up_cancelled_in_any_step_leaves_nothing(daemon: HeldDaemon) -> None:
    first = going_up(daemon, "first")
    completed(daemon, first)

    def one(place: int) -> None:
        # The other way round than in the tests of its parts.
        name, when = f"s{place}", before_or_after(place + 1)
        job, title = cancelled_in(daemon, name, lambda: going_up(daemon, name), place, when)
        check(daemon, name, set(), job, title)
        if job["status"] == "cancelled":
            assert (job["left_behind"], things(daemon, name)) == ([], set()), (title, job)
            assert daemon.request("GET", f"/api/servers/{name}").status == 404, title
        if place % 8 == 0:
            again(daemon, job)

    side_by_side(one, range(len(titles(daemon, first))))
    assert differences(daemon) == []


def test_a_removal_cancelled_in_any_step_can_be_taken_up_again(daemon: HeldDaemon) -> None:
    def removing(name: str) -> str:
        return daemon.submit("DELETE", f"/api/servers/{name}/apps/n8n?purge=true")

    def one(part: int) -> None:
        name = f"s{part}"
        completed(daemon, going_up(daemon, name))
        place, steps = part, part + 1
        while place < steps:
            before = things(daemon, name)
            job, title = cancelled_in(
                daemon, name, lambda: removing(name), place, before_or_after(place)
            )
            check(daemon, name, before, job, title)
            again(daemon, job)
            assert not any("n8n" in thing for thing in things(daemon, name)), title
            steps, place = len(job["steps"]), place + 3
            completed(daemon, deploying(daemon, name))

    side_by_side(one, range(3))
    assert differences(daemon) == []


def test_a_deletion_cancelled_in_any_step_forgets_nothing(daemon: HeldDaemon) -> None:
    def deleting(name: str) -> str:
        return daemon.submit("DELETE", f"/api/servers/{name}")

    def one(place: int) -> None:
        name = f"s{place}"
        completed(daemon, creating(daemon, name))
        before = things(daemon, name)
        when = before_or_after(place)
        job, title = cancelled_in(daemon, name, lambda: deleting(name), place, when)
        check(daemon, name, before, job, title)
        if job["status"] == "cancelled":
            # Whatever costs money is still known by its server.
            answer = daemon.request("GET", f"/api/servers/{name}")
            assert answer.status == 200, (title, job)
            there = f"machine {name} at sandbox" in things(daemon, name)
            assert answer.json["status"] == ("running" if there else "lost"), (title, job)
            again(daemon, job)
        assert things(daemon, name) == set(), title

    completed(daemon, creating(daemon, "first"))
    first = deleting("first")
    completed(daemon, first)
    side_by_side(one, range(len(titles(daemon, first))))
    assert differences(daemon) == []


def test_a_queued_job_is_cancelled_at_once(daemon: DaemonProcess) -> None:
    first = going_up(daemon, "a")
    queued = daemon.submit("DELETE", "/api/servers/a")
    assert daemon.request("GET", f"/api/jobs/{queued}").json["waiting_for"] == first
    answer = daemon.request("DELETE", f"/api/jobs/{queued}").json
    assert answer["status"] == "cancelled"
    job = daemon.request("GET", f"/api/jobs/{queued}").json
    assert (job["status"], job["rollback"], job["left_behind"]) == ("cancelled", "none", [])
    completed(daemon, first)
    assert differences(daemon) == []


def test_force_gives_up_what_does_not_stop_and_says_what_is_left(tmp_path: Path) -> None:
    # At this scale the machine boots for seconds: the sandbox is halted long before it is there.
    with running(tmp_path / "slow", scale=0.3) as daemon:
        gives_up(daemon)


def gives_up(daemon: DaemonProcess) -> None:
    job_id = creating(daemon, "a")
    begins(daemon, job_id, "Wait for the machine")
    sandbox = json.loads((daemon.home / "state" / "sandbox" / "sandbox.json").read_text())["pid"]
    os.kill(sandbox, signal.SIGSTOP)
    try:
        # The provider does not answer: the call under way cannot be stopped.
        daemon.request("DELETE", f"/api/jobs/{job_id}")
        sleep(0.5)
        assert daemon.request("GET", f"/api/jobs/{job_id}").json["status"] == "running"
        daemon.request("DELETE", f"/api/jobs/{job_id}?force=true")
        job = daemon.wait(job_id, 20)
    finally:
        os.kill(sandbox, signal.SIGCONT)
    assert (job["status"], job["rollback"]) == ("cancelled", "partial"), job
    assert things(daemon, "a") <= set(job["left_behind"]), job
    assert daemon.request("GET", "/api/servers/a").json["status"] == "lost"
    completed(daemon, daemon.submit("DELETE", "/api/servers/a"))
    assert things(daemon, "a") == set()
    assert differences(daemon) == []
