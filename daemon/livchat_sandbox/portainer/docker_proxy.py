"""Portainer's proxy to the Docker Engine API of its machine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from livchat_sandbox.docker import api_views
from livchat_sandbox.docker.state import EngineError
from livchat_sandbox.portainer.http import ApiError, json_response

if TYPE_CHECKING:
    from livchat_sandbox.docker.state import Service
    from livchat_sandbox.machine.machine import Machine

Filters = dict[str, list[str]]


def proxy(request: web.BaseRequest, machine: Machine, path: str) -> web.Response:
    """Return Docker's answer to a request; an error is `{"message"}` with its own status."""
    path = re.sub(r"^/v1\.\d+", "", path)
    filters = _parse_filters(request.query.get("filters"))
    try:
        if request.method == "GET" and path in _LISTS:
            return json_response(_LISTS[path](machine, filters))
        match = re.fullmatch(r"/(services|networks)/([^/]+)", path)
        if match and request.method == "GET":
            return json_response(_one(machine, match[1], match[2]))
    except EngineError as refusal:
        return json_response({"message": str(refusal)}, status=refusal.status)
    return json_response(
        {"message": f"sandbox: not simulated: {request.method} {path} of the Docker API"},
        status=501,
    )


def _parse_filters(text: str | None) -> Filters:
    """Return Docker's filters from `{"name": ["x"]}` or the older `{"name": {"x": true}}`."""
    if not text:
        return {}
    try:
        return {key: list(values) for key, values in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ApiError(400, "invalid filter") from error


def _swarm(machine: Machine, _filters: Filters) -> Any:
    machine.engine.require_manager()
    return api_views.cluster_view(machine.engine.state.swarm or {})


def _info(machine: Machine, _filters: Filters) -> Any:
    return api_views.info_view(machine.engine, machine.facts.cores, machine.memory)


def _has_labels(labels: dict[str, str], wanted: list[str]) -> bool:
    """Whether labels meet all filters: `key` or `key=value`."""
    for label in wanted:
        key, equal, value = label.partition("=")
        if key not in labels or (equal and labels[key] != value):
            return False
    return True


def _matching_services(machine: Machine, filters: Filters) -> list[Service]:
    machine.engine.require_manager()
    names, ids = filters.get("name", []), filters.get("id", [])
    return [
        service
        for service in machine.engine.state.services.values()
        if (not names or any(service.name.startswith(name) for name in names))
        and (not ids or any(service.id.startswith(each) for each in ids))
        and _has_labels(
            {**service.spec.labels, "com.docker.stack.namespace": service.stack},
            filters.get("label", []),
        )
    ]


def _services(machine: Machine, filters: Filters) -> Any:
    return [
        api_views.service_view(machine.engine, each)
        for each in _matching_services(machine, filters)
    ]


def _tasks(machine: Machine, filters: Filters) -> Any:
    services = _matching_services(machine, {"label": filters.get("label", [])})
    wanted = filters.get("service", [])
    node = (machine.engine.state.swarm or {}).get("node", "")
    desired = filters.get("desired-state", [])
    return [
        api_views.task_view(task, node)
        for service in services
        if not wanted or service.name in wanted or service.id in wanted
        for task in machine.engine.tasks(service)
        if not desired or task.desired in desired
    ]


def _networks(machine: Machine, filters: Filters) -> Any:
    names = filters.get("name", [])
    return [
        api_views.network_view(machine.engine, name, network)
        for name, network in machine.engine.state.networks.items()
        if not names or any(wanted in name for wanted in names)
    ]


def _containers(machine: Machine, filters: Filters) -> Any:
    views = [
        api_views.container_view(machine.engine.state, each) for each in machine.engine.containers()
    ]
    return [view for view in views if _has_labels(view["Labels"], filters.get("label", []))]


def _nodes(machine: Machine, _filters: Filters) -> Any:
    machine.engine.require_manager()
    held = machine.engine.state
    return [api_views.node_view(held, held.swarm or {}, machine.facts.cores, machine.memory)]


def _secrets(machine: Machine, _filters: Filters) -> Any:
    machine.engine.require_manager()
    return [
        api_views.secret_view(name, machine.engine.state) for name in machine.engine.state.secrets
    ]


def _volumes(machine: Machine, _filters: Filters) -> Any:
    names = machine.engine.state.volumes
    return {"Volumes": [{"Name": name, "Driver": "local"} for name in names], "Warnings": None}


def _one(machine: Machine, kind: str, name: str) -> dict[str, Any]:
    engine = machine.engine
    if kind == "networks":
        for known, network in engine.state.networks.items():
            if name in {known, network.id}:
                return api_views.network_view(engine, known, network)
        raise EngineError(f"network {name} not found", 404)
    engine.require_manager()
    for service in engine.state.services.values():
        if name in {service.name, service.id}:
            return api_views.service_view(engine, service)
    raise EngineError(f"service {name} not found", 404)


_LISTS: dict[str, Callable[[Machine, Filters], Any]] = {
    "/swarm": _swarm,
    "/info": _info,
    "/version": lambda machine, _filters: {
        "Version": machine.engine.state.version,
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
