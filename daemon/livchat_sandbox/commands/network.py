"""What a simulated machine tells of its network, and its packet filter."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from livchat_sandbox.commands.result import Answer, NotSimulated, done, exactly, fail
from livchat_sandbox.machine.firewall import wrong
from livchat_sandbox.machine.machine import Machine

DELETE = ("delete", "table", "inet", "livchat")
_GATEWAY = "172.31.1.1"
_PACKET = 1500


def _ip(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given == ["-j", "route"]:
        return _json(_routes(machine))
    if given == ["-j", "-6", "route"]:
        return _json([{"dst": "fe80::/64", "dev": "eth0", "protocol": "kernel", "flags": []}])
    if given == ["-j", "addr"]:
        return _json(_links(machine))
    raise NotSimulated("arguments of ip")


def _json(found: list[dict[str, Any]]) -> Answer:
    return Answer(json.dumps(found, separators=(",", ":")) + "\n")


def _bridges(machine: Machine) -> dict[str, str]:
    """The bridges of the engine, with their subnets."""
    names = {"bridge": "docker0", "docker_gwbridge": "docker_gwbridge"}
    return {
        names[name]: network.subnet
        for name, network in machine.engine.held.networks.items()
        if name in names
    }


def _routes(machine: Machine) -> list[dict[str, Any]]:
    way = {"dst": "default", "gateway": _GATEWAY, "dev": "eth0", "protocol": "dhcp", "flags": []}
    near = {"dst": _GATEWAY, "dev": "eth0", "protocol": "dhcp", "scope": "link", "flags": []}
    return [
        way,
        near,
        *(
            {"dst": subnet, "dev": name, "protocol": "kernel", "scope": "link", "flags": []}
            for name, subnet in _bridges(machine).items()
        ),
    ]


def _links(machine: Machine) -> list[dict[str, Any]]:
    addresses = {"lo": ("127.0.0.1", 8), "eth0": (machine.facts.ip, 32)}
    for name, subnet in _bridges(machine).items():
        network = ipaddress.ip_network(subnet)
        addresses[name] = (str(network[1]), network.prefixlen)
    return [
        {
            "ifindex": number,
            "ifname": name,
            "mtu": 65536 if name == "lo" else _PACKET,
            "addr_info": [{"family": "inet", "local": local, "prefixlen": length}],
        }
        for number, (name, (local, length)) in enumerate(addresses.items(), 1)
    ]


def _sshd(_machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given != ["-T"]:
        raise NotSimulated("arguments of sshd")
    return Answer("port 22\naddressfamily any\nlistenaddress 0.0.0.0:22\nlistenaddress [::]:22\n")


def _nft(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if "nftables" not in machine.facts.packages:
        return Answer(stderr="bash: line 1: nft: command not found\n", code=127)
    if exactly(given, "-c", "-f", "*"):
        return _read(machine, given[2])[1]
    if exactly(given, "-f", "*"):
        return load(machine, given[1])
    if given == ["list", *DELETE[1:]]:
        found = machine.facts.table
        return Answer(found) if found is not None else _nothing(given)
    if given == list(DELETE):
        if machine.facts.table is None:
            return _nothing(given)
        machine.facts.table = None
        return done()
    raise NotSimulated("arguments of nft")


def load(machine: Machine, path: str) -> Answer:
    """Put the table of a file in force."""
    table, answer = _read(machine, path)
    if answer.code:
        return answer
    machine.facts.table = table
    return done()


def _read(machine: Machine, path: str) -> tuple[str, Answer]:
    table = machine.files.read(path)
    if table is None:
        return "", fail(f"internal:0:0-0: Error: Could not open file {path}: No such file")
    if wrong(table):
        return table, fail(f"{path}:1:1-1: Error: syntax error, unexpected end of file")
    return table, Answer()


def _nothing(given: list[str]) -> Answer:
    return fail(f"Error: No such file or directory\n{' '.join(given)}")


PROGRAMS = {"ip": _ip, "sshd": _sshd, "nft": _nft}
