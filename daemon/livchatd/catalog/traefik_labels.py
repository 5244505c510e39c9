"""The labels by which Traefik routes to an app: one router and one service for each route."""

from __future__ import annotations

from livchatd.catalog.render_types import RenderInput
from livchatd.catalog.schema import Definition, Route

EDGE_NETWORK, DATA_NETWORK = "livchat_edge", "livchat_data"
"""The shared networks: of services with a route, and of shared databases with their clients."""


def traefik_labels(
    spec: Definition, inputs: RenderInput, gate_users: str | None
) -> dict[str, dict[str, str]]:
    """Return the labels of each service that has a route, by service.

    `gate_users` is an htpasswd line: with one, Traefik asks for that user's password.
    """
    labels: dict[str, dict[str, str]] = {}
    for name, route in spec.routes.items():
        ours = labels.setdefault(
            route.service, {"traefik.enable": "true", "traefik.swarm.network": EDGE_NETWORK}
        )
        ours |= _route(f"{inputs.instance}-{name.replace('_', '-')}", route, inputs.hosts[name])
        key = f"traefik.http.routers.{inputs.instance}-{name.replace('_', '-')}"
        if inputs.cert_resolver:
            ours[f"{key}.tls.certresolver"] = inputs.cert_resolver
        if gate_users:
            guard = f"{inputs.instance}-gate"
            ours[f"{key}.middlewares"] = guard
            ours[f"traefik.http.middlewares.{guard}.basicauth.users"] = gate_users
            ours[f"traefik.http.middlewares.{guard}.basicauth.removeheader"] = "true"
    return labels


def _route(router: str, route: Route, host: str) -> dict[str, str]:
    key = f"traefik.http.routers.{router}"
    target = f"traefik.http.services.{router}.loadbalancer.server"
    labels = {
        f"{key}.rule": f"Host(`{host}`){_paths(route.paths)}",
        f"{key}.entrypoints": "websecure",
        f"{key}.service": router,
        f"{target}.port": str(route.port),
    }
    if route.scheme != "http":
        labels[f"{target}.scheme"] = route.scheme
    return labels


def _paths(paths: list[str]) -> str:
    # PathPrefix(`/webhook`) alone would take /webhook-test too.
    rules = [f"Path(`{path}`) || PathPrefix(`{path}/`)" for path in paths]
    return f" && ({' || '.join(rules)})" if rules else ""
