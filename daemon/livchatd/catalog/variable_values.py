"""The values of a definition's variables, from an order."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from livchat.errors import LivChatError
from livchatd.catalog.catalog import App
from livchatd.catalog.params import answers
from livchatd.catalog.render_types import Binding, RenderOrder


def values_of(app: App, order: RenderOrder) -> dict[str, str | None]:
    """Every variable that the definition may use; None where it has no value.

    `Invalid` for an answer that does not fit; `LivChatError` where the order lacks something.
    """
    spec = app.spec
    known = {"timezone": order.timezone, "domain": order.domain}
    if order.email:
        known["email"] = order.email
    values: dict[str, str | None] = {
        "INSTANCE": order.instance,
        "TIMEZONE": order.timezone,
        "EMAIL": order.email,
        "DOMAIN": order.domain,
    }
    values |= {name.upper(): value for name, value in answers(spec, order.params, known).items()}
    for name in spec.secrets:
        if name not in order.secrets:
            raise LivChatError(f"the secret '{name}' of {spec.id} has not been made")
        values[name.upper()] = order.secrets[name]
    for alias, use in spec.uses.items():
        if alias not in order.bindings:
            raise LivChatError(f"{spec.id} has not been given its {use.capability} ('{alias}')")
        values |= _bound(alias, use.capability, order.bindings[alias])
    for name in spec.routes:
        if name not in order.hosts:
            raise LivChatError(f"the route '{name}' of {spec.id} has no host")
        values |= {f"{name.upper()}_HOST": order.hosts[name]}
        values |= {f"{name.upper()}_URL": f"https://{order.hosts[name]}"}
    return values


def _bound(alias: str, capability: str, binding: Binding) -> dict[str, str | None]:
    index = binding.index or 0 if capability == "redis" else binding.index
    parts: dict[str, Any] = {
        "HOST": binding.host,
        "PORT": binding.port,
        "NAME": binding.name,
        "USER": binding.user,
        "PASSWORD": binding.password,
        "INDEX": index,
        "URL": binding.url or binding_url(capability, binding),
    }
    return {
        f"{alias.upper()}_{part}": None if value is None else str(value)
        for part, value in parts.items()
    }


def binding_url(capability: str, binding: Binding) -> str:
    """The address of a capability in one string, percent-encoded."""
    user = quote(binding.user or "", safe="")
    password = f":{quote(binding.password, safe='')}" if binding.password else ""
    scheme = {"postgres": "postgresql"}.get(capability, capability)
    path = binding.index or 0 if capability == "redis" else quote(binding.name or "", safe="")
    at = "@" if user or password else ""
    return f"{scheme}://{user}{password}{at}{binding.host}:{binding.port}/{path}"
