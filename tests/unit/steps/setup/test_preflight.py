"""What the commands of a preflight say of a machine, and which machines can be set up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from livchatd.steps.setup.host_info import HostInfo, listeners, parse_host_info, parse_release
from livchatd.steps.setup.network_ranges import RANGES
from livchatd.steps.setup.preflight import refusals, warnings

POOLS = [str(RANGES[-1].pool)]
GOOD = HostInfo(
    system="debian",
    release="12",
    title="Debian GNU/Linux 12 (bookworm)",
    architecture="x86_64",
    init="systemd",
    memory=4 * 10**9,
    free_bytes={"/": 30 * 10**9},
    swap=False,
    tcp_holders={22: "sshd"},
    packages={"apt": "2.6.1"},
)
OURS: dict[str, Any] = {
    "swarm": "ours",
    "stacks": frozenset({"traefik", "portainer"}),
    "docker": "28.2.2",
}

RELEASE = (
    'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\n# a comment\n'
)
DISKS = """       Avail Mounted on
 36507222016 /
 36507222016 /
  7000000000 /var
"""
FREE = """               total        used        free      shared  buff/cache   available
Mem:     2035810304   312475648  1723334656           0           0  1723334656
Swap:             0           0           0
"""
PORTS = """LISTEN 0      4096   127.0.0.53%lo:53        0.0.0.0:*    users:(("systemd-resolve",pid=1,fd=1))
LISTEN 0      511          0.0.0.0:80        0.0.0.0:*    users:(("nginx",pid=9,fd=6),("nginx",pid=8,fd=6))
LISTEN 0      128             [::]:22           [::]:*    users:(("sshd",pid=7,fd=4))
LISTEN 0      4096               *:443             *:*
LISTEN 0      244        127.0.0.1:5432      0.0.0.0:*    users:(("postgres",pid=5,fd=5))
"""  # noqa: E501 - as ss prints it
PACKAGES = "apt 2.7.14 installed\nnginx 1.24.0-2 installed\nufw 0.36 config-files\n"


def host_info(**outputs: str) -> HostInfo:
    """The host information in these outputs; every other command printed nothing."""
    names = (
        "release", "architecture", "init", "memory", "free", "swap", "tcp", "packages",
        "docker", "info", "node", "stacks", "udp",
    )  # fmt: skip
    return parse_host_info(*(outputs.get(name, "") for name in names))


def reasons(found: HostInfo) -> list[str]:
    return [one.reason for one in refusals(found, "prod-01")]


def test_answers_are_read_as_programs_print_them():
    found = host_info(
        release=RELEASE, architecture="aarch64\n", init="systemd\n", memory=FREE,
        free=DISKS, swap="/swapfile\n", tcp=PORTS, packages=PACKAGES,
    )  # fmt: skip
    assert (found.system, found.release, found.architecture) == ("ubuntu", "24.04", "aarch64")
    assert (found.memory, found.free_bytes, found.swap) == (
        2035810304,
        {"/": 36507222016, "/var": 7000000000},
        True,
    )
    assert found.packages == {"apt": "2.7.14", "nginx": "1.24.0-2"}
    assert (found.docker, found.swarm, found.stacks) == (None, None, frozenset())


def test_a_machine_that_answers_nothing_is_refused_not_misread():
    found = host_info()
    assert len(reasons(found)) >= 5
    assert found.summary()["system"] == "unknown"


def test_only_ports_that_the_world_reaches_count():
    assert listeners(PORTS) == {80: "nginx", 22: "sshd", 443: "something"}


def test_quotes_and_comments_of_os_release_are_left_out():
    assert parse_release(RELEASE)["VERSION_ID"] == "24.04"
    assert parse_release("ID='debian'\n") == {"ID": "debian"}


@pytest.mark.parametrize(
    ("info", "node", "whose"),
    [
        ({"LocalNodeState": "inactive"}, None, None),
        ({"LocalNodeState": "active", "Cluster": {"DefaultAddrPool": POOLS}}, [], "ours"),
        ({"LocalNodeState": "active"}, [{"Spec": {"Labels": {"livchat.edge": "true"}}}], "ours"),
        ({"LocalNodeState": "active"}, [{"Spec": {"Labels": None}}], "foreign"),
        ({"LocalNodeState": "pending"}, [], "foreign"),
    ],
)  # fmt: skip
def test_a_swarm_is_ours_by_its_labels_or_its_pool(info, node, whose):
    assert host_info(info=json.dumps(info), node=json.dumps(node)).swarm == whose


def test_a_good_machine_is_taken():
    assert reasons(GOOD) == []
    assert list(warnings(GOOD)) == []


@pytest.mark.parametrize(
    ("system", "release"),
    [("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")],
)
@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_the_known_systems_are_taken_on_both_processors(system, release, architecture):
    assert reasons(replace(GOOD, system=system, release=release, architecture=architecture)) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"release": "11", "title": "Debian GNU/Linux 11"}, "Debian GNU/Linux 11"),
        ({"system": "rocky", "release": "9.4", "title": "Rocky Linux 9.4"}, "Rocky"),
        ({"architecture": "armv7l"}, "armv7l"),
        ({"init": "bash"}, "bash"),
        ({"packages": {}}, "apt"),
        ({"memory": 510_000_000}, "0.5 GB of memory"),
        ({"free_bytes": {"/": 4 * 10**9}, "swap": True}, "4.0 GB are free under /;"),
        ({"free_bytes": {"/": 30 * 10**9, "/var": 10**9}}, "1.0 GB are free under /var;"),
        ({"free_bytes": {}}, "0.0 GB are free"),
        ({"free_bytes": {"/": 6 * 10**9, "/var": 6 * 10**9}}, "for swap"),
        ({"tcp_holders": {80: "apache2"}}, "port 80 is taken by apache2"),
        ({"tcp_holders": {443: "caddy"}}, "port 443 is taken by caddy"),
        ({"tcp_holders": {443: "docker-proxy"}}, "port 443"),
        ({"docker": "19.03.15"}, "19.03.15"),
        ({"packages": {"apt": "2", "podman-docker": "4"}}, "Podman"),
        ({"docker": "28.2.2", "swarm": "foreign"}, "swarm"),
    ],
)
def test_each_thing_in_the_way_is_one_refusal_with_a_hint(change, word):
    found = list(refusals(replace(GOOD, **change), "prod-01"))
    assert len(found) == 1
    assert word in found[0].reason
    assert found[0].hint


def test_room_for_swap_is_asked_for_only_where_swap_will_be_added():
    tight = replace(GOOD, free_bytes={"/": 6 * 10**9})
    assert reasons(replace(tight, swap=True)) == []
    assert reasons(replace(tight, memory=16 * 10**9)) == []


@pytest.mark.parametrize("holder", ["docker-proxy", "dockerd", "traefik"])
def test_ports_that_our_own_traefik_holds_are_fine(holder):
    found = replace(GOOD, tcp_holders={80: holder, 443: holder}, **OURS)
    assert reasons(found) == []
    assert len(reasons(replace(found, stacks=frozenset({"shop"})))) == 2


def test_ports_of_another_program_are_in_the_way_even_beside_our_swarm():
    assert reasons(replace(GOOD, tcp_holders={80: "nginx"}, **OURS)) == [
        "port 80 is taken by nginx"
    ]


@pytest.mark.parametrize("version", ["20.10.24", "20.10.24+dfsg1", "26.1.5", "29.0.0-rc.1"])
def test_docker_from_20_10_on_serves(version):
    assert reasons(replace(GOOD, docker=version)) == []


def test_little_memory_and_a_firewall_are_warned_of():
    found = replace(GOOD, memory=10**9, packages={"apt": "2", "ufw": "0.36"})
    assert reasons(found) == []
    assert len(list(warnings(found))) == 2
