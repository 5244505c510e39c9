"""One service of a stack: its definition with the variables' values and Swarm's settings."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from livchat.errors import InvalidRequest
from livchatd.catalog.catalog import App
from livchatd.catalog.schema import Job, ServiceHints
from livchatd.catalog.traefik_labels import DATA_NETWORK, EDGE_NETWORK
from livchatd.catalog.variables import Unset, escape, substitute, walk

DATA_LABEL = "livchat.data"
"""The label (`true`) of the node that holds the volumes: a local volume exists on one node only."""

Values = Mapping[str, str | None]
Tree = dict[str, Any]

_HEALTHCHECK = {
    "interval": "15s",
    "timeout": "5s",
    "retries": 4,
    "start_period": "60s",
    "start_interval": "3s",
}
_RESTART = {"condition": "any", "delay": "5s", "window": "60s"}


def swarm_service(app: App, name: str, values: Values, secrets: Mapping[str, str]) -> Tree:
    """Return a service as the stack's Compose file has it, without labels; each `$` is doubled."""
    raw = deepcopy(app.services[name])
    hints = ServiceHints.model_validate(raw.pop("x-livchat", {}))
    raw.pop("depends_on", None)
    environment = _environment(raw.pop("environment", {}), values)
    service: Tree = walk(raw, lambda text: escape(_substitute(app, name, text, values)))
    if environment:
        service["environment"] = environment
    service["networks"] = _networks(app, name, hints)
    mounts = _secrets(app, name, service.pop("secrets", []), secrets)
    if mounts:
        service["secrets"] = mounts
    if service.get("healthcheck"):
        service["healthcheck"] = _HEALTHCHECK | service["healthcheck"]
    service.setdefault("init", True)
    service.setdefault("stop_grace_period", "30s")
    service["deploy"] = _merge(_deploy(app, service, hints), service.get("deploy", {}))
    return service


def swarm_job(app: App, job: Job, values: Values, secrets: Mapping[str, str]) -> Tree:
    """Return a job as a Swarm service that runs once, made from the service that it is `like`."""
    service = swarm_service(app, job.like, values, secrets)
    service |= {
        "image": escape(_substitute(app, job.name, job.image, values))
        if job.image
        else service["image"],
        "command": [escape(_substitute(app, job.name, part, values)) for part in job.command],
        "healthcheck": {"disable": True},
    }
    environment = service.get("environment", {}) | _environment(job.environment, values)
    if environment:
        service["environment"] = environment
    mounts = [*service.get("secrets", []), *_secrets(app, job.name, [], secrets)]
    if mounts:
        service["secrets"] = mounts
    if job.user:
        service["user"] = job.user
    # Traefik must not route to a job, so a job is not on the network of routed services.
    service["networks"] = [name for name in service["networks"] if name != "edge"] or ["default"]
    resources = service["deploy"].get("resources", {})
    service["deploy"] = {
        "mode": "replicated-job",
        "replicas": 1,
        "restart_policy": {"condition": "on-failure", "delay": "5s", "max_attempts": job.retries},
        "resources": {"limits": resources.get("limits", {})},
    }
    if _stateful(service):
        service["deploy"]["placement"] = _data_node_constraint()
    return service


def stack_networks(services: Mapping[str, Tree]) -> Tree:
    """Return the top-level `networks` of a Compose file with these services."""
    used = {name for service in services.values() for name in service["networks"]}
    known: Tree = {
        "default": {"driver": "overlay"},
        "edge": {"external": True, "name": EDGE_NETWORK},
        "data": {"external": True, "name": DATA_NETWORK},
    }
    return {name: network for name, network in known.items() if name in used}


def _substitute(app: App, name: str, text: str, values: Values) -> str:
    try:
        return substitute(text, values)
    except Unset as error:
        raise InvalidRequest.field(
            f"config.{error.name.lower()}",
            f"{app.id} needs it for its service {name}",
            hint=f"livchat app info {app.id}",
        ) from None


def _environment(raw: Mapping[str, Any], values: Values) -> dict[str, str]:
    """Return a service's environment, without variables whose optional parameter has no value."""
    found: dict[str, str] = {}
    for key, value in raw.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        try:
            found[key] = escape(substitute(text, values))
        except Unset:
            continue
    return found


def _networks(app: App, name: str, hints: ServiceHints) -> list[str]:
    if hints.networks is not None:
        return list(hints.networks)
    found = ["default"] if len(app.services) > 1 else []
    if any(route.service == name for route in app.spec.routes.values()):
        found.append("edge")
    if app.spec.uses or any(offer.service == name for offer in app.spec.provides):
        found.append("data")
    return found or ["default"]


def _secrets(app: App, name: str, mounted: list[str], names: Mapping[str, str]) -> list[Tree]:
    mounts: list[Tree] = [{"source": key, "target": key, "mode": 0o444} for key in mounted]
    for key, file in app.spec.files.items():
        if name in file.services:
            source = f"file_{key}"
            mounts.append({"source": source, "target": file.target, "mode": file.mode})
    return [mount for mount in mounts if mount["source"] in names]


def _deploy(app: App, service: Tree, hints: ServiceHints) -> Tree:
    failure_action = "rollback" if app.spec.update.rollback == "image" else "pause"
    order = hints.order or "stop-first"
    deploy: Tree = {
        "mode": "replicated",
        "replicas": 1,
        # A virtual address drops idle connections, and needs IPVS in the kernel.
        "endpoint_mode": "dnsrr",
        "resources": {"limits": {"pids": 1000}},
        "restart_policy": dict(_RESTART),
        "update_config": {
            "parallelism": 1,
            "order": order,
            "failure_action": failure_action,
            "monitor": "30s",
            "delay": "5s",
        },
        "rollback_config": {
            "parallelism": 1,
            "order": order,
            "failure_action": "pause",
            "monitor": "30s",
        },
    }
    if _stateful(service):
        deploy["placement"] = _data_node_constraint()
    return deploy


def _stateful(service: Tree) -> bool:
    return any(
        mount.get("type") == "volume" if isinstance(mount, Mapping) else not mount.startswith("/")
        for mount in service.get("volumes", [])
    )


def _data_node_constraint() -> Tree:
    return {"constraints": [f"node.labels.{DATA_LABEL}==true"]}


def _merge(under: Tree, over: Mapping[str, Any]) -> Tree:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        deep = isinstance(below, dict) and isinstance(value, Mapping)
        merged[key] = _merge(below, value) if deep and below is not None else value
    return merged
