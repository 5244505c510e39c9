"""The form of Hetzner's API in the sandbox: lists, products, errors, headers, counted calls."""

from __future__ import annotations

import hcloud
import pytest
import requests

from tests.contract.sandbox.hetzner.cloud import Cloud, Connect, made, order, refusal, reserve
from tests.contract.sandbox_process import SandboxProcess


def test_lists_come_in_pages_in_the_order_asked_for(cloud: Cloud) -> None:
    for number in range(7):
        reserve(cloud, f"ip-{number}", labels={"parity": "odd" if number % 2 else "even"})
    first = cloud.primary_ips.get_list(page=1, per_page=3)
    assert (first.meta.pagination.next_page, first.meta.pagination.last_page) == (2, 3)
    last = cloud.primary_ips.get_list(page=3, per_page=3)
    assert len(last.primary_ips) == 1
    assert last.meta.pagination.next_page is None
    assert len(cloud.primary_ips.get_all(label_selector="parity in (odd)")) == 3
    assert len(cloud.primary_ips.get_all(label_selector="parity!=odd,parity")) == 4
    for name in ("b", "a", "c"):
        order(cloud, name)
    query = {"sort": ["name:desc"]}
    sorted_ones = cloud._client.request(method="GET", url="/servers", params=query)["servers"]
    assert [server["name"] for server in sorted_ones] == ["c", "b", "a"]
    with refusal("invalid_input"):
        cloud.servers.get_all(label_selector="((")


def test_the_catalogue_is_whole(cloud: Cloud) -> None:
    names = {place.name for place in cloud.locations.get_all()}
    assert names == {"fsn1", "nbg1", "hel1", "ash", "hil", "sin"}
    images = {image.name for image in cloud.images.get_all(architecture=["x86"])}
    assert {"debian-12", "debian-13", "ubuntu-24.04", "ubuntu-26.04", "docker-ce"} <= images
    assert "debian-11" not in images
    everything = cloud.images.get_all(include_deprecated=True)
    assert any(image.name == "debian-11" for image in everything)
    assert cloud.images.get_by_name_and_architecture("debian-13", "arm").architecture == "arm"
    pricing = cloud._client.request(method="GET", url="/pricing")["pricing"]
    assert pricing["currency"] == "EUR"
    assert len(pricing["server_types"]) == len(cloud.server_types.get_all())


def test_what_is_gone_says_so(cloud: Cloud) -> None:
    with refusal("deprecated_api_endpoint"):
        cloud._client.request(method="GET", url="/datacenters")
    with refusal("deprecated_api_endpoint"):
        cloud._client.request(method="GET", url="/actions")
    with refusal("not_found"):
        cloud.servers.get_by_id(1)


def test_a_token_of_another_place_is_told_that_this_is_the_sandbox(
    instant: SandboxProcess, connect: Connect
) -> None:
    with pytest.raises(hcloud.APIException, match="sandbox") as caught:
        connect(instant, token="x" * 64).servers.get_all()
    assert caught.value.code == "unauthorized"


def test_the_route_is_looked_at_before_the_token_and_the_method_after_it(
    instant: SandboxProcess,
) -> None:
    base = instant.address["hetzner"]
    bearer = {"Authorization": f"Bearer {instant.address['token']}"}
    assert requests.get(f"{base}/nope", timeout=5).json()["error"]["code"] == "not_found"
    assert requests.put(f"{base}/servers", timeout=5).status_code == 401
    assert requests.put(f"{base}/servers", headers=bearer, timeout=5).status_code == 405
    answer = requests.post(f"{base}/servers", headers=bearer, data="{", timeout=5)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "json_error")


def test_every_answer_tells_the_rate_limit(unhurried: SandboxProcess) -> None:
    headers = {"Authorization": f"Bearer {unhurried.address['token']}"}
    url = f"{unhurried.address['hetzner']}/locations"
    answer = requests.get(url, headers=headers, timeout=5)
    assert answer.headers["RateLimit-Limit"] == "3600"
    assert int(answer.headers["RateLimit-Remaining"]) < 3600
    assert int(answer.headers["RateLimit-Reset"]) > 0
    assert answer.headers["X-Correlation-Id"]


def test_calls_are_counted_by_route(cloud: Cloud, instant: SandboxProcess) -> None:
    server = made(cloud)
    cloud.servers.get_by_id(server.id)
    calls = instant.status()["calls"]
    assert calls["hetzner POST /servers"] == 1
    assert calls["hetzner GET /servers/{id}"] == 2
