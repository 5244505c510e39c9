"""The command line's stand-in for the daemon, held against the wire models and the route table.

Its tests drive `tiny_livchatd.py` in place of the daemon: what it says must be what the daemon
could say. Each of its answers and events is validated, and each of its paths is a route.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - a process is waited for, in a bounded loop
from typing import Any

import pytest

from livchat.job_state import apply_event
from livchat.wire.errors import ErrorResponse
from livchat.wire.jobs import Job, JobEvent
from livchatd.api.routes import EVENTS, ROUTES, Route
from tests.contract.test_api_answers import same
from tests.integration.daemon_process import Answer, DaemonProcess

TINY = Path(__file__).parents[1] / "integration" / "cli" / "tiny_livchatd.py"
KINDS = ("completed", "failed", "left", "cancelled")
"""How its jobs may end; a server of that name is made by a job that ends so."""
BODIES: dict[str, Any] = {
    "POST /api/init": {},
    "POST /api/config/provider": {"name": "hetzner", "token": "x" * 64},
    "POST /api/servers": {"name": "prod-01"},
    "POST /api/up": {"apps": ["n8n"], "server": "prod-01", "zone_name": "example.com"},
    "POST /api/servers/{name}/setup": {"zone_name": "example.com", "ssl_email": "me@example.com"},
    "POST /api/servers/{name}/apps": {"app_name": "n8n"},
    "POST /api/servers/{name}/exec": {"command": "true"},
}
PLAYED = {
    "GET /health", "POST /api/init", "GET /api/jobs", "GET /api/jobs/{job_id}",
    "GET /api/jobs/{job_id}/wait", "POST /api/servers", "GET /api/servers",
    "GET /api/servers/{name}", "DELETE /api/servers/{name}", "POST /api/up",
    "POST /api/servers/{name}/exec", "POST /api/config/provider",
}  # fmt: skip
"""The routes that the tests of the command line need of it."""
UNKNOWN = "there is no /"
"""How it refuses a path that it does not play."""


class StandIn(DaemonProcess):
    """The stand-in as a process; requests are made as to the daemon."""

    def spawn(self, *options: str) -> subprocess.Popen[bytes]:
        """The process, which ends when its home is removed."""
        for folder in ("state", "run"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(TINY), *options],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    home = tmp_path_factory.mktemp("tiny") / "home"
    found = StandIn(home)
    process = found.spawn()
    try:
        deadline = monotonic() + 20
        while not found.socket.exists() and monotonic() < deadline:
            sleep(0.02)
        yield found
    finally:
        process.terminate()
        process.wait(20)


@dataclass(frozen=True)
class Life:
    """A job of the stand-in: as it was queued, and as it ended."""

    queued: dict[str, Any]
    ended: dict[str, Any]


@pytest.fixture(scope="module")
def lives(tiny: StandIn) -> dict[str, Life]:
    """A job for each way in which one may end."""
    hold = tiny.home / "state" / "hold"
    hold.touch()
    queued = {kind: _job(tiny, _create(tiny, kind)) for kind in KINDS}
    hold.unlink()
    for job in queued.values():
        tiny.request("GET", f"/api/jobs/{job['job_id']}/wait?timeout=20")
    return {kind: Life(job, _job(tiny, job["job_id"])) for kind, job in queued.items()}


@pytest.fixture(scope="module")
def job_id(lives: dict[str, Life]) -> str:
    """An ended job."""
    found: str = lives["completed"].ended["job_id"]
    return found


def _create(tiny: StandIn, name: str) -> str:
    job_id: str = tiny.request("POST", "/api/servers", {"name": name}).json["job_id"]
    return job_id


def _job(tiny: StandIn, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = tiny.request("GET", f"/api/jobs/{job_id}").json
    return job


def path_of(route: Route, job_id: str) -> str:
    names = {"job_id": job_id, "name": "prod-01", "app_name": "n8n", "key": "a/secret"}
    return route.path.format(**names)


def ask(tiny: StandIn, route: Route, job_id: str) -> Answer | None:
    """What it answers to a route; None for one that it does not play."""
    body = BODIES.get(f"{route.method} {route.path}")
    answer = tiny.request(route.method, path_of(route, job_id), body)
    if answer.status == 501:
        return None
    unknown = answer.status == 404 and answer.json["error"].startswith(UNKNOWN)
    return None if unknown else answer


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.media == "application/json"],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_what_it_answers_is_what_the_route_answers(
    tiny: StandIn, job_id: str, route: Route
) -> None:
    answer = ask(tiny, route, job_id)
    if answer is None:
        assert f"{route.method} {route.path}" not in PLAYED
        return
    assert answer.status == route.status
    assert route.response is not None
    same(route.response, answer.json)


@pytest.mark.parametrize("route", [r for r in ROUTES if r.plan], ids=lambda route: route.path)
def test_a_plan_of_its_is_a_plan_and_starts_no_job(tiny: StandIn, route: Route) -> None:
    before = tiny.request("GET", "/api/jobs").json["total"]
    body = BODIES[f"{route.method} {route.path}"]
    answer = tiny.request(route.method, f"{route.path}?plan=true", body)
    assert answer.status == 200
    assert route.plan is not None
    same(route.plan, answer.json)
    assert tiny.request("GET", "/api/jobs").json["total"] == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/servers", {"name": "taken"}, 409),
        ("GET", "/api/jobs/job_of_nobody", None, 404),
        ("GET", "/api/apps", None, 404),
    ],
)
def test_its_refusals_are_error_responses(
    tiny: StandIn, method: str, path: str, body: Any, status: int
) -> None:
    answer = tiny.request(method, path, body)
    assert answer.status == status
    same(ErrorResponse, answer.json)


def test_a_cursor_that_is_gone_is_an_error_response(tiny: StandIn, job_id: str) -> None:
    (tiny.home / "state" / "gone").touch()
    answer = tiny.request("GET", f"/api/jobs/{job_id}/events?after=old-1")
    assert answer.status == 410
    same(ErrorResponse, answer.json)


def test_a_command_that_fails_is_answered_as_one(tiny: StandIn) -> None:
    route = next(route for route in ROUTES if route.path.endswith("/exec"))
    answer = tiny.request("POST", "/api/servers/prod-01/exec", {"command": "false"})
    assert answer.status == 200
    assert route.response is not None
    same(route.response, answer.json)
    assert answer.json["exit_code"] != 0


@pytest.mark.parametrize("kind", KINDS)
def test_its_events_lead_from_the_job_as_it_was_queued_to_the_job_as_it_ended(
    tiny: StandIn, lives: dict[str, Life], kind: str
) -> None:
    job = lives[kind].queued
    same(Job, job)
    events = streamed(tiny, job["job_id"])
    assert {event["event"] for event in events} == {"job", "step", "progress", "log", "end"}
    for event in events:
        assert set(event) == {"id", "event", "data"}
        same(JobEvent, event["data"])
        assert set(event["data"].get("job", {})) <= set(Job.model_fields)
        job = apply_event(job, event["data"], event["id"])
        same(Job, job)
    assert events[-1]["event"] == "end"
    assert job == lives[kind].ended


def streamed(tiny: StandIn, job_id: str) -> list[dict[str, Any]]:
    """The events of an ended job, as lines."""
    route = next(route for route in ROUTES if route.media == EVENTS and "{job_id}" in route.path)
    answer = tiny.request("GET", path_of(route, job_id), headers={"Accept": "application/x-ndjson"})
    assert answer.status == route.status
    return [json.loads(line) for line in answer.raw.splitlines() if line]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_it_answers_to_nothing_that_is_no_route(tiny: StandIn, method: str) -> None:
    known = {route.path for route in ROUTES if route.method == method}
    words = sorted({word for route in ROUTES for word in route.path.split("/")[1:] if word})
    paths = {f"/api/{one}/{two}" for one in words for two in ("", *words) if "{" not in one + two}
    for path in sorted(path.rstrip("/") for path in paths):
        if path in known or re.fullmatch("/api/(servers|jobs|apps)/.*", path):
            continue  # a route, or one with a name for the last word
        answer = tiny.request(method, path, {} if method == "POST" else None)
        assert answer.status in {404, 501}, f"it answers {method} {path}"
