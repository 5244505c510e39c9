"""The renderer: from an app's definition and its inputs to a stack in waves for Docker Swarm."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from livchat.errors import LivChatError
from livchatd.catalog.catalog import App
from livchatd.catalog.params import gate_disabled
from livchatd.catalog.render_types import ReadyCheck, RenderedStack, RenderInput, Wave
from livchatd.catalog.schema import Definition
from livchatd.catalog.swarm_services import Tree, stack_networks, swarm_job, swarm_service
from livchatd.catalog.traefik_labels import traefik_labels
from livchatd.catalog.variable_values import variable_values
from livchatd.catalog.variables import escape, walk

GATE_STATUS = 401
"""The HTTP status of a route while the gate, a password prompt of Traefik's, protects it."""


def render(app: App, inputs: RenderInput, phase: str = "install") -> RenderedStack:
    """Render an app's stack. `phase` (`install` or `update`) selects the jobs that run.

    Raises `InvalidRequest` for a given value that does not fit, and `LivChatError` if `inputs`
    lack a secret, a host or a binding that the definition needs.
    """
    values = variable_values(app, inputs)
    contents = _docker_secrets(app, inputs)
    names = {key: secret_name(inputs.instance, key, text) for key, text in contents.items()}
    gated = app.spec.admin.protect == "gate" and not gate_disabled(inputs.given_values)
    services = {name: swarm_service(app, name, values, names) for name in app.services}
    jobs = {
        job.name: swarm_job(app, job, values, names) for job in app.spec.jobs if phase in job.phase
    }
    labels = traefik_labels(app.spec, inputs, inputs.secrets["gate_users"] if gated else None)
    return RenderedStack(
        waves=_waves(app, inputs.instance, services, jobs, labels, names),
        docker_secrets={names[key]: text for key, text in contents.items()},
        hosts=list(dict.fromkeys(inputs.hosts[name] for name in app.spec.routes)),
        ready=[
            ReadyCheck(
                inputs.hosts[check.route], check.path, GATE_STATUS if gated else check.status
            )
            for check in app.spec.ready.checks
        ],
        images=list(dict.fromkeys(part["image"] for part in (*services.values(), *jobs.values()))),
    )


def hosts_for(
    app: App, subdomain: str | None, zone: str, instance: str | None = None
) -> dict[str, str]:
    """Return the host of each route by its name: `{prefix}.{subdomain}.{zone}`.

    What an instance's name has after the app's id goes behind the prefix: the editor of `n8n-acme`
    is at `edt-acme`.
    """
    suffix = (instance or app.id).removeprefix(app.id)
    domain = f"{subdomain}.{zone}" if subdomain else zone
    routes = app.spec.routes
    return {
        name: f"{(routes[route.host_of] if route.host_of else route).prefix}{suffix}.{domain}"
        for name, route in routes.items()
    }


def binding_host(app: App, instance: str | None = None, capability: str | None = None) -> str:
    """Return the host name of the service that offers a capability, on the network livchat_data.

    Raises `LivChatError` if the app does not offer it.
    """
    for offer in app.spec.provides:
        if capability in (None, offer.capability):
            # The full name: a short one resolves to every stack's service of that name.
            return f"{instance or app.id}_{offer.service}"
    raise LivChatError(f"{app.id} does not offer {capability or 'anything'}")


def secret_name(instance: str, key: str, value: str) -> str:
    """Return the name of a Docker secret, which depends on its value: Docker cannot change it."""
    digest = blake2b(value.encode(), digest_size=4, key=f"{instance}.{key}".encode()[:64])
    return f"{instance}_{key}_{digest.hexdigest()}"


def _docker_secrets(app: App, inputs: RenderInput) -> dict[str, str]:
    secrets = {key: inputs.secrets[key] for key, secret in app.spec.secrets.items() if secret.file}
    return secrets | {f"file_{key}": text for key, text in app.files.items()}


def _wave_plan(
    spec: Definition, services: list[str], jobs: list[str]
) -> list[tuple[list[str], str | None]]:
    """Return the services and the job that each wave adds.

    Services of `start_order` come one by one, then all others together; each job has a wave of
    its own, before or after the services that it names.
    """
    first = [[name] for name in spec.start_order]
    rest = [name for name in services if name not in spec.start_order]
    todo = [job for job in spec.jobs if job.name in jobs]
    plan: list[tuple[list[str], str | None]] = []
    started: set[str] = set()
    for batch in [*first, *([rest] if rest else [])]:
        plan += [([], job.name) for job in todo if set(batch) & set(job.before)]
        todo = [job for job in todo if not set(batch) & set(job.before)]
        plan.append((batch, None))
        started |= set(batch)
        plan += [([], job.name) for job in todo if job.after and set(job.after) <= started]
        todo = [job for job in todo if not (job.after and set(job.after) <= started)]
    if plan[-1][1]:
        plan.append(([], None))  # a wave without jobs removes the ended one
    return plan


def _waves(
    app: App,
    instance: str,
    services: dict[str, Tree],
    jobs: dict[str, Tree],
    labels: Mapping[str, Mapping[str, str]],
    secrets: Mapping[str, str],
) -> list[Wave]:
    plan = _wave_plan(app.spec, list(services), list(jobs))
    timeouts = {job.name: job.timeout for job in app.spec.jobs}
    waves: list[Wave] = []
    started: dict[str, Tree] = {}
    for number, (added, job) in enumerate(plan):
        started |= {name: services[name] for name in added}
        # No route is public while a job is yet to run: the job may make the administrator.
        public = not any(later for _, later in plan[number:])
        deployed = {
            name: _labelled(service, labels.get(name, {}) if public else {})
            for name, service in started.items()
        }
        if job:
            deployed[job] = jobs[job]
        waves.append(
            Wave(
                services=added,
                jobs=[job] if job else [],
                compose=_compose_text(app, instance, deployed, secrets),
                timeout=timeouts[job] if job else app.spec.ready.timeout,
            )
        )
    return waves


def _labelled(service: Tree, labels: Mapping[str, str]) -> Tree:
    if not labels:
        return service
    texts = {key: escape(value) for key, value in labels.items()}
    return service | {"deploy": service["deploy"] | {"labels": texts}}


def _compose_text(
    app: App, instance: str, services: Mapping[str, Tree], secrets: Mapping[str, str]
) -> str:
    document: dict[str, Any] = {"services": dict(services), "networks": stack_networks(services)}
    if app.spec.volumes:
        document["volumes"] = {name: {"name": f"{instance}_{name}"} for name in app.spec.volumes}
    if secrets:
        document["secrets"] = {
            key: {"external": True, "name": name} for key, name in secrets.items()
        }
    return compose_yaml(document)


def compose_yaml(document: Mapping[str, Any]) -> str:
    """Return the document as YAML; text that YAML would read as another type is quoted."""
    import yaml  # noqa: PLC0415 - not at the daemon's start

    # A copy shares no objects, so YAML writes no anchors: people read the stack in Portainer.
    apart = walk(document, lambda text: text)
    # The dumper in C, where PyYAML has it, takes a quarter of the time.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(apart, Dumper=dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text
