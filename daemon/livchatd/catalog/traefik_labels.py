"""The labels by which Traefik finds an app: one router and one target for each route."""

from __future__ import annotations

from livchatd.catalog.render_types import RenderOrder
from livchatd.catalog.schema import Definition, Route

EDGE, DATA = "livchat_edge", "livchat_data"
"""The shared networks: of routed services, and of shared databases with their consumers."""


def traefik_labels(
    spec: Definition, order: RenderOrder, gate: str | None
) -> dict[str, dict[str, str]]:
    """The labels of each routed service. `gate` is an htpasswd line that Traefik asks for."""
    labels: dict[str, dict[str, str]] = {}
    for name, route in spec.routes.items():
        ours = labels.setdefault(
            route.service, {"traefik.enable": "true", "traefik.swarm.network": EDGE}
        )
        ours |= _route(f"{order.instance}-{name.replace('_', '-')}", route, order.hosts[name])
        key = f"traefik.http.routers.{order.instance}-{name.replace('_', '-')}"
        if order.cert_resolver:
            ours[f"{key}.tls.certresolver"] = order.cert_resolver
        if gate:
            guard = f"{order.instance}-gate"
            ours[f"{key}.middlewares"] = guard
            ours[f"traefik.http.middlewares.{guard}.basicauth.users"] = gate
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
