"""Each endpoint's right answers over a whole life: status, keys and types as the contract has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from livchat.wire.base import Wire
from livchatd.api.routes import EVENTS, ROUTES, Route
from tests.integration.daemon_process import Answer, DaemonProcess, running
from tests.integration.strangers import beside, home_of, marked

UP = {"apps": ["n8n"], "server": "prod-01", "zone_name": "livchat.localhost", "subdomain": "lab"}
BY_NAME = {f"{route.method} {route.path}": route for route in ROUTES}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    with running(tmp_path_factory.mktemp("d")) as daemon:
        yield Life(daemon)


class Life:
    """One life of everything, asked for route by route; each answer is held against its model."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.seen: set[str] = set()

    def ask(self, name: str, path: str | None = None, body: Any = None) -> Any:
        """Ask one route; the answer as JSON, after it was checked."""
        route = BY_NAME[name]
        method, _, template = name.partition(" ")
        answer = self.daemon.request(method, path or template, body, timeout=60)
        assert answer.status == route.status, answer.raw
        check(route, answer)
        self.seen.add(name)
        return answer.json if route.media == "application/json" else answer.raw

    def job(self, name: str, path: str | None = None, body: Any = None) -> dict[str, Any]:
        """Ask a route that starts a job; the job at its end."""
        started = self.ask(name, path, body)
        job = self.daemon.wait(started["job_id"])
        assert (job["status"], job["error"]) == ("completed", None)
        return job


def check(route: Route, answer: Answer) -> None:
    """Status, headers, keys and types of one answer."""
    assert answer.headers["Content-Type"].split(";")[0] == route.media
    if route.status == 202:
        assert answer.headers["Location"] == f"/api/jobs/{answer.json['job_id']}"
    if route.response is not None and route.media != EVENTS:
        same(route.response, answer.json)


def same(model: type[BaseModel], told: dict[str, Any]) -> None:
    """What was told is what the model says, no more and no less."""
    made = model.model_validate(told).model_dump(mode="json", exclude_unset=True)
    assert made == told, f"{model.__name__} does not know all of it"
    needed = {name for name, field in model.model_fields.items() if field.is_required()}
    assert needed <= set(told)


def test_every_route_answers_as_the_contract_says(life: Life) -> None:
    life.ask("GET /")
    assert life.ask("GET /health")["status"] == "ok"
    for _ in range(2):
        assert life.ask("POST /api/init", body={})["data"]["config_dir"]
    assert life.ask("GET /api/apps")["total"] > 3
    life.ask("GET /api/apps/{app_name}", "/api/apps/n8n")
    for what in ("server-types", "locations", "images"):
        assert life.ask(f"GET /api/providers/{what}", f"/api/providers/{what}?provider=sandbox")
    machine = {"name": "other", "provider": "sandbox"}
    made = life.job("POST /api/servers", body=machine)
    domain = {"zone_name": "livchat.localhost", "ssl_email": "me@example.com"}
    life.job("POST /api/servers/{name}/setup", "/api/servers/other/setup", domain)
    life.job("POST /api/up", body=UP)
    life.job("POST /api/servers/{name}/apps", "/api/servers/other/apps", {"app_name": "redis"})
    apps = life.ask("GET /api/servers/{name}/apps", "/api/servers/prod-01/apps")
    assert (apps["total"], apps["server_name"]) == (3, "prod-01")
    assert set(life.ask("GET /api/servers")["servers"]) == {"other", "prod-01"}
    server = life.ask("GET /api/servers/{name}", "/api/servers/prod-01")
    assert (server["status"], server["apps"]) == ("ready", ["n8n", "postgres", "redis"])
    life.ask("GET /api/servers/{name}/ssh", "/api/servers/prod-01/ssh")
    command = {"command": "uname -m"}
    life.ask("POST /api/servers/{name}/exec", "/api/servers/prod-01/exec", command)
    life.ask("PUT /api/secrets/{key}", "/api/secrets/mine", {"value": "something secret"})
    life.ask("GET /api/secrets/{key}", "/api/secrets/mine?reveal=true")
    life.ask("GET /api/secrets")
    life.ask("DELETE /api/secrets/{key}", "/api/secrets/mine")
    jobs = life.ask("GET /api/jobs", "/api/jobs?limit=2")
    assert (len(jobs["jobs"]), jobs["total"], bool(jobs["next_cursor"])) == (2, 4, True)
    assert life.ask("GET /api/doctor")["healthy"]
    beside(life.daemon).address("ghost", marked(home_of(life.daemon), "ghost"))
    assert life.ask("GET /api/doctor")["findings"][0]["kind"] == "orphan_address"
    life.job("POST /api/doctor", body={})
    job_id = made["job_id"]
    life.ask("GET /api/jobs/{job_id}", f"/api/jobs/{job_id}")
    life.ask("GET /api/jobs/{job_id}/logs", f"/api/jobs/{job_id}/logs?tail=5")
    life.ask("GET /api/jobs/{job_id}/wait", f"/api/jobs/{job_id}/wait?timeout=1")
    events = life.ask("GET /api/jobs/{job_id}/events", f"/api/jobs/{job_id}/events")
    assert b"event: end\n" in events
    token = {"name": "hetzner", "token": "x" * 64, "verify": False}
    assert life.ask("POST /api/config/provider", body=token)["success"]
    keys = {"email": "me@example.com", "api_key": "k" * 37, "verify": False}
    assert life.ask("POST /api/config/cloudflare", body=keys)["success"]
    narrow = {"zone_name": "example.com", "token": "x" * 40, "verify": False}
    assert life.ask("POST /api/config/certificates", body=narrow)["success"]
    life.ask("GET /openapi.json")
    life.ask("GET /docs")
    needed = life.daemon.request("DELETE", "/api/servers/prod-01/apps/redis")
    assert (needed.status, needed.json["details"]["needed_by"]) == (409, ["n8n"])
    life.job("DELETE /api/servers/{name}/apps/{app_name}", "/api/servers/prod-01/apps/n8n")
    life.job("DELETE /api/servers/{name}", "/api/servers/prod-01")


def test_a_queued_job_is_cancelled_and_retried(life: Life) -> None:
    daemon = life.daemon
    daemon.wait(daemon.submit("POST", "/api/servers", {"name": "more", "provider": "sandbox"}))
    path = "/api/servers/more/setup"
    order = {"zone_name": "livchat.localhost", "ssl_email": "me@example.com"}
    jobs = [daemon.submit("POST", path, order) for _ in range(3)]
    told = life.ask("DELETE /api/jobs/{job_id}", f"/api/jobs/{jobs[-1]}")
    assert told["job_id"] == jobs[-1]
    cancelled = daemon.wait(jobs[-1])
    assert cancelled["status"] == "cancelled"
    again = life.job("POST /api/jobs/{job_id}/retry", f"/api/jobs/{jobs[-1]}/retry")
    assert again["retry_of"] == jobs[-1]
    refused = daemon.request("POST", f"/api/jobs/{again['job_id']}/retry")
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    assert life.ask("DELETE /api/jobs", "/api/jobs?older_than=0s")["data"]["removed"] > 5


def test_every_route_was_asked(life: Life) -> None:
    # The stream of everything never ends; tests of streams read it.
    assert set(BY_NAME) - life.seen == {"GET /api/events"}


def test_what_is_not_configured_is_told_with_the_next_command(life: Life, tmp_path: Any) -> None:
    with running(tmp_path / "fresh") as daemon:
        for method, path, body in (
            ("GET", "/api/providers/locations?provider=hetzner", None),
            ("POST", "/api/servers", {"name": "a", "provider": "hetzner"}),
            ("POST", "/api/up", {**UP, "provider": "hetzner", "ssl_email": "me@example.com"}),
        ):
            answer = daemon.request(method, path, body)
            assert (answer.status, answer.json["code"]) == (503, "not_configured")
            assert answer.json["hint"].startswith("livchat config ")


def test_models_of_answers_are_answers() -> None:
    assert all(issubclass(r.response, Wire) for r in ROUTES if r.response is not None)
    assert json.dumps(sorted(BY_NAME))
