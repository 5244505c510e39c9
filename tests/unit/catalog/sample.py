"""Made-up inputs of the renderer for any app, to try its definition without a server."""

from __future__ import annotations

from livchatd.catalog.catalog import App
from livchatd.catalog.generate_secrets import generate
from livchatd.catalog.render import hosts_for
from livchatd.catalog.render_types import Binding, RenderInput
from livchatd.catalog.schema import Scalar

PASSWORD = "p@ss/w$rd"  # made up, and hard to quote
_PORTS = {"postgres": 5432, "redis": 6379, "mysql": 3306}
_VALUES: dict[str, Scalar] = {"email": "me@example.com", "host": "smtp.example.com"}


def sample_input(app: App, instance: str | None = None, **params: Scalar) -> RenderInput:
    """Inputs with all that the app needs; its required parameters have values."""
    needed = {
        name: _VALUES.get(param.type.value, "x$y")
        for name, param in app.spec.params.items()
        if param.required
    }
    return RenderInput(
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
        given_values=needed | params,
        secrets=generate(app.spec.secrets, {}),
        timezone="America/Sao_Paulo",
        email="ops@example.com",
    )
