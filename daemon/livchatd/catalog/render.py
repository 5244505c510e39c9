"""From a definition and an order to what Docker takes: a stack in waves, secrets, names, checks."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from livchat.errors import LivChatError
from livchatd.catalog.catalog import App
from livchatd.catalog.params import opened
from livchatd.catalog.render_types import ReadyCheck, Rendered, RenderOrder, Wave
from livchatd.catalog.schema import Definition
from livchatd.catalog.swarm_services import Tree, job_of, networks_of, service_of
from livchatd.catalog.traefik_labels import traefik_labels
from livchatd.catalog.variable_values import values_of
from livchatd.catalog.variables import escape, walk

GATED = 401
"""What a route answers while the gate stands before it."""


def render(app: App, order: RenderOrder, phase: str = "install") -> Rendered:
    """Render an app. `phase` (`install` or `update`) says which jobs run.

    `Invalid` for an answer that does not fit; `LivChatError` where the order lacks something.
    """
    values = values_of(app, order)
    held = _held(app, order)
    names = {key: secret_name(order.instance, key, value) for key, value in held.items()}
    gated = app.spec.admin.protect == "gate" and not opened(order.params)
    services = {name: service_of(app, name, values, names) for name in app.services}
    jobs = {
        job.name: job_of(app, job, values, names) for job in app.spec.jobs if phase in job.phase
    }
    labels = traefik_labels(app.spec, order, order.secrets["gate_users"] if gated else None)
    return Rendered(
        waves=_waves(app, order.instance, services, jobs, labels, names),
        docker_secrets={names[key]: value for key, value in held.items()},
        hosts=list(dict.fromkeys(order.hosts[name] for name in app.spec.routes)),
        ready=[
            ReadyCheck(order.hosts[check.route], check.path, GATED if gated else check.status)
            for check in app.spec.ready.checks
        ],
        images=list(dict.fromkeys(part["image"] for part in (*services.values(), *jobs.values()))),
    )


def hosts_for(
    app: App, subdomain: str | None, zone: str, instance: str | None = None
) -> dict[str, str]:
    """The host of each route: `{prefix}.{subdomain}.{zone}`; instance `n8n-acme` has `edt-acme`."""
    suffix = (instance or app.id).removeprefix(app.id)
    domain = f"{subdomain}.{zone}" if subdomain else zone
    routes = app.spec.routes
    return {
        name: f"{(routes[route.host_of] if route.host_of else route).prefix}{suffix}.{domain}"
        for name, route in routes.items()
    }


def binding_host(app: App, instance: str | None = None, capability: str | None = None) -> str:
    """The name by which a provider's service is reached on livchat_data."""
    for offer in app.spec.provides:
        if capability in (None, offer.capability):
            # The full name: a short one is answered by every stack that has a service like it.
            return f"{instance or app.id}_{offer.service}"
    raise LivChatError(f"{app.id} does not offer {capability or 'anything'}")


def secret_name(instance: str, key: str, value: str) -> str:
    """The name of a Docker secret. It cannot be changed, so its name changes with the value."""
    made = blake2b(value.encode(), digest_size=4, key=f"{instance}.{key}".encode()[:64])
    return f"{instance}_{key}_{made.hexdigest()}"


def _held(app: App, order: RenderOrder) -> dict[str, str]:
    secrets = {key: order.secrets[key] for key, secret in app.spec.secrets.items() if secret.file}
    return secrets | {f"file_{key}": text for key, text in app.files.items()}


def _plan(
    spec: Definition, services: list[str], jobs: list[str]
) -> list[tuple[list[str], str | None]]:
    """What each wave adds: services in their order, the rest at last, each job in its place."""
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
        plan.append(([], None))  # takes the ended job away
    return plan


def _waves(
    app: App,
    instance: str,
    services: dict[str, Tree],
    jobs: dict[str, Tree],
    labels: Mapping[str, Mapping[str, str]],
    secrets: Mapping[str, str],
) -> list[Wave]:
    plan = _plan(app.spec, list(services), list(jobs))
    timeouts = {job.name: job.timeout for job in app.spec.jobs}
    waves: list[Wave] = []
    now: dict[str, Tree] = {}
    for place, (added, job) in enumerate(plan):
        now |= {name: services[name] for name in added}
        # No public name answers while a job is still to run: it may be what makes the owner.
        public = not any(later for _, later in plan[place:])
        shown = {
            name: _labelled(part, labels.get(name, {}) if public else {})
            for name, part in now.items()
        }
        if job:
            shown[job] = jobs[job]
        waves.append(
            Wave(
                services=added,
                jobs=[job] if job else [],
                compose=_text(app, instance, shown, secrets),
                timeout=timeouts[job] if job else app.spec.ready.timeout,
            )
        )
    return waves


def _labelled(service: Tree, labels: Mapping[str, str]) -> Tree:
    if not labels:
        return service
    texts = {key: escape(value) for key, value in labels.items()}
    return service | {"deploy": service["deploy"] | {"labels": texts}}


def _text(app: App, instance: str, services: Mapping[str, Tree], secrets: Mapping[str, str]) -> str:
    document: dict[str, Any] = {"services": dict(services), "networks": networks_of(services)}
    if app.spec.volumes:
        document["volumes"] = {name: {"name": f"{instance}_{name}"} for name in app.spec.volumes}
    if secrets:
        document["secrets"] = {
            key: {"external": True, "name": name} for key, name in secrets.items()
        }
    return dump(document)


def dump(document: Mapping[str, Any]) -> str:
    """A Compose file. Its texts are quoted where YAML would read something else."""
    import yaml  # noqa: PLC0415 - not at the daemon's start

    # Copied apart, so that no anchor hides a value from who reads the stack in Portainer.
    apart = walk(document, lambda text: text)
    # In C where it is there: a quarter of the time, and the loop waits for it.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(apart, Dumper=dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text
