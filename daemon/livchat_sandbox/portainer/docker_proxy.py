"""Portainer's way through to the Docker Engine API of its machine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from livchat_sandbox.docker import api_views
from livchat_sandbox.docker.state import EngineError
from livchat_sandbox.portainer.http import Failure, answer

if TYPE_CHECKING:
    from livchat_sandbox.docker.state import Service
    from livchat_sandbox.machine.machine import Machine

Filters = dict[str, list[str]]


def proxy(request: web.BaseRequest, machine: Machine, path: str) -> web.Response:
    """Pass a request on; Docker's errors come back as `{"message"}` with its own status."""
    path = re.sub(r"^/v1\.\d+", "", path)
    filters = _filters(request.query.get("filters"))
    try:
        if request.method == "GET" and path in _LISTS:
            return answer(_LISTS[path](machine, filters))
        match = re.fullmatch(r"/(services|networks)/([^/]+)", path)
        if match and request.method == "GET":
            return answer(_one(machine, match[1], match[2]))
    except EngineError as refusal:
        return answer({"message": str(refusal)}, status=refusal.status)
    return answer(
        {"message": f"sandbox: not simulated: {request.method} {path} of the Docker API"},
        status=501,
    )


def _filters(given: str | None) -> Filters:
    """Docker's filters: `{"name": ["x"]}`, or the older `{"name": {"x": true}}`."""
    if not given:
        return {}
    try:
        return {key: list(values) for key, values in json.loads(given).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise Failure(400, "invalid filter") from error


def _swarm(machine: Machine, _filters: Filters) -> Any:
    machine.engine.manager()
    return api_views.cluster(machine.engine.held.swarm or {})


def _info(machine: Machine, _filters: Filters) -> Any:
    return api_views.info(machine.engine, machine.facts.cores, machine.memory)


def _labelled(labels: dict[str, str], wanted: list[str]) -> bool:
    for each in wanted:
        key, equal, value = each.partition("=")
        if key not in labels or (equal and labels[key] != value):
            return False
    return True


def _chosen(machine: Machine, filters: Filters) -> list[Service]:
    machine.engine.manager()
    names, ids = filters.get("name", []), filters.get("id", [])
    return [
        service
        for service in machine.engine.held.services.values()
        if (not names or any(service.name.startswith(name) for name in names))
        and (not ids or any(service.id.startswith(each) for each in ids))
        and _labelled(
            {**service.spec.labels, "com.docker.stack.namespace": service.stack},
            filters.get("label", []),
        )
    ]


def _services(machine: Machine, filters: Filters) -> Any:
    return [api_views.service(machine.engine, each) for each in _chosen(machine, filters)]


def _tasks(machine: Machine, filters: Filters) -> Any:
    services = _chosen(machine, {"label": filters.get("label", [])})
    wanted = filters.get("service", [])
    node = (machine.engine.held.swarm or {}).get("node", "")
    desired = filters.get("desired-state", [])
    return [
        api_views.task(task, node)
        for service in services
        if not wanted or service.name in wanted or service.id in wanted
        for task in machine.engine.tasks(service)
        if not desired or task.desired in desired
    ]


def _networks(machine: Machine, filters: Filters) -> Any:
    names = filters.get("name", [])
    return [
        api_views.network(machine.engine, name, network)
        for name, network in machine.engine.held.networks.items()
        if not names or any(wanted in name for wanted in names)
    ]


def _containers(machine: Machine, filters: Filters) -> Any:
    found = [api_views.running(machine.engine.held, each) for each in machine.engine.containers()]
    return [each for each in found if _labelled(each["Labels"], filters.get("label", []))]


def _nodes(machine: Machine, _filters: Filters) -> Any:
    machine.engine.manager()
    held = machine.engine.held
    return [api_views.node(held, held.swarm or {}, machine.facts.cores, machine.memory)]


def _secrets(machine: Machine, _filters: Filters) -> Any:
    machine.engine.manager()
    return [api_views.secret(name, machine.engine.held) for name in machine.engine.held.secrets]


def _volumes(machine: Machine, _filters: Filters) -> Any:
    names = machine.engine.held.volumes
    return {"Volumes": [{"Name": name, "Driver": "local"} for name in names], "Warnings": None}


def _one(machine: Machine, kind: str, name: str) -> dict[str, Any]:
    engine = machine.engine
    if kind == "networks":
        for known, network in engine.held.networks.items():
            if name in {known, network.id}:
                return api_views.network(engine, known, network)
        raise EngineError(f"network {name} not found", 404)
    engine.manager()
    for service in engine.held.services.values():
        if name in {service.name, service.id}:
            return api_views.service(engine, service)
    raise EngineError(f"service {name} not found", 404)


_LISTS: dict[str, Callable[[Machine, Filters], Any]] = {
    "/swarm": _swarm,
    "/info": _info,
    "/version": lambda machine, _filters: {
        "Version": machine.engine.held.version,
        "ApiVersion": "1.45",
        "MinAPIVersion": "1.24",
        "Os": "linux",
    },
    "/services": _services,
    "/tasks": _tasks,
    "/networks": _networks,
    "/containers/json": _containers,
    "/nodes": _nodes,
    "/secrets": _secrets,
    "/volumes": _volumes,
}
