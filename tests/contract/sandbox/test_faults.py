"""Faults of the sandbox are answered as the vendors would, by their published descriptions."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from livchat_sandbox.faults.effects import (
    CloudflareRefusal,
    EdgePage,
    HetznerRefusal,
    RateLimited,
)
from livchat_sandbox.faults.registry import CLOUDFLARE, HETZNER, Fault
from tests.contract.openapi_answers import SPECS, Description
from tests.contract.sandbox_process import SandboxProcess, running

FAILURE = "dns-records_api-response-common-failure"
STATUS = {
    "rate_limited": 429, "server_error": 500, "bad_gateway": 502, "unavailable": 503,
    "gateway_timeout": 504, "maintenance": 403, "conflict": 409, "locked": 423,
    "wrong_token": 401, "readonly_token": 401, "uniqueness_error": 409,
    "resource_limit_exceeded": 403, "resource_unavailable": 412, "placement_error": 422,
    "type_retired": 422,
}  # fmt: skip
"""Hetzner's table of errors."""


def with_effect(faults: Mapping[str, Fault[object]], *effects: type) -> list[str]:
    """The names of the faults that have an effect of one of these kinds."""
    return sorted(name for name, fault in faults.items() if isinstance(fault.effect, effects))


CLOUDFLARE_REFUSALS = with_effect(CLOUDFLARE, CloudflareRefusal, RateLimited)
EDGE_STATUS = {"bad_gateway": 502, "gateway_timeout": 504, "unavailable": 503}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("faults") / "sandbox", scale=0) as sandbox:
        yield sandbox


def described(name: str, base: str, failure: str | None = None) -> Description:
    if not (SPECS / name).exists():
        pytest.skip(f"{name} is not at hand")
    return Description(name, base, failure)


def control(sandbox: SandboxProcess, method: str, body: Any = None) -> tuple[int, Any]:
    address = sandbox.address
    return _ask(address["control"] + "/control/faults", address["token"], method, body)


def _ask(url: str, token: str, method: str, body: Any = None) -> tuple[int, Any]:
    status, _, raw = exchange(url, token, method, body)
    return status, json.loads(raw)


def exchange(
    url: str, token: str, method: str, body: Any = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        sent = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {token}"}
        connection.request(method, parts.path, body=sent, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def place(sandbox: SandboxProcess, service: str, fault: str, **more: Any) -> None:
    rule = {"service": service, "route": "*", "fault": fault, **more}
    status, told = control(sandbox, "PUT", {"faults": [rule]})
    assert (status, told["faults"][0]["fired"]) == (200, 0)


def hetzner(sandbox: SandboxProcess) -> tuple[int, http.client.HTTPMessage, bytes]:
    address = sandbox.address
    return exchange(address["hetzner"] + "/servers", address["token"], "POST", {"name": "a"})


def cloudflare(sandbox: SandboxProcess) -> tuple[int, http.client.HTTPMessage, bytes]:
    address, token = sandbox.address, sandbox.address["cloudflare_token"]
    zones = _ask(address["cloudflare"] + "/zones", token, "GET")[1]
    where = f"{address['cloudflare']}/zones/{zones['result'][0]['id']}/dns_records"
    return exchange(where, token, "POST", {})


def test_every_refusal_is_tried() -> None:
    assert with_effect(HETZNER, HetznerRefusal, RateLimited) == sorted(STATUS)
    assert with_effect(CLOUDFLARE, EdgePage) == sorted(EDGE_STATUS)
    assert CLOUDFLARE_REFUSALS


@pytest.mark.parametrize("fault", sorted(STATUS))
def test_hetzner_refuses_as_its_description_says(sandbox: SandboxProcess, fault: str) -> None:
    place(sandbox, "hetzner", fault)
    status, headers, raw = hetzner(sandbox)
    assert status == STATUS[fault]
    error = json.loads(raw)["error"]
    assert set(error) == {"code", "message", "details"}
    if fault == "rate_limited":
        assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("3600", "0")
        assert headers["RateLimit-Reset"].isdecimal()
    described("hetzner-cloud.reduced.openapi.json", "/v1").check("POST", "/v1/servers", status, raw)


@pytest.mark.parametrize("fault", CLOUDFLARE_REFUSALS)
def test_cloudflare_refuses_in_its_envelope(sandbox: SandboxProcess, fault: str) -> None:
    place(sandbox, "cloudflare", fault, route="POST *")
    status, headers, raw = cloudflare(sandbox)
    told = json.loads(raw)
    assert (told["success"], told["result"]) == (False, None)
    refused = {"rate_limited": 429, "server_error": 500, "record_exists": 400}
    assert status == refused.get(fault, 403)
    assert ("Retry-After" in headers) == (fault == "rate_limited")
    description = described("cloudflare.reduced.openapi.json", "/client/v4", FAILURE)
    if status != 429:  # whose code 971 is below the least that the description allows
        # It tells of failures as 4XX only; the envelope of a 500 is the same.
        description.check("POST", "/client/v4/zones/x/dns_records", 400, raw)


@pytest.mark.parametrize("fault", sorted(EDGE_STATUS))
def test_cloudflares_edge_answers_with_a_page(sandbox: SandboxProcess, fault: str) -> None:
    place(sandbox, "cloudflare", fault, route="POST *")
    status, headers, raw = cloudflare(sandbox)
    assert (status, headers["Content-Type"].split(";")[0]) == (EDGE_STATUS[fault], "text/html")
    assert raw.startswith(b"<html>")


def test_a_lost_answer_is_work_that_was_done(sandbox: SandboxProcess) -> None:
    address = sandbox.address
    for fault, there in (("reset", 0), ("lost", 1)):
        place(sandbox, "hetzner", fault)
        order = {"name": "livchat-a", "type": "ipv4", "location": "nbg1"}
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            exchange(address["hetzner"] + "/primary_ips", address["token"], "POST", order)
        assert len(sandbox.status()["primary_ips"]) == there, fault
    sandbox.control("reset", "POST")
    assert control(sandbox, "GET")[1]["faults"] == []


def test_an_action_fails_after_it_was_taken(sandbox: SandboxProcess) -> None:
    address = sandbox.address
    place(sandbox, "hetzner", "start_failed")
    order = {"name": "a", "server_type": "cx23", "image": "debian-13", "location": "nbg1"}
    _, made = _ask(address["hetzner"] + "/servers", address["token"], "POST", order)
    begun = made["next_actions"][0]["id"]
    _, told = _ask(address["hetzner"] + f"/actions/{begun}", address["token"], "GET")
    assert (told["action"]["status"], told["action"]["error"]["code"]) == ("error", "action_failed")
    assert [server["status"] for server in sandbox.status()["servers"]] == ["off"]
    sandbox.control("reset", "POST")


def test_faults_are_listed_counted_and_cleared(sandbox: SandboxProcess) -> None:
    place(sandbox, "hetzner", "unavailable", times=2)
    assert [hetzner(sandbox)[0] for _ in range(3)] == [503, 503, 422]
    rule = control(sandbox, "GET")[1]["faults"][0]
    assert (rule["met"], rule["fired"]) == (3, 2)
    assert control(sandbox, "DELETE")[1]["faults"] == [rule]
    assert control(sandbox, "GET")[1]["faults"] == []


@pytest.mark.parametrize(
    "wrong", [None, [], {"faults": 3}, {"faults": [{"service": "aws", "route": "*", "fault": "x"}]}]
)
def test_a_plan_that_cannot_be_is_refused_and_changes_nothing(
    sandbox: SandboxProcess, wrong: Any
) -> None:
    place(sandbox, "hetzner", "reset")
    status, told = control(sandbox, "PUT", wrong)
    assert status == 422
    assert told["error"]
    assert [rule["fault"] for rule in control(sandbox, "GET")[1]["faults"]] == ["reset"]
    control(sandbox, "DELETE")
