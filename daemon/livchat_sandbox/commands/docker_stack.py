"""docker on a simulated machine: stacks, services and containers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from livchat_sandbox.commands.docker import STACK_FILTER, inspect_output, json_lines
from livchat_sandbox.commands.result import CommandResult, NotSimulated, failure, matches, success
from livchat_sandbox.commands.systemd import NO_DOCKER_DAEMON
from livchat_sandbox.docker import api_views, psql
from livchat_sandbox.docker.compose import ComposeError
from livchat_sandbox.docker.images import profile_of
from livchat_sandbox.docker.state import EngineError, Service
from livchat_sandbox.docker.swarm import NOT_A_MANAGER
from livchat_sandbox.docker.tasks import Task
from livchat_sandbox.docker.time_text import ago, timestamp
from livchat_sandbox.machine.machine import Machine

_STACK_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]*$")
_PSQL = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "*"]
_SERVICE_FILTER = "label=com.docker.swarm.service.name="
_POSTGRES_STARTING = (
    'psql: error: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: '
    "No such file or directory\n\tIs the server running locally and accepting connections on that "
    "socket?"
)


def stack(machine: Machine, args: list[str], stdin: str) -> CommandResult:
    """Run `docker stack deploy | rm | ls | services | ps`."""
    rest = args[1:]
    run = next((run for pattern, run in _STACK_COMMANDS if matches(rest, *pattern)), None)
    if run is None:
        raise NotSimulated(f"docker stack {' '.join(rest[:1])}".strip())
    if not machine.engine.state.active:
        return failure(NO_DOCKER_DAEMON)
    if machine.engine.state.swarm is None:
        prefix = "" if run is _deploy else "Error response from daemon: "
        return failure(prefix + NOT_A_MANAGER)
    return run(machine, rest[-1], stdin)


def _deploy(machine: Machine, name: str, stdin: str) -> CommandResult:
    if not _STACK_NAME.match(name):
        return failure(f'invalid stack name: "{name}"')
    try:
        output = machine.engine.deploy(name, stdin)
    except (ComposeError, EngineError) as error:
        return failure(str(error))
    return success("".join(f"{line}\n" for line in output), seconds=0.5)


def _rm(machine: Machine, name: str, _stdin: str) -> CommandResult:
    output = machine.engine.remove(name)
    if not output:
        return CommandResult(stderr=f"Nothing found in stack: {name}\n")
    return success("".join(f"{line}\n" for line in output), seconds=0.3)


def _ls(machine: Machine, _name: str, _stdin: str) -> CommandResult:
    return CommandResult(
        json_lines(
            [
                {
                    "Name": each["name"],
                    "Namespace": "",
                    "Orchestrator": "Swarm",
                    "Services": str(len(each["services"])),
                }
                for each in machine.stacks()
            ]
        )
    )


def _services(machine: Machine, name: str, _stdin: str) -> CommandResult:
    services = machine.engine.services_of(name)
    if not services:
        return CommandResult(stderr=f"Nothing found in stack: {name}\n")
    return CommandResult(json_lines([_service_line(machine, each) for each in services]))


def _service_line(machine: Machine, service: Service) -> dict[str, Any]:
    tasks, spec = machine.engine.tasks(service), service.spec
    running = sum(task.state == "running" for task in tasks)
    replicas = f"{running}/{spec.replicas}"
    if spec.mode.endswith("-job"):
        completed = sum(task.state == "complete" for task in tasks)
        replicas = f"{running}/1 ({completed}/{spec.replicas} completed)"
    ports = [
        f"*:{port['PublishedPort']}->{port['TargetPort']}/{port['Protocol']}"
        for port in spec.ports
        if port["PublishMode"] == "ingress" and port["PublishedPort"]
    ]
    return {
        "ID": service.id[:12],
        "Image": spec.image,
        "Mode": spec.mode.replace("-", " "),
        "Name": service.name,
        "Ports": ", ".join(ports),
        "Replicas": replicas,
    }


def _ps(machine: Machine, name: str, _stdin: str) -> CommandResult:
    tasks = [
        task
        for service in machine.engine.services_of(name)
        for task in machine.engine.tasks(service)
    ]
    if not tasks:
        return failure(f"nothing found in stack: {name}")
    now = machine.clock.now()
    return CommandResult(
        json_lines(
            [
                {
                    "CurrentState": f"{task.state.capitalize()} {ago(now - task.since)} ago",
                    "DesiredState": task.desired.capitalize(),
                    "Error": f'"{task.error}"' if task.error else "",
                    "ID": task.id,
                    "Image": task.image,
                    "Name": task.name,
                    "Node": "" if task.state == "pending" else machine.engine.state.name,
                    "Ports": "",
                }
                for task in tasks
            ]
        )
    )


_STACK_COMMANDS: tuple[
    tuple[tuple[str, ...], Callable[[Machine, str, str], CommandResult]], ...
] = (
    (("deploy", "--detach=true", "--prune", "-c", "-", "*"), _deploy),
    (("deploy", "--prune", "-c", "-", "*"), _deploy),
    (("rm", "--detach=true", "*"), _rm),
    (("rm", "*"), _rm),
    (("ls", "--format", "{{json .}}"), _ls),
    (("services", "--format", "{{json .}}", "*"), _services),
    (("ps", "--format", "{{json .}}", "--no-trunc", "*"), _ps),
)


def service(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    """Run `docker service inspect NAME... | logs TASK`; simulated programs have no logs."""
    names = args[2:]
    if matches(args, "service", "logs", "--raw", "--tail", "10", "*"):
        return CommandResult() if machine.engine.state.active else failure(NO_DOCKER_DAEMON)
    if args[1:2] != ["inspect"] or not names or any(name.startswith("-") for name in names):
        raise NotSimulated("docker service")
    engine = machine.engine
    if not engine.state.active:
        return failure(NO_DOCKER_DAEMON)
    if engine.state.swarm is None:
        return CommandResult("[]\n", f"Error response from daemon: {NOT_A_MANAGER}\n", 1)
    by_id = {each.id: each for each in engine.state.services.values()}
    services = [engine.state.services.get(name) or by_id.get(name) for name in names]
    missing = [name for name, each in zip(names, services, strict=True) if each is None]
    return CommandResult(
        inspect_output(*(api_views.service_view(engine, each) for each in services if each)),
        "".join(f"Error: no such service: {name}\n" for name in missing),
        1 if missing else 0,
    )


def containers(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    """Run `docker ps` for one service, or for a stack with ids alone."""
    if matches(args, "ps", "--quiet", "--filter", "*") and args[3].startswith(STACK_FILTER):
        if not machine.engine.state.active:
            return failure(NO_DOCKER_DAEMON)
        stack = args[3].removeprefix(STACK_FILTER)
        of_stack = [task for task in machine.engine.containers() if task.service.stack == stack]
        return CommandResult("".join(f"{task.container[:12]}\n" for task in of_stack))
    if not matches(args, "ps", "--no-trunc", "--format", "{{json .}}", "--filter", "*"):
        raise NotSimulated("docker ps")
    if not args[5].startswith(_SERVICE_FILTER):
        raise NotSimulated("docker ps --filter")
    if not machine.engine.state.active:
        return failure(NO_DOCKER_DAEMON)
    name = args[5].removeprefix(_SERVICE_FILTER)
    tasks = [task for task in machine.engine.containers() if task.service.name == name]
    return CommandResult(json_lines([_container_line(machine, task) for task in tasks]))


def _container_line(machine: Machine, task: Task) -> dict[str, Any]:
    up = ago(machine.clock.now() - task.since)
    health = ""
    if task.service.spec.checked:
        health = " (healthy)" if task.serving else " (health: starting)"
    view = api_views.container_view(machine.engine.state, task)
    return {
        "Command": '"/entrypoint"',
        "CreatedAt": timestamp(task.created),
        "ID": task.container,
        "Image": task.image,
        "Labels": ",".join(f"{key}={value}" for key, value in view["Labels"].items()),
        "Names": f"{task.name}.{task.id}",
        "Networks": ",".join(task.service.spec.networks),
        "Ports": "",
        "RunningFor": f"{up} ago",
        "State": "running",
        "Status": f"Up {up}{health}",
    }


def _find_task(machine: Machine, container: str) -> Task | None:
    if len(container) < 12:
        return None
    for task in machine.engine.containers():
        if container in {task.container[: len(container)], f"{task.name}.{task.id}"}:
            return task
    return None


def inspect(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    """Run `docker inspect` for the network sandbox of a container."""
    if not matches(args, "inspect", "--format", "{{.NetworkSettings.SandboxID}}", "*"):
        raise NotSimulated("docker inspect")
    if not machine.engine.state.active:
        return failure(NO_DOCKER_DAEMON)
    task = _find_task(machine, args[3])
    if task is None:
        return CommandResult("\n", f"Error: No such object: {args[3]}\n", 1)
    return CommandResult(f"{task.sandbox}\n")


def exec_psql(machine: Machine, args: list[str], stdin: str) -> CommandResult:
    """Run `docker exec -i CONTAINER psql ...`."""
    if not matches(args, "exec", "-i", "*", *_PSQL):
        raise NotSimulated("docker exec")
    if not machine.engine.state.active:
        return failure(NO_DOCKER_DAEMON)
    task = _find_task(machine, args[2])
    if task is None:
        return failure(f"Error response from daemon: No such container: {args[2]}")
    if profile_of(task.image).name != "postgres":
        return failure(
            "OCI runtime exec failed: exec failed: unable to start container process: "
            'exec: "psql": executable file not found in $PATH: unknown',
            127,
        )
    if not task.serving:
        return failure(_POSTGRES_STARTING, 2)
    cluster = machine.engine.timeline.cluster(task.service)
    stdout, stderr, exit_status = psql.run_script(cluster, args[-1], stdin, machine.clock.now())
    return CommandResult(stdout, stderr, exit_status, changed=True)
