"""Hetzner's servers in the sandbox: created, reached, locked, switched, deleted, billed."""

from __future__ import annotations

import contextlib
import socket
import time
from decimal import Decimal
from typing import Any

import pytest
from hcloud.servers.domain import ServerCreatePublicNetwork

from tests.contract.openapi_answers import Description
from tests.contract.sandbox.hetzner.cloud import KEY, Cloud, made, order, refusal, reserve
from tests.contract.sandbox_process import SandboxProcess


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


def test_a_protected_server_is_not_deleted(cloud: Cloud) -> None:
    server = made(cloud)
    server.change_protection(delete=True, rebuild=True).wait_until_finished()
    with refusal("protected"):
        server.delete()


def first_word(where: dict[str, Any]) -> bytes:
    """What answers first at a machine's SSH, or nothing while it refuses."""
    with contextlib.suppress(ConnectionRefusedError):
        line = socket.create_connection((where["ssh_host"], where["ssh_port"]), 5)
        with line:
            return line.recv(4)
    return b""


def test_a_machine_is_reached_where_control_says_once_it_has_booted(
    cloud: Cloud, instant: SandboxProcess
) -> None:
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
