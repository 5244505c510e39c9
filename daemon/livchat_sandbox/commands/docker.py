"""docker on a simulated machine: engine, swarm, node, networks, secrets, volumes, images."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from livchat_sandbox.commands.result import CommandResult, NotSimulated, failure, matches, success
from livchat_sandbox.commands.systemd import NO_DOCKER_DAEMON
from livchat_sandbox.docker import api_views
from livchat_sandbox.docker.state import EngineError, hex_id
from livchat_sandbox.docker.time_text import timestamp
from livchat_sandbox.machine.machine import Machine

_SWARM_INIT = [
    "--advertise-addr", "*",
    "--default-addr-pool", "*",
    "--default-addr-pool-mask-length", "*",
]  # fmt: skip
_NETWORK_CREATE = [
    "--driver", "overlay", "--attachable", "--subnet", "*",
    "--opt", "*", "*",
]  # fmt: skip
STACK_FILTER = "label=com.docker.stack.namespace="
_MTU = "com.docker.network.driver.mtu="


def docker(machine: Machine, args: list[str], stdin: str) -> CommandResult:
    """Run `docker ...`, but for stacks, services and containers, which are in docker_stack.py."""
    subjects: dict[str, Callable[[Machine, list[str], str], CommandResult]] = {
        "version": _version,
        "info": _info,
        "swarm": _swarm,
        "node": _node,
        "network": _network,
        "secret": _secret,
        "volume": _volume,
        "image": _image,
    }
    if not args or args[0] not in subjects:
        raise NotSimulated(f"docker {' '.join(args[:1])}".strip())
    if not machine.engine.state.active:
        return failure(NO_DOCKER_DAEMON)
    try:
        return subjects[args[0]](machine, args[1:], stdin)
    except EngineError as error:
        return failure(f"Error response from daemon: {error}")


def inspect_output(*objects: dict[str, Any]) -> str:
    """Return what `docker ... inspect` prints."""
    return json.dumps(list(objects), indent=4) + "\n"


def json_lines(objects: list[dict[str, Any]]) -> str:
    """Return what `--format {{json .}}` prints: one object a line."""
    return "".join(json.dumps(each) + "\n" for each in objects)


def _version(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args != ["--format", "{{.Server.Version}}"]:
        raise NotSimulated("docker version")
    return CommandResult(f"{machine.engine.state.version}\n")


def _info(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args != ["--format", "{{json .Swarm}}"]:
        raise NotSimulated("docker info")
    return CommandResult(json.dumps(api_views.swarm_view(machine.engine.state)) + "\n")


def _swarm(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if matches(args, "init", *_SWARM_INIT):
        node = machine.engine.swarm_init(args[2], args[4], int(args[6]))
        return success(f"Swarm initialized: current node ({node}) is now a manager.\n", seconds=1.5)
    if args == ["leave", "--force"]:
        machine.engine.swarm_leave()
        return success("Node left the swarm.\n", seconds=1.0)
    raise NotSimulated("docker swarm")


def _node(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    state = machine.engine.state
    if args == ["inspect", "self"]:
        if state.swarm is None:
            return CommandResult(
                "[]\n", f"Error response from daemon: {_manager_error(machine)}\n", 1
            )
        view = api_views.node_view(state, state.swarm, machine.facts.cores, machine.memory)
        return CommandResult(inspect_output(view))
    if matches(args, "update", "--label-add", "*", "*"):
        machine.engine.require_manager()
        # `self` is understood by `inspect` only.
        if state.swarm is None or args[3] != state.swarm["node"]:
            return failure(f"Error response from daemon: node {args[3]} not found")
        key, _, value = args[2].partition("=")
        state.labels[key] = value
        return success(f"{args[3]}\n")
    raise NotSimulated("docker node")


def _manager_error(machine: Machine) -> str:
    try:
        machine.engine.require_manager()
    except EngineError as error:
        return str(error)
    return ""


def _network(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    engine = machine.engine
    if matches(args, "inspect", "*"):
        network = engine.state.networks.get(args[1])
        if network is None:
            return CommandResult(
                "[]\n", f"Error response from daemon: network {args[1]} not found\n", 1
            )
        return CommandResult(inspect_output(api_views.network_view(engine, args[1], network)))
    if matches(args, "create", *_NETWORK_CREATE) and args[7].startswith(_MTU):
        options = {_MTU[:-1]: args[7].removeprefix(_MTU)}
        network = engine.network_create(args[8], args[5], options, attachable=True)
        return success(f"{network.id}\n", seconds=0.2)
    if matches(args, "ls", "--quiet", "--filter", "*") and args[3].startswith(STACK_FILTER):
        stack = args[3].removeprefix(STACK_FILTER)
        networks = [each for each in engine.state.networks.values() if each.stack == stack]
        return CommandResult("".join(f"{each.id[:12]}\n" for each in networks))
    if matches(args, "rm", "*"):
        engine.network_remove(args[1])
        return success(f"{args[1]}\n")
    raise NotSimulated("docker network")


def _secret(machine: Machine, args: list[str], stdin: str) -> CommandResult:
    engine = machine.engine
    engine.require_manager()
    if matches(args, "create", "*", "-"):
        if not stdin:
            raise EngineError("rpc error: code = InvalidArgument desc = secret data must be larger")
        return success(f"{engine.secret_create(args[1], stdin).id}\n")
    if not (matches(args, "inspect", "*") or matches(args, "rm", "*")):
        raise NotSimulated("docker secret")
    verb, name = args
    if name not in engine.state.secrets:
        return CommandResult(
            "[]\n" if verb == "inspect" else "", f"Error: no such secret: {name}\n", 1
        )
    if verb == "inspect":
        return CommandResult(inspect_output(api_views.secret_view(name, engine.state)))
    engine.secret_remove(name)
    return success(f"{name}\n")


def _volume(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    engine = machine.engine
    is_list = matches(args, "ls", "--format", "{{json .}}", "--filter", "*")
    if is_list and args[4].startswith(STACK_FILTER):
        stack = args[4].removeprefix(STACK_FILTER)
        volumes = engine.state.volumes.items()
        return CommandResult(
            json_lines(
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
                    for name, volume in volumes
                    if volume.stack == stack
                ]
            )
        )
    if args[:1] == ["rm"] and args[1:] and not args[1].startswith("-"):
        return _remove_volumes(machine, args[1:])
    raise NotSimulated("docker volume")


def _remove_volumes(machine: Machine, names: list[str]) -> CommandResult:
    removed, errors = "", ""
    for name in names:
        try:
            machine.engine.volume_remove(name)
            removed += f"{name}\n"
        except EngineError as error:
            errors += f"Error response from daemon: {error}\n"
    return CommandResult(removed, errors, 1 if errors else 0, changed=bool(removed))


def _image(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if not matches(args, "inspect", "*"):
        raise NotSimulated("docker image")
    ready = machine.engine.state.images.get(args[1])
    if ready is None or ready > machine.clock.now():
        return CommandResult("[]\n", f"Error response from daemon: No such image: {args[1]}\n", 1)
    return CommandResult(
        inspect_output(
            {
                "Id": f"sha256:{hex_id('image', args[1])}",
                "RepoTags": [args[1]],
                "Created": timestamp(ready),
                "Architecture": "arm64" if machine.facts.architecture == "arm" else "amd64",
                "Os": "linux",
            }
        )
    )
