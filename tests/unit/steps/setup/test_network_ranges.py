"""What a machine's routes and addresses come to, and that a swarm keeps clear of them."""

from __future__ import annotations

import json
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as some

from livchat.errors import ProviderError
from livchatd.steps.setup.network_ranges import (
    BRIDGES,
    RANGES,
    OccupiedNetwork,
    choose_ranges,
    parse_networks,
    ranges_of_pool,
)

WAY = {"dst": "default", "gateway": "172.31.1.1", "dev": "eth0", "flags": []}
NEAR = {"dst": "172.31.1.1", "dev": "eth0", "scope": "link", "flags": []}
PRIVATE = {"dst": "10.0.0.0/16", "via": "10.0.0.1", "dev": "enp7s0", "flags": []}


def link(name: str, size: int, *addresses: str) -> dict[str, object]:
    found = [one.partition("/") for one in addresses]
    told = [{"family": "inet", "local": ip, "prefixlen": int(bits)} for ip, _, bits in found]
    return {"ifname": name, "mtu": size, "addr_info": told}


LINKS = [
    link("lo", 65_536, "127.0.0.1/8"),
    link("eth0", 1_500, "203.0.113.7/32"),
    link("enp7s0", 1_450, "10.0.0.2/32"),
    link("docker0", 1_500, "172.17.0.1/16"),
]


def networks_of(routes: object, links: object = LINKS, routes6: object = ()):
    return parse_networks(json.dumps(routes), json.dumps(routes6), json.dumps(links))


def occupied(*networks: str) -> list[OccupiedNetwork]:
    return [OccupiedNetwork(IPv4Network(one), f"the route to {one}") for one in networks]


def test_the_world_is_where_the_default_route_leads():
    found = networks_of([WAY, NEAR, PRIVATE])
    assert (found.outside, found.mtu) == (("eth0",), 1_500)
    assert {str(one.network) for one in found.occupied} == {
        "172.31.1.1/32", "10.0.0.0/16", "203.0.113.7/32", "10.0.0.2/32", "172.17.0.0/16",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("routes", "routes6", "outside", "mtu"),
    [
        ([{**WAY, "dev": "enp7s0"}], [], ("enp7s0",), 1_450),
        ([WAY], [{"dst": "default", "dev": "enp7s0"}], ("eth0", "enp7s0"), 1_450),
        ([], [{"dst": "default", "dev": "eth0"}], ("eth0",), 1_500),
        (
            [{"dst": "default", "nexthops": [{"dev": "eth0"}, {"dev": "enp7s0"}]}],
            [],
            ("eth0", "enp7s0"),
            1_450,
        ),
        ([{**WAY, "metrics": [{"mtu": 1_400}]}], [], ("eth0",), 1_400),
        ([PRIVATE], [], (), 1_500),
    ],
)
def test_the_smallest_packet_of_all_ways_out_counts(routes, routes6, outside, mtu):
    found = networks_of(routes, routes6=routes6)
    assert (found.outside, found.mtu) == (outside, mtu)


@pytest.mark.parametrize(("size", "overlay"), [(1_500, 1_450), (1_450, 1_400), (9_000, 8_950)])
def test_an_overlay_takes_its_share_of_each_packet(size, overlay):
    assert networks_of([WAY], [link("eth0", size)]).overlay_mtu == overlay


def test_no_ipv6_is_no_answer():
    assert parse_networks(json.dumps([WAY]), "", json.dumps(LINKS)).outside == ("eth0",)


def test_a_plain_machine_gets_the_first_ranges():
    assert choose_ranges(networks_of([WAY, NEAR, PRIVATE]).occupied) is RANGES[0]
    assert str(RANGES[0].pool) == "172.20.0.0/14"


@pytest.mark.parametrize(
    ("networks", "index"),
    [
        (["172.16.0.0/12"], 2),
        (["172.21.5.0/24"], 1),
        (["172.24.31.0/24"], 1),
        (["172.16.0.0/12", "10.0.0.0/8"], 4),
        # Docker's next bridge would be 172.20.0.0/16.
        (["172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16"], 1),
    ],
)
def test_ranges_that_overlap_a_network_are_passed_over(networks, index):
    assert choose_ranges(occupied(*networks)) is RANGES[index]


def test_a_swarm_that_has_its_bridge_gets_no_other():
    there = occupied("172.17.0.0/16", "172.19.0.0/16")
    there.append(OccupiedNetwork(IPv4Network("172.18.0.0/16"), "172.18.0.0/16 of docker_gwbridge"))
    assert choose_ranges(there) is RANGES[0]


def test_where_nothing_is_free_the_route_that_is_in_the_way_is_named():
    with pytest.raises(ProviderError, match=r"meets the route to 172\.16\.0\.0/12") as found:
        choose_ranges(occupied("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
    assert "172.20.0.0/14" in str(found.value.hint)


NETWORKS = some.tuples(
    some.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]),
    some.integers(0, 2**32 - 1),
    some.integers(8, 32),
).map(
    lambda drawn: IPv4Network(
        (
            int(IPv4Network(drawn[0]).network_address)
            + drawn[1] % IPv4Network(drawn[0]).num_addresses,
            drawn[2],
        ),
        strict=False,
    )
)


@given(some.lists(NETWORKS, max_size=12))
def test_what_is_chosen_meets_nothing(networks):
    there = [OccupiedNetwork(one, f"the route to {one}") for one in networks]
    try:
        found = choose_ranges(there)
    except ProviderError:
        # Every range meets something, or the bridge that Docker would make.
        bridge = next((b for b in BRIDGES if not any(b.overlaps(n) for n in networks)), None)
        met = [*networks, *([bridge] if bridge else [])]
        assert all(any(ranges.overlap(one) for one in met) for ranges in RANGES)
        return
    assert not any(found.overlap(one) for one in networks)


def test_no_ranges_meet_themselves_and_every_pool_is_known_again():
    for ranges in RANGES:
        assert not ranges.pool.overlaps(ranges.edge)
        assert not ranges.pool.overlaps(ranges.data)
        assert not ranges.edge.overlaps(ranges.data)
        assert ranges.pool.is_private
        assert ranges_of_pool(str(ranges.pool)) is ranges
    assert ranges_of_pool("10.0.0.0/8") is None
