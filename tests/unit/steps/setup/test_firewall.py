"""Which ports a set-up leaves open, and which it warns of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from livchatd.steps.setup.firewall import rules
from livchatd.steps.setup.host_info import listeners
from livchatd.steps.setup.ports import closing_warnings, ssh_ports

PORTS = some.integers(1, 65_535)
KEPT = some.lists(some.tuples(PORTS, some.sampled_from(["tcp", "udp"])), max_size=8)


def accepted(text: str, protocol: str) -> list[int]:
    found = re.search(rf"^ +{protocol} dport \{{ (.+) \}} accept$", text, re.MULTILINE)
    return [int(port) for port in found[1].split(", ")] if found else []


@given(some.lists(PORTS, min_size=1, max_size=3), KEPT)
def test_open_are_ssh_the_web_and_what_was_asked_for_and_nothing_else(ssh, kept):
    text = rules(["eth0"], ssh, [f"{port}/{protocol}" for port, protocol in kept])
    assert set(accepted(text, "tcp")) == {80, 443, *ssh, *(p for p, kind in kept if kind == "tcp")}
    assert set(accepted(text, "udp")) == {p for p, kind in kept if kind == "udp"}
    assert re.search(r"^ +counter drop\n    \}\n\}\n\Z", text, re.MULTILINE)


def test_the_same_wishes_in_another_order_are_the_same_file():
    one = rules(["eth1", "eth0"], [2222, 22], ["25/tcp", "53/udp", "53/tcp"])
    assert one == rules(["eth0", "eth1"], [22, 2222], ["53/tcp", "25/tcp", "53/udp", "25/tcp"])


def test_a_loaded_file_replaces_the_table_that_is_there():
    text = rules(["eth0"], [22], [])
    plain = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    assert plain[:3] == ["table inet livchat", "delete table inet livchat", "table inet livchat {"]
    # Before Docker's DNAT, after connection tracking: else published ports would slip through.
    assert "hook prerouting priority -150;" in text


@pytest.mark.parametrize(
    ("sshd_config", "listening", "known", "ports"),
    [
        ("port 22\naddressfamily any\n", "", 22, (22,)),
        ("port 22\nport 2200\nlistenaddress [::]:22\n", "", 22, (22, 2200)),
        ("", 'LISTEN 0 128 0.0.0.0:2022 0.0.0.0:* users:(("sshd",pid=7,fd=4))', 22, (22, 2022)),
        # Ubuntu's socket activation: both hold the port.
        (
            "port 22\n",
            'LISTEN 0 128 *:2022 *:* users:(("systemd",pid=1,fd=9),("sshd",pid=7,fd=3))',
            22,
            (22, 2022),
        ),
        ("sshd: no hostkeys available\n", "", 2222, (2222,)),
    ],
)
def test_every_port_of_ssh_is_found(sshd_config, listening, known, ports):
    assert ssh_ports(sshd_config, listeners(listening), known) == ports


def test_every_program_that_will_not_be_reached_is_named():
    holders = {22: "sshd", 80: "docker-proxy", 25: "master", 3306: "mariadbd", 2377: "dockerd"}
    datagrams = {68: "dhclient", 51820: "something", 7946: "dockerd", 5353: "avahi-daemon"}
    warnings = list(closing_warnings(holders, datagrams, ["25/tcp"]))
    assert [line.split()[3:5] for line in warnings] == [
        ["3306/tcp", "(mariadbd)"], ["51820/udp", "(something)"],
    ]  # fmt: skip
    assert all(f"--open {line.split()[3]}" in line for line in warnings)


def test_one_port_kept_over_tcp_is_not_kept_over_udp():
    assert len(list(closing_warnings({53: "named"}, {53: "named"}, ["53/tcp"]))) == 1
