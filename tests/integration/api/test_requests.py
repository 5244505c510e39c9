"""Requests to a real daemon: jobs, conflicts, keys, choices, credentials."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import Any

import pytest

from livchat.errors import InvalidRequest, LivChatError
from tests.integration.daemon_process import DaemonProcess

SERVER = {"name": "prod-01", "provider": "sandbox"}
KEY = "a-key-of-a-test"


def test_a_server_is_made_and_deleted_and_nothing_stays(daemon: DaemonProcess) -> None:
    job = daemon.wait(daemon.submit("POST", "/api/servers", SERVER))
    assert (job["status"], job["error"]) == ("completed", None)
    server = daemon.request("GET", "/api/servers/prod-01").json
    assert server["status"] == "running"
    assert server["ip_address"]
    assert daemon.request("GET", "/api/servers").json["total"] == 1
    job = daemon.wait(daemon.submit("DELETE", "/api/servers/prod-01"))
    assert (job["status"], job["left_behind"]) == ("completed", [])
    left = daemon.sandbox("status")
    assert [left[what] for what in ("servers", "primary_ips", "ssh_keys")] == [[], [], []]
    assert daemon.request("GET", "/api/servers/prod-01").status == 404


def test_an_answer_of_202_names_the_job(daemon: DaemonProcess) -> None:
    answer = daemon.request("POST", "/api/servers", SERVER)
    assert answer.status == 202
    assert answer.headers["Location"] == f"/api/jobs/{answer.json['job_id']}"
    assert answer.json["server_name"] == "prod-01"
    assert answer.json["message"] == "Create server prod-01: accepted"
    job = daemon.request("GET", answer.headers["Location"]).json
    assert job["summary"] == "Create server prod-01"
    assert job["type"] == "create_server"
    daemon.wait(job["job_id"])


def test_a_name_that_is_taken_is_a_conflict_that_names_the_job(daemon: DaemonProcess) -> None:
    job_id = daemon.submit("POST", "/api/servers", SERVER)
    answer = daemon.request("POST", "/api/servers", SERVER)
    assert answer.status == 409
    assert answer.json["details"]["server"] == "prod-01"
    assert answer.json["details"]["job_id"] in {job_id, None}
    daemon.wait(job_id)
    assert daemon.request("POST", "/api/servers", SERVER).status == 409


def test_of_twenty_creates_of_one_name_one_is_taken(daemon: DaemonProcess) -> None:
    daemon.request("GET", "/api/providers/images?provider=sandbox")
    answers = _at_once(20, lambda _: daemon.request("POST", "/api/servers", SERVER))
    assert sorted(answer.status for answer in answers) == [202] + [409] * 19
    job_id = next(a.json["job_id"] for a in answers if a.status == 202)
    assert daemon.wait(job_id)["status"] == "completed"
    assert len(daemon.sandbox("status")["servers"]) == 1


def test_the_same_key_twenty_times_at_once_makes_one_job(daemon: DaemonProcess) -> None:
    headers = {"Idempotency-Key": KEY}
    answers = _at_once(20, lambda _: daemon.request("POST", "/api/servers", SERVER, headers))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.raw for answer in answers}) == 1
    replayed = [a for a in answers if a.headers.get("Idempotency-Replayed") == "true"]
    assert len(replayed) == 19
    assert {a.headers["Location"] for a in answers} == {f"/api/jobs/{answers[0].json['job_id']}"}
    assert daemon.request("GET", "/api/jobs").json["total"] == 1
    daemon.wait(answers[0].json["job_id"])


def test_a_key_used_again_for_another_request_is_refused(daemon: DaemonProcess) -> None:
    job_id = daemon.submit("POST", "/api/servers", SERVER, **{"Idempotency-Key": KEY})
    other = {"name": "prod-02", "provider": "sandbox"}
    answer = daemon.request("POST", "/api/servers", other, {"Idempotency-Key": KEY})
    assert answer.status == 422
    answer = daemon.request("POST", "/api/init", {}, {"Idempotency-Key": KEY})
    assert answer.status == 422
    daemon.wait(job_id)


def test_a_key_counts_however_the_body_is_spaced_and_after_a_restart(
    daemon: DaemonProcess,
) -> None:
    headers = {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    first = daemon.request("POST", "/api/servers", SERVER, headers)
    daemon.wait(first.json["job_id"])
    daemon.restart()
    spaced = json.dumps(dict(reversed(SERVER.items())), indent=3).encode()
    again = daemon.request("POST", "/api/servers", spaced, headers)
    assert (again.status, again.raw) == (202, first.raw)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_key_counts_for_what_starts_no_job_too(daemon: DaemonProcess) -> None:
    headers = {"Idempotency-Key": KEY}
    first = daemon.request("POST", "/api/init", {}, headers)
    again = daemon.request("POST", "/api/init", {}, headers)
    assert first.json["data"]["config_dir"] == str(daemon.home / "config")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.raw == first.raw


def test_a_refused_request_may_be_sent_again_with_its_key(daemon: DaemonProcess) -> None:
    headers = {"Idempotency-Key": KEY}
    body = {"zone_name": "example.com", "ssl_email": "me@example.com"}
    path = "/api/servers/prod-01/setup"
    assert daemon.request("POST", path, body, headers).status == 404
    daemon.wait(daemon.submit("POST", "/api/servers", SERVER))
    assert daemon.request("POST", path, body, headers).status == 202


def test_what_the_provider_does_not_have_is_refused_before_a_job(daemon: DaemonProcess) -> None:
    for field, value in (("server_type", "cx999"), ("region", "mars1"), ("image", "debian-1")):
        answer = daemon.request("POST", "/api/servers", {**SERVER, field: value})
        assert (answer.status, answer.json["code"]) == (422, "invalid")
        assert answer.json["details"]["fields"][0]["field"] == field
    assert daemon.request("GET", "/api/jobs").json["total"] == 0
    answer = daemon.request("POST", "/api/servers", {"name": "a", "provider": "azure"})
    assert answer.json["details"]["fields"][0]["field"] == "provider"
    answer = daemon.request("POST", "/api/servers", {"name": "a", "provider": "hetzner"})
    assert (answer.status, answer.json["code"]) == (503, "not_configured")
    assert answer.json["hint"] == "livchat config provider hetzner"


def test_a_zone_that_cannot_be_used_is_refused_before_a_job(daemon: DaemonProcess) -> None:
    body = {"apps": ["n8n"], "server": "demo", "zone_name": "nowhere.example.org"}
    answer = daemon.request("POST", "/api/up", body)
    assert answer.status == 422
    assert answer.json["details"]["fields"][0]["field"] == "zone_name"
    assert "livchat.localhost" in answer.json["error"]
    answer = daemon.request("POST", "/api/up", {**body, "zone_name": "pending.example.net"})
    assert answer.status == 422
    assert "pending" in answer.json["error"]
    assert daemon.request("GET", "/api/jobs").json["total"] == 0


def test_a_plan_tells_everything_and_does_nothing(daemon: DaemonProcess) -> None:
    body = {
        "apps": ["n8n"], "server": "demo", "zone_name": "livchat.localhost", "subdomain": "lab"
    }  # fmt: skip
    first = daemon.request("POST", "/api/up?plan=true", body)
    again = daemon.request("POST", "/api/up?plan=true", body)
    assert first.status == 200
    assert first.json["hash"] == again.json["hash"]
    assert first.json["apps"] == ["postgres", "redis", "n8n"]
    assert float(first.json["price_monthly"]) > 0
    assert first.json["urls"]["n8n"].endswith(".lab.livchat.localhost/")
    assert all(record.endswith(".lab.livchat.localhost") for record in first.json["records"])
    assert first.json["estimated_seconds"] > 0
    other = daemon.request("POST", "/api/up?plan=true", {**body, "subdomain": "x"})
    assert other.json["hash"] != first.json["hash"]
    left = daemon.sandbox("status")
    assert (left["servers"], left["primary_ips"], left["dns_records"]) == ([], [], [])
    assert daemon.request("GET", "/api/servers").json["total"] == 0


def test_an_app_needs_a_server_that_is_set_up(daemon: DaemonProcess) -> None:
    daemon.wait(daemon.submit("POST", "/api/servers", SERVER))
    answer = daemon.request("POST", "/api/servers/prod-01/apps", {"app_name": "n8n"})
    assert answer.status == 409
    assert answer.json["hint"].startswith("livchat server setup prod-01")


def test_a_token_is_tried_before_it_is_kept(daemon: DaemonProcess) -> None:
    daemon.request("GET", "/api/providers/locations?provider=sandbox")
    told = json.loads((daemon.home / "state" / "sandbox" / "sandbox.json").read_text())
    daemon.stop()
    daemon.environment["HCLOUD_ENDPOINT"] = told["hetzner"]
    daemon.start()
    path, body = "/api/config/provider", {"name": "hetzner", "token": "a-token-that-is-wrong"}
    answer = daemon.request("POST", path, body)
    assert answer.status == 422
    assert answer.json["details"]["fields"][0]["field"] == "token"
    assert daemon.request("GET", "/api/providers/locations?provider=hetzner").status == 503
    assert daemon.request("POST", path, {**body, "token": told["token"]}).status == 200
    assert daemon.request("GET", "/api/providers/server-types").json["provider"] == "hetzner"
    daemon.restart()
    assert daemon.request("GET", "/api/providers/server-types").json["provider"] == "hetzner"
    assert daemon.request("POST", path, {**body, "verify": False}).status == 200
    answer = daemon.request("GET", "/api/providers/locations")
    assert (answer.status, answer.json["code"]) == (502, "provider_error")
    everything = b"".join(p.read_bytes() for p in daemon.home.rglob("*") if p.is_file())
    assert b"a-token-that-is-wrong" not in everything


def test_a_token_is_taken_only_where_one_is_needed(daemon: DaemonProcess) -> None:
    body = {"name": "sandbox", "token": "x"}
    answer = daemon.request("POST", "/api/config/provider", body)
    assert answer.status == 422


def test_the_last_page_of_jobs_names_no_next_one(daemon: DaemonProcess) -> None:
    for number in range(3):
        body = {"name": f"s-{number}", "provider": "sandbox"}
        daemon.wait(daemon.submit("POST", "/api/servers", body))
    first = daemon.request("GET", "/api/jobs?limit=2").json
    assert [job["server"] for job in first["jobs"]] == ["s-2", "s-1"]
    assert first["total"] == 3
    rest = daemon.request("GET", f"/api/jobs?limit=2&cursor={first['next_cursor']}").json
    assert ([job["server"] for job in rest["jobs"]], rest["next_cursor"]) == (["s-0"], None)
    assert daemon.request("GET", "/api/jobs?status=failed").json["jobs"] == []
    assert daemon.request("GET", "/api/jobs?server=s-1").json["total"] == 1
    kept = daemon.request("DELETE", "/api/jobs?older_than=1d").json
    assert kept["data"] == {"removed": 0}
    assert daemon.request("DELETE", "/api/jobs?older_than=0s").json["data"] == {"removed": 3}
    assert daemon.request("DELETE", "/api/jobs?older_than=soon").status == 422


def test_an_ended_job_is_not_cancelled_and_not_retried(daemon: DaemonProcess) -> None:
    job_id = daemon.submit("POST", "/api/servers", SERVER)
    daemon.wait(job_id)
    for method, path in (("DELETE", ""), ("POST", "/retry")):
        answer = daemon.request(method, f"/api/jobs/{job_id}{path}")
        assert answer.status == 409
        assert answer.json["details"]["job_id"] == job_id


def test_errors_cross_the_wire_and_stay_themselves(daemon: DaemonProcess) -> None:
    with closing(daemon.client) as client, pytest.raises(InvalidRequest) as caught:
        client.create_server({"name": "Not A Name"})
    assert isinstance(caught.value, LivChatError)
    assert caught.value.details["fields"][0]["field"] == "name"


def _at_once(count: int, ask: Any) -> list[Any]:
    answers: list[Any] = [None] * count

    def one(number: int) -> None:
        answers[number] = ask(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers
