"""Compose files as `docker stack deploy` reads them: services, with all names in full."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml


class ComposeError(Exception):
    """Docker's command line refuses a Compose file, in these words."""


@dataclass
class Spec:
    """The specification of a service; the field names are keys on disk.

    `networks` holds the service's aliases by the full name of a network.
    """

    image: str
    command: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    networks: dict[str, list[str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Name of a secret by its path in the container."""
    volumes: dict[str, str] = field(default_factory=dict)
    """Name of a volume by its path in the container."""
    ports: list[dict[str, Any]] = field(default_factory=list)
    mode: str = "replicated"
    replicas: int = 1
    checked: bool = False
    """Whether it has a health check, so that it counts as running only once it is healthy."""
    failure_action: str = "pause"
    start_first: bool = False
    constraints: list[str] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)


@dataclass
class Compose:
    """A stack: services by short name, the networks and volumes to create, and what must exist."""

    services: dict[str, Spec]
    networks: dict[str, dict[str, Any]]
    volumes: list[str]
    external_networks: list[str]
    external_secrets: list[str]


_VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)(?:(:?[-?])([^}]*))?\})")


def _substitute(text: str, env: Mapping[str, str]) -> str:
    def replacement(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name = match[2] or match[3]
        value = env.get(name, "")
        if value or (name in env and not (match[4] or "").startswith(":")):
            return value
        if (match[4] or "").endswith("?"):
            raise ComposeError(f"required variable {name} is missing a value: {match[5]}")
        return match[5] or ""

    return _VARIABLE.sub(replacement, text)


def _interpolate(node: Any, env: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        return _substitute(node, env)
    if isinstance(node, list):
        return [_interpolate(item, env) for item in node]
    if isinstance(node, dict):
        return {key: _interpolate(value, env) for key, value in node.items()}
    return node


def parse(stack: str, text: str, env: Mapping[str, str] | None = None) -> Compose:
    """Return the stack that a Compose file describes, with the variables of `env` put in.

    Raises `ComposeError` in Docker's words if the file is wrong.
    """
    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ComposeError(f"yaml: line {line}: {getattr(error, 'problem', error)}") from error
    if not isinstance(document, dict):
        raise ComposeError("Top-level object must be a mapping")
    document = _interpolate(document, env or {})
    for part in ("services", "networks", "volumes", "secrets", "configs"):
        if not isinstance(document.get(part) or {}, dict):
            raise ComposeError(f"{part} must be a mapping")
    names = _Names(stack, document)
    services = {
        name: _service(name, body, names) for name, body in (document.get("services") or {}).items()
    }
    return names.to_compose(services)


class _Names:
    """The full names of a document's networks, volumes and secrets."""

    def __init__(self, stack: str, document: dict[str, Any]) -> None:
        self._stack = stack
        self._parts = {
            part: {name: body or {} for name, body in (document.get(part) or {}).items()}
            for part in ("networks", "volumes", "secrets")
        }

    def full(self, part: str, name: str) -> str:
        """Return the full name of what a service refers to by a short one."""
        known = self._parts[part]
        if name not in known:
            if part == "networks" and name == "default":
                known["default"] = {}
            else:
                raise ComposeError(f'undefined {part[:-1]} "{name}"')
        body = known[name]
        external = body.get("external")
        if isinstance(external, dict) and external.get("name"):
            return str(external["name"])
        return str(body.get("name") or (name if external else f"{self._stack}_{name}"))

    def _external(self, part: str) -> list[str]:
        return [
            self.full(part, name)
            for name, body in self._parts[part].items()
            if body.get("external")
        ]

    def to_compose(self, services: dict[str, Spec]) -> Compose:
        """Return the stack of services, with the networks and volumes that they use."""
        used = {network for spec in services.values() for network in spec.networks}
        networks = {
            self.full("networks", name): body
            for name, body in self._parts["networks"].items()
            if not body.get("external") and self.full("networks", name) in used
        }
        volumes = {volume for spec in services.values() for volume in spec.volumes.values()}
        external = [name for name in self._external("networks") if name in used]
        return Compose(services, networks, sorted(volumes), external, self._external("secrets"))


def _service(name: str, body: Any, names: _Names) -> Spec:
    if not isinstance(body, dict):
        raise ComposeError(f"services.{name} must be a mapping")
    image = body.get("image")
    if not image or not isinstance(image, str):
        raise ComposeError(f"invalid image reference for service {name}: no image specified")
    if re.search(r"[\sA-Z]", image.partition("@")[0].rpartition("/")[2].partition(":")[0]):
        raise ComposeError(f"invalid image reference for service {name}: invalid reference format")
    spec = Spec(
        image=image,
        command=_words(body.get("command")),
        env=_pairs(body.get("environment")),
        networks=_networks(name, body.get("networks"), names),
        secrets=_secrets(body.get("secrets"), names),
        volumes=_volumes(body.get("volumes"), names),
        ports=[_port(entry) for entry in body.get("ports") or []],
        checked=_has_healthcheck(body.get("healthcheck")),
    )
    _deploy(spec, body.get("deploy") or {})
    return spec


def _deploy(spec: Spec, deploy: dict[str, Any]) -> None:
    update = deploy.get("update_config") or {}
    spec.labels = _pairs(deploy.get("labels"))
    spec.mode = str(deploy.get("mode", "replicated"))
    if spec.mode not in {"replicated", "global", "replicated-job", "global-job"}:
        raise ComposeError(f"Unknown mode: {spec.mode}")
    spec.replicas = 1 if spec.mode.startswith("global") else int(deploy.get("replicas", 1))
    spec.failure_action = str(update.get("failure_action", "pause"))
    spec.start_first = update.get("order") == "start-first"
    spec.constraints = list((deploy.get("placement") or {}).get("constraints") or [])
    spec.limits = dict((deploy.get("resources") or {}).get("limits") or {})


def _words(command: Any) -> list[str]:
    if isinstance(command, str):
        return command.split()
    return [str(word) for word in command or []]


def _pairs(items: Any) -> dict[str, str]:
    if isinstance(items, list):
        split = [str(item).partition("=") for item in items]
        return {key: value for key, _, value in split}
    return {str(key): _scalar(value) for key, value in (items or {}).items()}


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _networks(name: str, entries: Any, names: _Names) -> dict[str, list[str]]:
    if isinstance(entries, list):
        entries = dict.fromkeys(entries)
    chosen: dict[str, Any] = entries or {"default": None}
    return {
        names.full("networks", network): [name, *((settings or {}).get("aliases") or [])]
        for network, settings in chosen.items()
    }


def _secrets(entries: Any, names: _Names) -> dict[str, str]:
    secrets = {}
    for entry in entries or []:
        body = {"source": entry} if isinstance(entry, str) else entry
        target = str(body.get("target") or body["source"])
        path = target if target.startswith("/") else f"/run/secrets/{target}"
        secrets[path] = names.full("secrets", body["source"])
    return secrets


def _volumes(entries: Any, names: _Names) -> dict[str, str]:
    volumes = {}
    for entry in entries or []:
        if isinstance(entry, str):
            source, _, rest = entry.partition(":")
            target = rest.partition(":")[0]
        elif entry.get("type", "volume") == "volume":
            source, target = str(entry.get("source") or ""), str(entry["target"])
        else:
            continue
        if source and target and not source.startswith((".", "/", "~")):
            volumes[target] = names.full("volumes", source)
    return volumes


def _port(entry: Any) -> dict[str, Any]:
    if isinstance(entry, dict):
        target, published = entry["target"], entry.get("published", 0)
        protocol, mode = entry.get("protocol", "tcp"), entry.get("mode", "ingress")
    else:
        published, _, rest = str(entry).rpartition(":")
        target, _, protocol = rest.partition("/")
        mode = "ingress"
    return {
        "Protocol": protocol or "tcp",
        "TargetPort": int(target),
        "PublishedPort": int(published or 0),
        "PublishMode": mode,
    }


def _has_healthcheck(healthcheck: Any) -> bool:
    if not isinstance(healthcheck, dict) or healthcheck.get("disable"):
        return False
    return healthcheck.get("test") not in (None, "NONE", ["NONE"])
