"""The packet filter, routes and listeners of a simulated machine."""

from __future__ import annotations

import json

from tests.unit.sandbox.bench import Bench

TABLE = """table inet livchat
delete table inet livchat
table inet livchat {
    chain outside {
        tcp dport { 22, 80 } accept
        drop
    }
}
"""

LIST = "nft list table inet livchat"

LATER = (
    "systemd-run --unit=guard --on-active=60 --timer-property=AccuracySec=1s -- "
    "nft delete table inet livchat"
)


def with_filter() -> Bench:
    bench = Bench().with_packages("nftables", "unattended-upgrades")
    bench.run("install -D -m 0644 /dev/stdin /etc/f.nft", TABLE)
    return bench


def test_a_table_lets_in_what_it_says_and_is_gone_when_it_is_deleted() -> None:
    assert "nft: command not found" in Bench().run(LIST, code=127)
    bench = with_filter()
    assert "No such file" in bench.run(LIST, code=1)
    bench.run("nft -c -f /etc/f.nft")
    assert bench.machine.port_open(25)
    bench.run("nft -f /etc/f.nft")
    assert [bench.machine.port_open(port) for port in (22, 25, 80)] == [True, False, True]
    assert "tcp dport" in bench.run(LIST)
    bench.run("nft delete table inet livchat")
    assert bench.machine.port_open(25)


def test_a_table_with_a_brace_too_few_is_refused() -> None:
    bench = with_filter()
    bench.run("install -D -m 0644 /dev/stdin /etc/f.nft", TABLE.rstrip().removesuffix("}"))
    assert "syntax error" in bench.run("nft -f /etc/f.nft", code=1)
    assert "No such file" in bench.run("nft -c -f /etc/g.nft", code=1)
    assert bench.machine.port_open(25)


def test_a_timer_opens_the_machine_unless_it_is_stopped() -> None:
    for stopped in (False, True):
        bench = with_filter()
        bench.run(LATER)
        assert "already loaded" in bench.run(LATER, code=1)
        bench.run("nft -f /etc/f.nft")
        bench.advance(59)
        assert bench.run("systemctl is-active guard.timer") == "active\n"
        if stopped:
            bench.run("systemctl stop guard.timer")
        bench.advance(2)
        bench.run("systemctl is-active guard.timer", code=3)
        assert bench.machine.port_open(25) is not stopped


def test_a_unit_file_that_is_enabled_loads_its_table() -> None:
    bench = with_filter()
    bench.run("systemctl enable --now f.service", code=1)
    unit = "[Service]\nExecStart=/usr/sbin/nft -f /etc/f.nft\n"
    bench.run("install -D -m 0644 /dev/stdin /etc/systemd/system/f.service", unit)
    bench.run("systemctl daemon-reload")
    assert bench.run("systemctl is-enabled f.service", code=1) == "disabled\n"
    bench.run("systemctl enable --now f.service")
    assert bench.run("systemctl is-enabled f.service apt-daily.timer") == "enabled\nenabled\n"
    assert not bench.machine.port_open(25)
    bench.run("systemctl disable --now f.service")
    assert bench.machine.port_open(25)


def test_ssh_listens_where_its_socket_says() -> None:
    bench = with_filter()
    assert '0.0.0.0:22      0.0.0.0:* users:(("sshd"' in bench.run("ss -Hltnp")
    socket = "[Socket]\nListenStream=2200\nAccept=yes\n"
    bench.run("install -D -m 0644 /dev/stdin /etc/systemd/system/ssh.socket", socket)
    assert '0.0.0.0:2200      0.0.0.0:* users:(("systemd"' in bench.run("ss -Hltnp")
    assert bench.run("sshd -T").startswith("port 22\n")


def test_routes_and_addresses_are_told_as_json() -> None:
    bench = Bench().with_swarm()
    routes = json.loads(bench.run("ip -j route"))
    assert [(one["dst"], one["dev"]) for one in routes if one["dst"] != "172.31.1.1"] == [
        ("default", "eth0"), ("172.17.0.0/16", "docker0"), ("172.18.0.0/16", "docker_gwbridge"),
    ]  # fmt: skip
    links = {one["ifname"]: one for one in json.loads(bench.run("ip -j addr"))}
    assert links["eth0"]["mtu"] == 1500
    assert links["eth0"]["addr_info"][0]["local"] == "198.18.0.1"
