"""Requests for a server that Hetzner's API in the sandbox refuses, and what then is not made."""

from __future__ import annotations

from typing import Any

import hcloud
import pytest
from hcloud.primary_ips import PrimaryIP
from hcloud.servers.domain import ServerCreatePublicNetwork
from hcloud.ssh_keys import SSHKey

from tests.contract.sandbox.hetzner.cloud import Cloud, order, refusal, reserve
from tests.contract.sandbox_process import SandboxProcess


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
