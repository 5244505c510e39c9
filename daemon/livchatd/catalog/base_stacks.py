"""The stacks of a server's set-up: Traefik, which serves all apps, and Portainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from livchatd.catalog.catalog import App, Catalog
from livchatd.catalog.render import compose_yaml, secret_name
from livchatd.catalog.render_types import RenderedStack, Wave
from livchatd.catalog.swarm_services import Tree, swarm_service

DNS_TOKEN_SECRET = "cf_dns_token"  # noqa: S105 - the name of a secret
_RESOLVER = "--certificatesresolvers.le.acme"


def traefik_stack(
    catalog: Catalog,
    email: str,
    domain: str,
    resolver: Literal["http", "dns"],
    *,
    cloudflare_token: str | None = None,
    ca_server: str | None = None,
) -> RenderedStack:
    """Return Traefik's stack for `*.domain`; it publishes ports 80 and 443 of the host.

    `resolver` `dns` gets one wildcard certificate by DNS-01 and needs `cloudflare_token`, which
    may read the zone and edit its records; `http` gets one certificate for each host by HTTP-01.
    `ca_server` is an ACME directory in place of Let's Encrypt's, for tests. Raises `ValueError` if
    the token is missing.
    """
    app = catalog.app("traefik")
    flags = [f"{_RESOLVER}.caserver={ca_server}"] if ca_server else []
    held: dict[str, str] = {}
    if resolver == "dns" and cloudflare_token:
        held[DNS_TOKEN_SECRET] = cloudflare_token
        flags += [
            f"--entrypoints.websecure.http.tls.domains[0].main={domain}",
            f"--entrypoints.websecure.http.tls.domains[0].sans=*.{domain}",
            f"{_RESOLVER}.dnschallenge.provider=cloudflare",
            f"{_RESOLVER}.dnschallenge.resolvers=1.1.1.1:53,1.0.0.1:53",
        ]
    elif resolver == "dns":
        raise ValueError("DNS-01 needs a Cloudflare token")
    else:
        flags.append(f"{_RESOLVER}.httpchallenge.entrypoint=web")
    services = _services(app, {"EMAIL": email, "DOMAIN": domain}, held)
    traefik = services["traefik"]
    traefik["command"] = [*traefik["command"], *flags]
    if held:
        traefik["environment"] = {"CF_DNS_API_TOKEN_FILE": f"/run/secrets/{DNS_TOKEN_SECRET}"}
        traefik["secrets"] = [
            {"source": DNS_TOKEN_SECRET, "target": DNS_TOKEN_SECRET, "mode": 0o400}
        ]
    return _rendered_stack(app, services, held)


def portainer_stack(catalog: Catalog, admin_password: str) -> RenderedStack:
    """Return Portainer's stack; its first start makes the administrator `admin`.

    It publishes no port: Portainer is reached through SSH, at port 9000 of its task.
    """
    app = catalog.app("portainer")
    held = {"admin_password": admin_password}
    return _rendered_stack(app, _services(app, {}, held), held)


def _services(app: App, values: Mapping[str, str], held: Mapping[str, str]) -> dict[str, Tree]:
    system = {"INSTANCE": app.id} | dict(values)
    services = {name: swarm_service(app, name, system, held) for name in app.services}
    for name, service in services.items():
        # The definition names its networks itself: the shared ones are Traefik's.
        service["networks"] = app.compose["services"][name].get("networks", ["default"])
    return services


def _rendered_stack(app: App, services: dict[str, Tree], held: Mapping[str, str]) -> RenderedStack:
    names = {key: secret_name(app.id, key, value) for key, value in held.items()}
    document: dict[str, Any] = {
        "services": services,
        "networks": app.compose["networks"],
        "volumes": {name: {"name": f"{app.id}_{name}"} for name in app.spec.volumes},
    }
    if names:
        document["secrets"] = {key: {"external": True, "name": name} for key, name in names.items()}
    wave = Wave(
        services=list(services),
        jobs=[],
        compose=compose_yaml(document),
        timeout=app.spec.ready.timeout,
    )
    return RenderedStack(
        waves=[wave],
        docker_secrets={names[key]: value for key, value in held.items()},
        hosts=[],
        ready=[],
        images=list(dict.fromkeys(service["image"] for service in services.values())),
    )
