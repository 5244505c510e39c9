"""The stacks under all apps: Traefik, which answers the world, and Portainer, which does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from livchatd.catalog.catalog import App, Catalog
from livchatd.catalog.render import dump, secret_name
from livchatd.catalog.render_types import Rendered, Wave
from livchatd.catalog.swarm_services import Tree, service_of

TOKEN = "cf_dns_token"  # noqa: S105 - the name of a secret
_RESOLVER = "--certificatesresolvers.le.acme"


def traefik_stack(
    catalog: Catalog,
    email: str,
    domain: str,
    resolver: Literal["http", "dns"],
    *,
    cloudflare_token: str | None = None,
    ca_server: str | None = None,
) -> Rendered:
    """Traefik for `*.domain`: one wildcard certificate by DNS-01, or one for each host by HTTP-01.

    `dns` needs `cloudflare_token`, which may read the zone and edit its records. `ca_server` is
    another ACME directory than Let's Encrypt's, for tests. Published: 80 and 443 of the host.
    """
    app = catalog.app("traefik")
    flags = [f"{_RESOLVER}.caserver={ca_server}"] if ca_server else []
    held: dict[str, str] = {}
    if resolver == "dns" and cloudflare_token:
        held[TOKEN] = cloudflare_token
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
        traefik["environment"] = {"CF_DNS_API_TOKEN_FILE": f"/run/secrets/{TOKEN}"}
        traefik["secrets"] = [{"source": TOKEN, "target": TOKEN, "mode": 0o400}]
    return _rendered(app, services, held)


def portainer_stack(catalog: Catalog, admin_password: str) -> Rendered:
    """Portainer with its administrator, `admin`, made at the first start.

    Publishes nothing: it is reached through SSH, at port 9000 of its task.
    """
    app = catalog.app("portainer")
    held = {"admin_password": admin_password}
    return _rendered(app, _services(app, {}, held), held)


def _services(app: App, values: Mapping[str, str], held: Mapping[str, str]) -> dict[str, Tree]:
    system = {"INSTANCE": app.id} | dict(values)
    services = {name: service_of(app, name, system, held) for name in app.services}
    for name, service in services.items():
        # Infrastructure says itself where it stands: it is what the shared networks are for.
        service["networks"] = app.compose["services"][name].get("networks", ["default"])
    return services


def _rendered(app: App, services: dict[str, Tree], held: Mapping[str, str]) -> Rendered:
    names = {key: secret_name(app.id, key, value) for key, value in held.items()}
    document: dict[str, Any] = {
        "services": services,
        "networks": app.compose["networks"],
        "volumes": {name: {"name": f"{app.id}_{name}"} for name in app.spec.volumes},
    }
    if names:
        document["secrets"] = {key: {"external": True, "name": name} for key, name in names.items()}
    wave = Wave(
        services=list(services), jobs=[], compose=dump(document), timeout=app.spec.ready.timeout
    )
    return Rendered(
        waves=[wave],
        docker_secrets={names[key]: value for key, value in held.items()},
        hosts=[],
        ready=[],
        images=list(dict.fromkeys(service["image"] for service in services.values())),
    )
