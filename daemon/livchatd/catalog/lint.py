"""The rules for app definitions beyond the schema: each error names file and key."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from livchat.errors import InvalidRequest
from livchat.wire.base import parse
from livchatd.catalog.schema import Category, Definition, ServiceHints
from livchatd.catalog.variables import exported, used

REJECTED = frozenset(
    {"annotations", "blkio_config", "cpus", "gpus", "group_add", "mem_limit", "mem_reservation"}
    | {"platform", "profiles", "pull_policy", "runtime"}
)
"""Keys of a service that `docker stack` refuses."""
IGNORED = frozenset(
    {"build", "cgroup_parent", "container_name", "devices", "expose", "ipc", "links"}
    | {"network_mode", "pid", "privileged", "restart", "security_opt", "shm_size", "userns_mode"}
)
"""Keys of a service that `docker stack` ignores without a warning."""
WRITTEN_BY_RENDERER = frozenset({"networks", "ports"})
"""Keys of a service that the renderer writes, so that a definition must not."""
DEAD_IMAGES = ("bitnami/", "atendai/", "frooodle/s-pdf", "redislabs/redisinsight")
"""Prefixes of images that get no more fixes under this name."""

_FLOATING = re.compile(r"^(latest|stable|main|master|edge|nightly|lts|v?\d{1,2})$")
_SENSITIVE = re.compile(r"(PASSWORD|PASS|SECRET|TOKEN|API_KEY|SECRET_KEY|ENCRYPTION_KEY)$")
_TAG = re.compile(r"^(?P<name>[^:@]+(?::\d+/[^:@]+)?):(?P<tag>[^:@/]+)(?:@sha256:[0-9a-f]{64})?$")

Services = Mapping[str, Mapping[str, Any]]


def lint(
    spec: Definition, compose: dict[str, Any], files: Mapping[str, str], where: str, folder: str
) -> None:
    """Check a definition. Raises `InvalidRequest` for the first rule that it breaks."""
    if spec.id != folder:
        raise InvalidRequest(f"{where}: x-livchat.id: is '{spec.id}' in a folder named '{folder}'")
    _top(spec, compose, where)
    services: Services = compose["services"]
    for name, service in services.items():
        _keys(spec, name, service, where)
        _memory(name, service, where)
        _image(service, f"{where}: services.{name}.image")
        _environment(service, services, f"{where}: services.{name}.environment")
    _version(spec, services, where)
    _variables(spec, compose, files, where)
    _references(spec, services, where)
    _volumes(spec, compose, where)
    _healthchecks(spec, services, where)
    _admin(spec, where)


def _top(spec: Definition, compose: Mapping[str, Any], where: str) -> None:
    if not isinstance(compose.get("services"), dict) or not compose["services"]:
        raise InvalidRequest(f"{where}: services: at least one is needed")
    allowed = {"services", "volumes"}
    if spec.category is Category.INFRASTRUCTURE:
        allowed.add("networks")
    for key in compose:
        if key not in allowed:
            raise InvalidRequest(f"{where}: {key}: is not for a definition to say")


def _keys(spec: Definition, name: str, service: Mapping[str, Any], where: str) -> None:
    infrastructure = spec.category is Category.INFRASTRUCTURE
    for key in service:
        if key in REJECTED:
            raise InvalidRequest(f"{where}: services.{name}.{key}: docker stack refuses it")
        if key in IGNORED:
            raise InvalidRequest(f"{where}: services.{name}.{key}: docker stack passes over it")
        if key in WRITTEN_BY_RENDERER and not infrastructure:
            raise InvalidRequest(f"{where}: services.{name}.{key}: the renderer writes it")
    labels = service.get("labels") or service.get("deploy", {}).get("labels")
    if labels:
        raise InvalidRequest(f"{where}: services.{name}.labels: the renderer writes them")
    try:
        parse(ServiceHints, service.get("x-livchat", {}))
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: services.{name}.x-livchat.{error.message}") from None


def _image(service: Mapping[str, Any], where: str) -> None:
    image = str(service.get("image", ""))
    match = _TAG.match(image)
    if match is None:
        raise InvalidRequest(f"{where}: needs a tag")
    if _FLOATING.match(match["tag"]):
        raise InvalidRequest(f"{where}: the tag '{match['tag']}' moves")
    if image.startswith(DEAD_IMAGES):
        raise InvalidRequest(f"{where}: this name gets no more fixes")


def _environment(service: Mapping[str, Any], services: Services, where: str) -> None:
    environment = service.get("environment", {})
    if not isinstance(environment, dict):
        raise InvalidRequest(f"{where}: must be a map")
    inner = re.compile(rf"(?:^|//|@)(?:{'|'.join(map(re.escape, services))})(?::\d|/|$)")
    for key, value in environment.items():
        text = str(value)
        if _SENSITIVE.search(key) and text and "${" not in text:
            raise InvalidRequest(f"{where}.{key}: a secret must not be written down")
        address = "://" in text or key.endswith(("HOST", "ADDR", "ADDRESS", "HOSTNAME"))
        if address and inner.search(text):
            # On a shared network a short name resolves to every stack's service of that name.
            raise InvalidRequest(
                f"{where}.{key}: name a service of the app as ${{INSTANCE}}_SERVICE"
            )


def _version(spec: Definition, services: Services, where: str) -> None:
    image = str(next(iter(services.values()))["image"])
    tag = image.partition("@")[0].rpartition(":")[2]
    if spec.version not in (tag, tag.removeprefix("v")):
        raise InvalidRequest(
            f"{where}: x-livchat.version: is not the tag of the first image, {tag}"
        )


def _variables(
    spec: Definition, compose: dict[str, Any], files: Mapping[str, str], where: str
) -> None:
    names = exported(spec)
    for name, times in Counter(names).items():
        if times > 1:
            raise InvalidRequest(f"{where}: x-livchat: ${{{name}}} would have two meanings")
    jobs = [[job.command, job.environment, job.image or ""] for job in spec.jobs]
    try:
        used_names = used([compose, jobs, spec.admin.user or ""])
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error.message}") from None
    for name in sorted(used_names - set(names)):
        raise InvalidRequest(f"{where}: ${{{name}}}: nothing gives it a value")
    _no_idle_secret(spec, compose, used_names, where)
    for name, text in files.items():
        if len(text.encode()) > 500_000:
            raise InvalidRequest(f"{where}: x-livchat.files.{name}: is over 500 kB")


def _no_idle_secret(
    spec: Definition, compose: dict[str, Any], used_names: set[str], where: str
) -> None:
    mounted = {
        name for service in compose["services"].values() for name in service.get("secrets", [])
    }
    for name in mounted - {key for key, secret in spec.secrets.items() if secret.file}:
        raise InvalidRequest(f"{where}: secrets: '{name}' is not a secret with file: true")
    needed = {secret.of for secret in spec.secrets.values()}
    needed |= {spec.admin.password_secret, *(offer.password_secret for offer in spec.provides)}
    needed |= {"gate_users"} if spec.admin.protect == "gate" else set()
    for name in spec.secrets:
        if name.upper() not in used_names and name not in mounted and name not in needed:
            raise InvalidRequest(f"{where}: x-livchat.secrets.{name}: nothing uses it")


def _references(spec: Definition, services: Services, where: str) -> None:
    named = [
        *(("start_order", name) for name in spec.start_order),
        *((f"routes.{key}", route.service) for key, route in spec.routes.items()),
        *(("provides", offer.service) for offer in spec.provides),
        *(
            (f"files.{key}", name)
            for key, file in spec.files.items()
            for name in set(file.services) - {job.name for job in spec.jobs}
        ),
        *(
            (f"jobs.{job.name}", name)
            for job in spec.jobs
            for name in (job.like, *job.before, *job.after)
        ),
    ]
    for key, name in named:
        if name not in services:
            raise InvalidRequest(f"{where}: x-livchat.{key}: there is no service '{name}'")
    routes = {
        *(route.host_of for route in spec.routes.values() if route.host_of),
        *(check.route for check in spec.ready.checks),
    }
    for name in routes - set(spec.routes):
        raise InvalidRequest(f"{where}: x-livchat.routes: there is no route '{name}'")
    secrets = {secret.of for secret in spec.secrets.values() if secret.of}
    secrets |= {offer.password_secret for offer in spec.provides}
    for name in secrets - set(spec.secrets):
        raise InvalidRequest(f"{where}: x-livchat.secrets: there is no secret '{name}'")


def _volumes(spec: Definition, compose: Mapping[str, Any], where: str) -> None:
    described, declared = set(spec.volumes), set(compose.get("volumes") or {})
    for name in sorted(described ^ declared):
        raise InvalidRequest(
            f"{where}: volumes.{name}: must stand in volumes and in x-livchat.volumes"
        )
    for name in set(spec.backup.volumes) - described:
        raise InvalidRequest(f"{where}: x-livchat.backup.volumes: there is no volume '{name}'")


def _memory(name: str, service: Mapping[str, Any], where: str) -> None:
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    if "memory" not in limits:
        raise InvalidRequest(f"{where}: services.{name}.deploy.resources.limits.memory: is needed")


def _healthchecks(spec: Definition, services: Services, where: str) -> None:
    for name in {route.service for route in spec.routes.values()}:
        if "test" not in services[name].get("healthcheck", {}):
            raise InvalidRequest(
                f"{where}: services.{name}.healthcheck: a routed service needs one"
            )
    for name, service in services.items():
        if "localhost" in str(service.get("healthcheck", {}).get("test", "")):
            raise InvalidRequest(
                f"{where}: services.{name}.healthcheck: say 127.0.0.1, not localhost"
            )


def _admin(spec: Definition, where: str) -> None:
    admin = spec.admin
    if admin.claim_risk and admin.protect is None:
        raise InvalidRequest(
            f"{where}: x-livchat.admin.protect: whoever comes first would own the app"
        )
    if admin.protect == "gate" and "gate_users" not in spec.secrets:
        raise InvalidRequest(f"{where}: x-livchat.secrets.gate_users: the gate needs it")
    if admin.protect == "job" and not spec.jobs:
        raise InvalidRequest(
            f"{where}: x-livchat.jobs: protect says that a job makes the administrator"
        )
    if admin.password_secret and admin.password_secret not in spec.secrets:
        raise InvalidRequest(f"{where}: x-livchat.admin.password_secret: there is no such secret")
