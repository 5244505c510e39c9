"""docker's stacks, services and containers on a simulated machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from livchat_sandbox.commands.docker import lines, printed
from livchat_sandbox.commands.result import Answer, NotSimulated, done, exactly, fail
from livchat_sandbox.commands.systemd import NO_DAEMON
from livchat_sandbox.docker import api_views, postgres
from livchat_sandbox.docker.compose import ComposeError
from livchat_sandbox.docker.images import family
from livchat_sandbox.docker.state import EngineError, Service
from livchat_sandbox.docker.swarm import NO_MANAGER
from livchat_sandbox.docker.tasks import Task
from livchat_sandbox.docker.time_text import ago, stamp
from livchat_sandbox.machine.machine import Machine

_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]*$")
_PSQL = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "*"]
_SERVICE = "label=com.docker.swarm.service.name="
_OF_STACK = "label=com.docker.stack.namespace="
_STARTING = (
    'psql: error: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: '
    "No such file or directory\n\tIs the server running locally and accepting connections on that "
    "socket?"
)


def stack(machine: Machine, given: list[str], stdin: str) -> Answer:
    """`docker stack deploy | rm | ls | services | ps`."""
    rest = given[1:]
    act = next((act for form, act in _STACK if exactly(rest, *form)), None)
    if act is None:
        raise NotSimulated(f"docker stack {' '.join(rest[:1])}".strip())
    if not machine.engine.held.active:
        return fail(NO_DAEMON)
    if machine.engine.held.swarm is None:
        return fail(NO_MANAGER if act is _deploy else f"Error response from daemon: {NO_MANAGER}")
    return act(machine, rest[-1], stdin)


def _deploy(machine: Machine, name: str, stdin: str) -> Answer:
    if not _NAME.match(name):
        return fail(f'invalid stack name: "{name}"')
    try:
        said = machine.engine.deploy(name, stdin)
    except (ComposeError, EngineError) as refusal:
        return fail(str(refusal))
    return done("".join(f"{line}\n" for line in said), seconds=0.5)


def _rm(machine: Machine, name: str, _stdin: str) -> Answer:
    said = machine.engine.remove(name)
    if not said:
        return Answer(stderr=f"Nothing found in stack: {name}\n")
    return done("".join(f"{line}\n" for line in said), seconds=0.3)


def _ls(machine: Machine, _name: str, _stdin: str) -> Answer:
    return Answer(
        lines(
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


def _services(machine: Machine, name: str, _stdin: str) -> Answer:
    services = machine.engine.of(name)
    if not services:
        return Answer(stderr=f"Nothing found in stack: {name}\n")
    return Answer(lines([_line(machine, each) for each in services]))


def _line(machine: Machine, service: Service) -> dict[str, Any]:
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


def _ps(machine: Machine, name: str, _stdin: str) -> Answer:
    tasks = [task for service in machine.engine.of(name) for task in machine.engine.tasks(service)]
    if not tasks:
        return fail(f"nothing found in stack: {name}")
    now = machine.clock.now()
    return Answer(
        lines(
            [
                {
                    "CurrentState": f"{task.state.capitalize()} {ago(now - task.since)} ago",
                    "DesiredState": task.desired.capitalize(),
                    "Error": f'"{task.error}"' if task.error else "",
                    "ID": task.id,
                    "Image": task.image,
                    "Name": task.name,
                    "Node": "" if task.state == "pending" else machine.engine.held.name,
                    "Ports": "",
                }
                for task in tasks
            ]
        )
    )


_STACK: tuple[tuple[tuple[str, ...], Callable[[Machine, str, str], Answer]], ...] = (
    (("deploy", "--detach=true", "--prune", "-c", "-", "*"), _deploy),
    (("deploy", "--prune", "-c", "-", "*"), _deploy),
    (("rm", "--detach=true", "*"), _rm),
    (("rm", "*"), _rm),
    (("ls", "--format", "{{json .}}"), _ls),
    (("services", "--format", "{{json .}}", "*"), _services),
    (("ps", "--format", "{{json .}}", "--no-trunc", "*"), _ps),
)


def service(machine: Machine, given: list[str], _stdin: str) -> Answer:
    """`docker service inspect NAME... | logs TASK`: simulated programs print nothing."""
    names = given[2:]
    if exactly(given, "service", "logs", "--raw", "--tail", "10", "*"):
        return Answer() if machine.engine.held.active else fail(NO_DAEMON)
    if given[1:2] != ["inspect"] or not names or any(name.startswith("-") for name in names):
        raise NotSimulated("docker service")
    engine = machine.engine
    if not engine.held.active:
        return fail(NO_DAEMON)
    if engine.held.swarm is None:
        return Answer("[]\n", f"Error response from daemon: {NO_MANAGER}\n", 1)
    by_id = {each.id: each for each in engine.held.services.values()}
    found = [engine.held.services.get(name) or by_id.get(name) for name in names]
    missing = [name for name, each in zip(names, found, strict=True) if each is None]
    return Answer(
        printed(*(api_views.service(engine, each) for each in found if each)),
        "".join(f"Error: no such service: {name}\n" for name in missing),
        1 if missing else 0,
    )


def containers(machine: Machine, given: list[str], _stdin: str) -> Answer:
    """`docker ps` of one service, or of a stack by ids alone."""
    if exactly(given, "ps", "--quiet", "--filter", "*") and given[3].startswith(_OF_STACK):
        if not machine.engine.held.active:
            return fail(NO_DAEMON)
        stack = given[3].removeprefix(_OF_STACK)
        of_stack = [task for task in machine.engine.containers() if task.service.stack == stack]
        return Answer("".join(f"{task.container[:12]}\n" for task in of_stack))
    if not exactly(given, "ps", "--no-trunc", "--format", "{{json .}}", "--filter", "*"):
        raise NotSimulated("docker ps")
    if not given[5].startswith(_SERVICE):
        raise NotSimulated("docker ps --filter")
    if not machine.engine.held.active:
        return fail(NO_DAEMON)
    wanted = given[5].removeprefix(_SERVICE)
    tasks = [task for task in machine.engine.containers() if task.service.name == wanted]
    return Answer(lines([_container(machine, task) for task in tasks]))


def _container(machine: Machine, task: Task) -> dict[str, Any]:
    up = ago(machine.clock.now() - task.since)
    health = ""
    if task.service.spec.checked:
        health = " (healthy)" if task.serving else " (health: starting)"
    described = api_views.running(machine.engine.held, task)
    return {
        "Command": '"/entrypoint"',
        "CreatedAt": stamp(task.created),
        "ID": task.container,
        "Image": task.image,
        "Labels": ",".join(f"{key}={value}" for key, value in described["Labels"].items()),
        "Names": f"{task.name}.{task.id}",
        "Networks": ",".join(task.service.spec.networks),
        "Ports": "",
        "RunningFor": f"{up} ago",
        "State": "running",
        "Status": f"Up {up}{health}",
    }


def _find(machine: Machine, container: str) -> Task | None:
    if len(container) < 12:
        return None
    for task in machine.engine.containers():
        if container in {task.container[: len(container)], f"{task.name}.{task.id}"}:
            return task
    return None


def inspect(machine: Machine, given: list[str], _stdin: str) -> Answer:
    """`docker inspect` for the network sandbox of a container."""
    if not exactly(given, "inspect", "--format", "{{.NetworkSettings.SandboxID}}", "*"):
        raise NotSimulated("docker inspect")
    if not machine.engine.held.active:
        return fail(NO_DAEMON)
    task = _find(machine, given[3])
    if task is None:
        return Answer("\n", f"Error: No such object: {given[3]}\n", 1)
    return Answer(f"{task.sandbox}\n")


def execute(machine: Machine, given: list[str], stdin: str) -> Answer:
    """`docker exec -i CONTAINER psql ...`."""
    if not exactly(given, "exec", "-i", "*", *_PSQL):
        raise NotSimulated("docker exec")
    if not machine.engine.held.active:
        return fail(NO_DAEMON)
    task = _find(machine, given[2])
    if task is None:
        return fail(f"Error response from daemon: No such container: {given[2]}")
    if family(task.image).name != "postgres":
        return fail(
            "OCI runtime exec failed: exec failed: unable to start container process: "
            'exec: "psql": executable file not found in $PATH: unknown',
            127,
        )
    if not task.serving:
        return fail(_STARTING, 2)
    cluster = machine.engine.timeline.cluster(task.service)
    stdout, stderr, code = postgres.run(cluster, given[-1], stdin, machine.clock.now())
    return Answer(stdout, stderr, code, changed=True)
