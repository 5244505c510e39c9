"""Network commands of a simulated machine: routes, addresses, sshd's settings, packet filter."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from livchat_sandbox.commands.result import CommandResult, NotSimulated, failure, matches, success
from livchat_sandbox.machine.firewall import has_syntax_error
from livchat_sandbox.machine.machine import Machine

DELETE_TABLE = ("delete", "table", "inet", "livchat")
_GATEWAY = "172.31.1.1"
_MTU = 1500


def _ip(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args == ["-j", "route"]:
        return _json(_routes(machine))
    if args == ["-j", "-6", "route"]:
        return _json([{"dst": "fe80::/64", "dev": "eth0", "protocol": "kernel", "flags": []}])
    if args == ["-j", "addr"]:
        return _json(_interfaces(machine))
    raise NotSimulated("arguments of ip")


def _json(rows: list[dict[str, Any]]) -> CommandResult:
    return CommandResult(json.dumps(rows, separators=(",", ":")) + "\n")


def _bridge_subnets(machine: Machine) -> dict[str, str]:
    """Return the subnets of Docker's bridges by the name of their interface."""
    names = {"bridge": "docker0", "docker_gwbridge": "docker_gwbridge"}
    return {
        names[name]: network.subnet
        for name, network in machine.engine.state.networks.items()
        if name in names
    }


def _routes(machine: Machine) -> list[dict[str, Any]]:
    default = {
        "dst": "default",
        "gateway": _GATEWAY,
        "dev": "eth0",
        "protocol": "dhcp",
        "flags": [],
    }
    gateway = {"dst": _GATEWAY, "dev": "eth0", "protocol": "dhcp", "scope": "link", "flags": []}
    return [
        default,
        gateway,
        *(
            {"dst": subnet, "dev": name, "protocol": "kernel", "scope": "link", "flags": []}
            for name, subnet in _bridge_subnets(machine).items()
        ),
    ]


def _interfaces(machine: Machine) -> list[dict[str, Any]]:
    addresses = {"lo": ("127.0.0.1", 8), "eth0": (machine.facts.ip, 32)}
    for name, subnet in _bridge_subnets(machine).items():
        network = ipaddress.ip_network(subnet)
        addresses[name] = (str(network[1]), network.prefixlen)
    return [
        {
            "ifindex": number,
            "ifname": name,
            "mtu": 65536 if name == "lo" else _MTU,
            "addr_info": [{"family": "inet", "local": local, "prefixlen": length}],
        }
        for number, (name, (local, length)) in enumerate(addresses.items(), 1)
    ]


def _sshd(_machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args != ["-T"]:
        raise NotSimulated("arguments of sshd")
    return CommandResult(
        "port 22\naddressfamily any\nlistenaddress 0.0.0.0:22\nlistenaddress [::]:22\n"
    )


def _nft(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if "nftables" not in machine.facts.packages:
        return CommandResult(stderr="bash: line 1: nft: command not found\n", exit_status=127)
    if matches(args, "-c", "-f", "*"):
        return _read_table(machine, args[2])[1]
    if matches(args, "-f", "*"):
        return load_table(machine, args[1])
    if args == ["list", *DELETE_TABLE[1:]]:
        table = machine.facts.table
        return CommandResult(table) if table is not None else _no_table(args)
    if args == list(DELETE_TABLE):
        if machine.facts.table is None:
            return _no_table(args)
        machine.facts.table = None
        return success()
    raise NotSimulated("arguments of nft")


def load_table(machine: Machine, path: str) -> CommandResult:
    """Put the table of a file in force, and return the result of `nft -f`."""
    table, result = _read_table(machine, path)
    if result.exit_status:
        return result
    machine.facts.table = table
    return success()


def _read_table(machine: Machine, path: str) -> tuple[str, CommandResult]:
    """Return the table of a file, and the result of `nft -c -f`."""
    table = machine.files.read(path)
    if table is None:
        return "", failure(f"internal:0:0-0: Error: Could not open file {path}: No such file")
    if has_syntax_error(table):
        return table, failure(f"{path}:1:1-1: Error: syntax error, unexpected end of file")
    return table, CommandResult()


def _no_table(args: list[str]) -> CommandResult:
    return failure(f"Error: No such file or directory\n{' '.join(args)}")


PROGRAMS = {"ip": _ip, "sshd": _sshd, "nft": _nft}
