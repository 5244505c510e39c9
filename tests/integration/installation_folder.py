"""What the daemon knows beside what its sandbox holds: each difference as a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.integration.daemon_process import DaemonProcess

BASE = {"portainer", "traefik"}
"""The stacks that a set-up makes."""
SETTLED = {"running", "ready"}


def differences(daemon: DaemonProcess) -> list[str]:
    """Where the sandbox and the inventory do not say the same, once no job is at work."""
    world = daemon.sandbox("status")
    known = daemon.request("GET", "/api/servers").json["servers"]
    found = [*twice(world), *_servers(world, known), *_costs(world, known)]
    found += _records(world, known)
    for name, server in known.items():
        if server["status"] == "lost":
            continue
        found += _stacks(daemon, world, name, server)
    return found


def twice(world: dict[str, Any]) -> list[str]:
    """What exists more than once where it must not."""
    return [
        *_repeated("server", [server["name"] for server in world["servers"]]),
        *_repeated("key", [key["name"] for key in world["ssh_keys"]]),
        *_repeated("record", [f"{one['type']} {one['name']}" for one in world["dns_records"]]),
        *_repeated("stack", [f"{stack['name']} on {stack['server']}" for stack in world["stacks"]]),
        *_repeated("address", [_whose(one) for one in world["primary_ips"]]),
    ]


def holdings(daemon: DaemonProcess) -> dict[str, list[str]]:
    """The names of what exists at the provider and in DNS, and of the stacks."""
    world = daemon.sandbox("status")
    return {
        "servers": sorted(server["name"] for server in world["servers"]),
        "addresses": sorted(_whose(one) for one in world["primary_ips"]),
        "keys": sorted(key["name"] for key in world["ssh_keys"]),
        "records": sorted(record["name"] for record in world["dns_records"]),
        "stacks": sorted(f"{stack['name']} on {stack['server']}" for stack in world["stacks"]),
    }


def units(daemon: DaemonProcess, server: str) -> list[str]:
    """The units of jobs that a server has, running or not; its updates are its own affair."""
    machine = daemon.sandbox(f"machines/{server}")
    names = [unit["name"] for unit in machine.get("units", [])]
    return [name for name in names if name != "livchat-updates"]


def _repeated(kind: str, names: Iterable[str]) -> list[str]:
    return [f"{kind} {name} exists {n} times" for name, n in Counter(names).items() if n > 1]


def _whose(address: dict[str, Any]) -> str:
    return f"{address['type']} {address['labels'].get('livchat.server') or address['server']}"


def _servers(world: dict[str, Any], known: dict[str, Any]) -> list[str]:
    there = {server["name"] for server in world["servers"]}
    found = [f"server {name} is forgotten" for name in there - known.keys()]
    found += [
        f"server {name} is known and does not exist"
        for name in known.keys() - there
        if known[name]["status"] != "lost"
    ]
    for server in world["servers"]:
        record = known.get(server["name"], {})
        if record and record["ip_address"] != server["ip"]:
            found.append(f"{server['name']} is known at {record['ip_address']}, not {server['ip']}")
        if record and record["status"] not in SETTLED:
            found.append(f"{server['name']} stays {record['status']}")
    return found


def _costs(world: dict[str, Any], known: dict[str, Any]) -> list[str]:
    there = {server["name"] for server in world["servers"]}
    numbers = {server["id"] for server in world["servers"]}
    # A deletion that was cancelled in the middle leaves a lost server, by which they are deleted.
    lost = {name for name, server in known.items() if server["status"] == "lost"}
    found = [
        f"address {one['ip']} belongs to nothing"
        for one in world["primary_ips"]
        if one["server"] not in numbers and one["labels"].get("livchat.server") not in lost
    ]
    keys = {key["name"].removeprefix("livchat-") for key in world["ssh_keys"]}
    # A machine needs its key at the provider for the moment of its order only.
    return found + [f"the key of {name} is forgotten" for name in keys - there - lost]


def _records(world: dict[str, Any], known: dict[str, Any]) -> list[str]:
    found = []
    for record in world["dns_records"]:
        _, _, server, app = (record["comment"] or ":::").split(":")
        holder = known.get(server, {"apps": [], "ip_address": None})
        if app not in holder["apps"]:
            found.append(f"record {record['name']} is of {app} on {server}, which is not there")
        elif record["content"] != holder["ip_address"]:
            found.append(f"record {record['name']} points at {record['content']}")
    return found


def _stacks(
    daemon: DaemonProcess, world: dict[str, Any], name: str, server: dict[str, Any]
) -> list[str]:
    apps = daemon.request("GET", f"/api/servers/{name}/apps").json["apps"]
    wanted = {app["app_name"] for app in apps} | (BASE if server["setup_at"] else set())
    there = {stack["name"] for stack in world["stacks"] if stack["server"] == name}
    found = [f"stack {stack} on {name} is forgotten" for stack in there - wanted]
    found += [f"stack {stack} on {name} is gone" for stack in wanted - there]
    found += [
        f"{app['app_name']} on {name} stays {app['status']}"
        for app in apps
        if app["status"] != "running"
    ]
    return found + [f"unit {unit} is still on {name}" for unit in units(daemon, name)]


def things(daemon: DaemonProcess, server: str) -> set[str]:
    """All that was made for a server and is there, in the words of a job's `left_behind`."""
    world = daemon.sandbox("status")
    found = {
        f"machine {one['name']} at sandbox" for one in world["servers"] if one["name"] == server
    }
    found |= {
        f"address {one['ip']} at sandbox"
        for one in world["primary_ips"]
        if one["labels"].get("livchat.server") == server
    }
    found |= {
        f"SSH key {one['name']} at sandbox"
        for one in world["ssh_keys"]
        if one["labels"].get("livchat.server") == server
    }
    found |= {
        f"record {one['name']}"
        for one in world["dns_records"]
        if (one["comment"] or "").split(":")[2:3] == [server]
    }
    return found | _inside(daemon.sandbox(f"machines/{server}"), server)


def _inside(machine: dict[str, Any], server: str) -> set[str]:
    """What is on the machine; images are a cache, and the networks of Docker are its own."""
    if "error" in machine:
        return set()
    docker = {"docker.io", "docker-ce"} & set(machine["packages"])
    found = {f"Docker on {server}"} if docker else set()
    found |= {f"firewall on {server}"} if machine["firewall"] else set()
    found |= {f"swarm on {server}"} if machine["swarm"] else set()
    found |= {f"stack {stack['name']} on {server}" for stack in machine["stacks"]}
    found |= {f"network {name}" for name in machine["networks"] if name.startswith("livchat_")}
    kinds = {"swap": "swap", "secrets": "secret", "volumes": "volume", "databases": "database"}
    return found | {
        f"{word} {name} on {server}" for kind, word in kinds.items() for name in machine[kind]
    }
