"""A made-up order for any app: to try a definition where there is no server."""

from __future__ import annotations

from livchatd.catalog.catalog import App
from livchatd.catalog.generate_secrets import generate
from livchatd.catalog.render import hosts_for
from livchatd.catalog.render_types import Binding, RenderOrder
from livchatd.catalog.schema import Scalar

PASSWORD = "p@ss/w$rd"  # made up, and hard to quote
_PORTS = {"postgres": 5432, "redis": 6379, "mysql": 3306}
_ANSWERS: dict[str, Scalar] = {"email": "me@example.com", "host": "smtp.example.com"}


def sample_order(app: App, instance: str | None = None, **params: Scalar) -> RenderOrder:
    """An order with all that the app needs; what must be asked gets an answer."""
    needed = {
        name: _ANSWERS.get(param.type.value, "x$y")
        for name, param in app.spec.params.items()
        if param.required
    }
    return RenderOrder(
        instance=instance or app.id,
        domain="lab.example.com",
        hosts=hosts_for(app, "lab", "example.com", instance),
        bindings={
            alias: Binding(
                host=f"{use.capability}_{use.capability}",
                port=_PORTS[use.capability],
                name=app.id,
                user=app.id,
                password=PASSWORD,
                index=3,
            )
            for alias, use in app.spec.uses.items()
        },
        params=needed | params,
        secrets=generate(app.spec.secrets, {}),
        timezone="America/Sao_Paulo",
        email="ops@example.com",
    )
