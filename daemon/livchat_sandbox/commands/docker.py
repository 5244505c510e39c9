"""docker on a simulated machine: the engine, the swarm, networks, secrets, volumes and images."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from livchat_sandbox.commands.result import Answer, NotSimulated, done, exactly, fail
from livchat_sandbox.commands.systemd import NO_DAEMON
from livchat_sandbox.docker import api_views
from livchat_sandbox.docker.state import EngineError, digest
from livchat_sandbox.docker.time_text import stamp
from livchat_sandbox.machine.machine import Machine

_INIT = [
    "--advertise-addr",
    "*",
    "--default-addr-pool",
    "*",
    "--default-addr-pool-mask-length",
    "*",
]
_NETWORK = [
    "--driver", "overlay", "--attachable", "--subnet", "*",
    "--opt", "*", "*",
]  # fmt: skip
_OF_STACK = "label=com.docker.stack.namespace="
_MTU = "com.docker.network.driver.mtu="
_STACK = "label=com.docker.stack.namespace="


def docker(machine: Machine, given: list[str], stdin: str) -> Answer:
    """Answer `docker ...`; Portainer's and the stacks' part is in commands_stack."""
    subjects: dict[str, Callable[[Machine, list[str], str], Answer]] = {
        "version": _version,
        "info": _info,
        "swarm": _swarm,
        "node": _node,
        "network": _network,
        "secret": _secret,
        "volume": _volume,
        "image": _image,
    }
    if not given or given[0] not in subjects:
        raise NotSimulated(f"docker {' '.join(given[:1])}".strip())
    if not machine.engine.held.active:
        return fail(NO_DAEMON)
    try:
        return subjects[given[0]](machine, given[1:], stdin)
    except EngineError as refusal:
        return fail(f"Error response from daemon: {refusal}")


def printed(*objects: dict[str, Any]) -> str:
    """What `docker ... inspect` prints."""
    return json.dumps(list(objects), indent=4) + "\n"


def lines(objects: list[dict[str, Any]]) -> str:
    """What `--format {{json .}}` prints: an object a line."""
    return "".join(json.dumps(each) + "\n" for each in objects)


def _version(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given != ["--format", "{{.Server.Version}}"]:
        raise NotSimulated("docker version")
    return Answer(f"{machine.engine.held.version}\n")


def _info(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given != ["--format", "{{json .Swarm}}"]:
        raise NotSimulated("docker info")
    return Answer(json.dumps(api_views.swarm(machine.engine.held)) + "\n")


def _swarm(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if exactly(given, "init", *_INIT):
        node = machine.engine.swarm_init(given[2], given[4], int(given[6]))
        return done(f"Swarm initialized: current node ({node}) is now a manager.\n", seconds=1.5)
    if given == ["leave", "--force"]:
        machine.engine.swarm_leave()
        return done("Node left the swarm.\n", seconds=1.0)
    raise NotSimulated("docker swarm")


def _node(machine: Machine, given: list[str], _stdin: str) -> Answer:
    held = machine.engine.held
    if given == ["inspect", "self"]:
        if held.swarm is None:
            return Answer("[]\n", f"Error response from daemon: {_no_manager(machine)}\n", 1)
        return Answer(
            printed(api_views.node(held, held.swarm, machine.facts.cores, machine.memory))
        )
    if exactly(given, "update", "--label-add", "*", "*"):
        machine.engine.manager()
        # `self` is understood by `inspect` only.
        if held.swarm is None or given[3] != held.swarm["node"]:
            return fail(f"Error response from daemon: node {given[3]} not found")
        key, _, value = given[2].partition("=")
        held.labels[key] = value
        return done(f"{given[3]}\n")
    raise NotSimulated("docker node")


def _no_manager(machine: Machine) -> str:
    try:
        machine.engine.manager()
    except EngineError as refusal:
        return str(refusal)
    return ""


def _network(machine: Machine, given: list[str], _stdin: str) -> Answer:
    engine = machine.engine
    if exactly(given, "inspect", "*"):
        one = engine.held.networks.get(given[1])
        if one is None:
            return Answer("[]\n", f"Error response from daemon: network {given[1]} not found\n", 1)
        return Answer(printed(api_views.network(engine, given[1], one)))
    if exactly(given, "create", *_NETWORK) and given[7].startswith(_MTU):
        options = {_MTU[:-1]: given[7].removeprefix(_MTU)}
        made = engine.network_create(given[8], given[5], options, attachable=True)
        return done(f"{made.id}\n", seconds=0.2)
    if exactly(given, "ls", "--quiet", "--filter", "*") and given[3].startswith(_OF_STACK):
        stack = given[3].removeprefix(_OF_STACK)
        found = [each for each in engine.held.networks.values() if each.stack == stack]
        return Answer("".join(f"{each.id[:12]}\n" for each in found))
    if exactly(given, "rm", "*"):
        engine.network_remove(given[1])
        return done(f"{given[1]}\n")
    raise NotSimulated("docker network")


def _secret(machine: Machine, given: list[str], stdin: str) -> Answer:
    engine = machine.engine
    engine.manager()
    if exactly(given, "create", "*", "-"):
        if not stdin:
            raise EngineError("rpc error: code = InvalidArgument desc = secret data must be larger")
        return done(f"{engine.secret_create(given[1], stdin).id}\n")
    if not (exactly(given, "inspect", "*") or exactly(given, "rm", "*")):
        raise NotSimulated("docker secret")
    verb, name = given
    if name not in engine.held.secrets:
        return Answer("[]\n" if verb == "inspect" else "", f"Error: no such secret: {name}\n", 1)
    if verb == "inspect":
        return Answer(printed(api_views.secret(name, engine.held)))
    engine.secret_remove(name)
    return done(f"{name}\n")


def _volume(machine: Machine, given: list[str], _stdin: str) -> Answer:
    engine = machine.engine
    listed = exactly(given, "ls", "--format", "{{json .}}", "--filter", "*")
    if listed and given[4].startswith(_STACK):
        stack = given[4].removeprefix(_STACK)
        found = [(name, each) for name, each in engine.held.volumes.items() if each.stack == stack]
        return Answer(
            lines(
                [
                    {
                        "Availability": "N/A",
                        "Driver": "local",
                        "Group": "N/A",
                        "Labels": f"com.docker.stack.namespace={stack}",
                        "Links": "N/A",
                        "Mountpoint": f"/var/lib/docker/volumes/{name}/_data",
                        "Name": name,
                        "Scope": "local",
                        "Size": "N/A",
                        "Status": "N/A",
                    }
                    for name, _ in found
                ]
            )
        )
    if given[:1] == ["rm"] and given[1:] and not given[1].startswith("-"):
        return _remove_volumes(machine, given[1:])
    raise NotSimulated("docker volume")


def _remove_volumes(machine: Machine, names: list[str]) -> Answer:
    said, errors = "", ""
    for name in names:
        try:
            machine.engine.volume_remove(name)
            said += f"{name}\n"
        except EngineError as refusal:
            errors += f"Error response from daemon: {refusal}\n"
    return Answer(said, errors, 1 if errors else 0, changed=bool(said))


def _image(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if not exactly(given, "inspect", "*"):
        raise NotSimulated("docker image")
    ready = machine.engine.held.images.get(given[1])
    if ready is None or ready > machine.clock.now():
        return Answer("[]\n", f"Error response from daemon: No such image: {given[1]}\n", 1)
    return Answer(
        printed(
            {
                "Id": f"sha256:{digest('image', given[1])}",
                "RepoTags": [given[1]],
                "Created": stamp(ready),
                "Architecture": "arm64" if machine.facts.architecture == "arm" else "amd64",
                "Os": "linux",
            }
        )
    )
