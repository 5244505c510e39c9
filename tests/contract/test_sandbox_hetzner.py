"""The sandbox's Hetzner Cloud, driven by Hetzner's own client and held against its description."""

from __future__ import annotations

import contextlib
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import hcloud
import pytest
import requests
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.primary_ips import PrimaryIP
from hcloud.server_types import ServerType
from hcloud.servers.domain import ServerCreatePublicNetwork
from hcloud.ssh_keys import SSHKey

from tests.contract.openapi_answers import SPECS, Description
from tests.contract.sandbox_process import SandboxProcess, running

# The client types everything it answers as optional: here that would only be noise.
Cloud = Any
Connect = Callable[..., Cloud]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here"


@pytest.fixture(scope="module")
def description() -> Description | None:
    name = "hetzner-cloud.reduced.openapi.json"
    return Description(name, "/v1") if (SPECS / name).exists() else None


@pytest.fixture(scope="module")
def instant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("instant") / "sandbox", scale=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def unhurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox in real time: what takes seconds is under way for the length of a test."""
    with running(tmp_path_factory.mktemp("unhurried") / "sandbox", scale=1) as sandbox:
        yield sandbox


@pytest.fixture
def connect(description: Description | None) -> Iterator[Connect]:
    """Make clients whose every answer is held against the description."""
    made: list[requests.Session] = []

    def heard(answer: requests.Response, *_: Any, **__: Any) -> None:
        path = urllib.parse.urlsplit(answer.url).path
        if description is not None and answer.status_code != 429:
            method = str(answer.request.method)
            description.check(method, path, answer.status_code, answer.content)

    def connect(sandbox: SandboxProcess, token: str | None = None) -> Cloud:
        address = sandbox.address
        client = hcloud.Client(
            token=token or address["token"],
            api_endpoint=address["hetzner"],
            timeout=(5, 30),
            poll_interval=0.01,
        )
        session = client._client._session
        session.hooks["response"].append(heard)
        made.append(session)
        return client

    yield connect
    for session in made:
        session.close()


@pytest.fixture
def cloud(instant: SandboxProcess, connect: Connect) -> Cloud:
    instant.control("reset", "POST")
    return connect(instant)


@pytest.fixture
def slow_cloud(unhurried: SandboxProcess, connect: Connect) -> Cloud:
    unhurried.control("reset", "POST")
    return connect(unhurried)


def order(cloud: Cloud, name: str = "prod-01", **more: Any) -> Any:
    kind, place = more.pop("kind", "cx23"), more.pop("place", "nbg1")
    return cloud.servers.create(
        name=name,
        server_type=ServerType(name=kind),
        image=Image(name=more.pop("image", "debian-13")),
        location=Location(name=place),
        **more,
    )


def made(cloud: Cloud, name: str = "prod-01", **more: Any) -> Any:
    answer = order(cloud, name, **more)
    for action in [answer.action, *answer.next_actions]:
        action.wait_until_finished()
    return cloud.servers.get_by_id(answer.server.id)


def reserve(cloud: Cloud, name: str = "prod-01", **more: Any) -> Any:
    place = Location(name=more.pop("place", "nbg1"))
    return cloud.primary_ips.create(type="ipv4", name=name, location=place, **more).primary_ip


def first_word(where: dict[str, Any]) -> bytes:
    """What answers first at a machine's SSH, or nothing while it refuses."""
    with contextlib.suppress(ConnectionRefusedError):
        line = socket.create_connection((where["ssh_host"], where["ssh_port"]), 5)
        with line:
            return line.recv(4)
    return b""


def refusal(code: str) -> Any:
    return pytest.raises(hcloud.APIException, check=lambda error: error.code == code)


def test_a_server_is_ordered_runs_and_is_found_by_its_label(cloud: Cloud) -> None:
    server = made(cloud, labels={"livchat": "job_1", "env": "prod"})
    assert (server.status, server.locked) == ("running", False)
    assert server.location.name == "nbg1"
    assert server.server_type.name == "cx23"
    assert server.public_net.ipv4.ip.startswith("198.18.")
    assert server.public_net.ipv6.ip.endswith("::/64")
    found = cloud.servers.get_all(label_selector="livchat=job_1")
    assert [each.id for each in found] == [server.id]
    assert cloud.servers.get_all(label_selector="livchat=job_2") == []


def test_a_server_adopts_the_address_that_was_reserved_for_it(cloud: Cloud) -> None:
    address = reserve(cloud, labels={"livchat": "job_1"})
    net = ServerCreatePublicNetwork(ipv4=address, enable_ipv6=False)
    server = made(cloud, public_net=net)
    assert server.public_net.ipv4.ip == address.ip
    assert server.public_net.ipv6 is None
    assert cloud.primary_ips.get_by_id(address.id).assignee_id == server.id
    with refusal("primary_ip_assigned"):
        order(cloud, "prod-02", public_net=net)


def test_a_reserved_address_outlives_its_server_and_an_own_one_does_not(
    cloud: Cloud, instant: SandboxProcess
) -> None:
    address = reserve(cloud)
    server = made(cloud, public_net=ServerCreatePublicNetwork(ipv4=address))
    assert len(cloud.primary_ips.get_all()) == 2
    server.delete().wait_until_finished()
    assert [left.id for left in cloud.primary_ips.get_all()] == [address.id]
    assert cloud.primary_ips.get_by_id(address.id).assignee_id is None
    assert cloud.primary_ips.get_by_id(address.id).delete()
    status = instant.status()
    assert (status["servers"], status["primary_ips"], status["bill_monthly"]) == ([], [], "0.00")


def test_the_bill_is_that_of_all_servers_and_addresses(
    cloud: Cloud, instant: SandboxProcess
) -> None:
    made(cloud)
    prices = cloud.server_types.get_by_name("cx23").prices
    month = next(p["price_monthly"]["gross"] for p in prices if p["location"] == "nbg1")
    expected = Decimal(month) + Decimal("0.595")
    assert Decimal(instant.status()["bill_monthly"]) == expected.quantize(Decimal("0.01"))
    assert instant.status()["currency"] == "EUR"


def test_a_name_is_given_once(cloud: Cloud) -> None:
    order(cloud)
    with refusal("uniqueness_error"):
        order(cloud)
    reserve(cloud)
    with refusal("uniqueness_error"):
        reserve(cloud)


@pytest.mark.parametrize("kind", ["cx21", "cx22", "no-such-type"])
def test_a_retired_or_unknown_type_is_refused(cloud: Cloud, kind: str) -> None:
    with refusal("invalid_input"):
        order(cloud, kind=kind)
    assert cloud.servers.get_all() == []


def test_a_sold_out_type_is_refused_and_the_list_tells_of_it(cloud: Cloud) -> None:
    sold_out = [
        (kind.name, place.location.name)
        for kind in cloud.server_types.get_all()
        for place in kind.locations
        if not place.available and place.deprecation is None
    ]
    assert sold_out
    kind, place = sold_out[0]
    with refusal("resource_unavailable"):
        order(cloud, kind=kind, place=place)
    assert cloud.primary_ips.get_all() == []


def test_what_is_sold_out_by_hand_is_refused_until_it_is_back(
    cloud: Cloud, instant: SandboxProcess
) -> None:
    def there() -> bool:
        kind = cloud.server_types.get_by_name("cx23")
        return any(at.available and at.location.name == "nbg1" for at in kind.locations)

    assert there()
    instant.control("stock/cx23/nbg1/out", "POST")
    assert not there()
    with pytest.raises(hcloud.APIException) as caught:
        order(cloud)
    assert caught.value.code == "resource_unavailable"
    assert order(cloud, place="hel1").server.name == "prod-01"
    instant.control("stock/cx23/nbg1/in", "POST")
    assert there()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "no_underscores"},
        {"place": "ash"},
        {"image": "debian-11"},
        {"image": "windows"},
        {"user_data": "x" * 32769},
        {"labels": {"hetzner.cloud/own": "x"}},
        {"labels": {"a": "not allowed!"}},
        {"ssh_keys": [SSHKey(name="nobody")]},
        {"public_net": ServerCreatePublicNetwork(enable_ipv4=False, enable_ipv6=False)},
        {"public_net": ServerCreatePublicNetwork(ipv4=PrimaryIP(id=1))},
    ],
    ids=str,
)
def test_a_wrong_order_is_refused_and_nothing_is_made(
    cloud: Cloud, instant: SandboxProcess, wrong: dict[str, Any]
) -> None:
    with refusal("invalid_input"):
        order(cloud, **wrong)
    assert instant.status()["servers"] == instant.status()["primary_ips"] == []


def test_a_key_is_added_once_and_spares_the_password(cloud: Cloud) -> None:
    key = cloud.ssh_keys.create(name="laptop", public_key=KEY, labels={"a": "b"})
    assert key.fingerprint.count(":") == 15
    with refusal("uniqueness_error"):
        cloud.ssh_keys.create(name="other", public_key=KEY)
    assert cloud.ssh_keys.get_by_fingerprint(key.fingerprint).id == key.id
    assert order(cloud, ssh_keys=[key]).root_password is None
    assert order(cloud, "prod-02").root_password
    assert key.update(name="desktop").name == "desktop"
    assert key.delete()
    assert cloud.ssh_keys.get_all() == []
    with refusal("invalid_input"):
        cloud.ssh_keys.create(name="broken", public_key="ssh-ed25519 AAAA")


def test_an_action_is_under_way_with_progress_and_locks_its_server(
    slow_cloud: Cloud,
) -> None:
    answer = order(slow_cloud)
    action = slow_cloud.actions.get_by_id(answer.action.id)
    assert (action.command, action.status, action.finished) == ("create_server", "running", None)
    assert 0 <= action.progress < 100
    assert [following.command for following in answer.next_actions] == ["start_server"]
    server = slow_cloud.servers.get_by_id(answer.server.id)
    assert (server.status, server.locked) == ("initializing", True)
    with refusal("locked"):
        server.delete()
    with refusal("locked"):
        server.power_off()
    ids = [answer.action.id, answer.next_actions[0].id]
    both = slow_cloud._client.request(method="GET", url="/actions", params={"id": ids})
    assert [action["id"] for action in both["actions"]] == ids


def test_a_server_is_switched_off_and_on(cloud: Cloud) -> None:
    server = made(cloud)
    server.power_off().wait_until_finished()
    assert cloud.servers.get_by_id(server.id).status == "off"
    server.power_on().wait_until_finished()
    assert cloud.servers.get_by_id(server.id).status == "running"
    server.reboot().wait_until_finished()
    assert cloud.servers.get_by_id(server.id).status == "running"


def test_an_address_moves_between_servers_that_are_off(cloud: Cloud) -> None:
    net = ServerCreatePublicNetwork(enable_ipv4=False, enable_ipv6=True)
    server = made(cloud, public_net=net, start_after_create=False)
    assert server.status == "off"
    address = reserve(cloud)
    address.assign(server.id, "server").wait_until_finished()
    assert cloud.servers.get_by_id(server.id).public_net.ipv4.ip == address.ip
    server.power_on().wait_until_finished()
    with refusal("server_not_stopped"):
        address.unassign()
    server.power_off().wait_until_finished()
    address.unassign().wait_until_finished()
    assert cloud.servers.get_by_id(server.id).public_net.ipv4 is None


def test_a_protected_server_is_not_deleted(cloud: Cloud) -> None:
    server = made(cloud)
    server.change_protection(delete=True, rebuild=True).wait_until_finished()
    with refusal("protected"):
        server.delete()


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


def test_a_machine_is_reached_where_control_says_once_it_has_booted(
    cloud: Cloud, instant: SandboxProcess
) -> None:
    pytest.importorskip("livchat_sandbox.ssh.server")
    server = made(cloud, ssh_keys=[cloud.ssh_keys.create(name="k", public_key=KEY)])
    ip = server.public_net.ipv4.ip
    for _ in range(500):
        if first_word(instant.control(f"where/{ip}")) == b"SSH-":
            break
        time.sleep(0.02)  # noqa: TID251 - a test waits for a machine
    else:
        pytest.fail("the machine does not answer")
    server.power_off().wait_until_finished()
    assert first_word(instant.control(f"where/{ip}")) == b""


def test_the_description_was_at_hand(description: Description | None) -> None:
    if description is None:
        pytest.skip("the OpenAPI description of Hetzner Cloud is not beside the project")
    assert {"POST /servers", "GET /server_types", "GET /actions/{id}"} <= set(description.seen)
