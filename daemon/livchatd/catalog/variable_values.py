"""The values of a definition's variables, from the renderer's inputs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from livchat.errors import LivChatError
from livchatd.catalog.catalog import App
from livchatd.catalog.params import resolve_params
from livchatd.catalog.render_types import Binding, RenderInput


def variable_values(app: App, inputs: RenderInput) -> dict[str, str | None]:
    """Return every variable that the definition may use, by name; None where it has no value.

    Raises `InvalidRequest` for a given value that does not fit, and `LivChatError` if `inputs`
    lack a secret, a binding or a host.
    """
    spec = app.spec
    site_values = {"timezone": inputs.timezone, "domain": inputs.domain}
    if inputs.email:
        site_values["email"] = inputs.email
    values: dict[str, str | None] = {
        "INSTANCE": inputs.instance,
        "TIMEZONE": inputs.timezone,
        "EMAIL": inputs.email,
        "DOMAIN": inputs.domain,
    }
    values |= {
        name.upper(): value
        for name, value in resolve_params(spec, inputs.given_values, site_values).items()
    }
    for name in spec.secrets:
        if name not in inputs.secrets:
            raise LivChatError(f"the secret '{name}' of {spec.id} has not been made")
        values[name.upper()] = inputs.secrets[name]
    for alias, use in spec.uses.items():
        if alias not in inputs.bindings:
            raise LivChatError(f"{spec.id} has not been given its {use.capability} ('{alias}')")
        values |= _binding_values(alias, use.capability, inputs.bindings[alias])
    for name in spec.routes:
        if name not in inputs.hosts:
            raise LivChatError(f"the route '{name}' of {spec.id} has no host")
        values |= {f"{name.upper()}_HOST": inputs.hosts[name]}
        values |= {f"{name.upper()}_URL": f"https://{inputs.hosts[name]}"}
    return values


def _binding_values(alias: str, capability: str, binding: Binding) -> dict[str, str | None]:
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
    """Return the URL of a capability, user and password in it percent-encoded."""
    user = quote(binding.user or "", safe="")
    password = f":{quote(binding.password, safe='')}" if binding.password else ""
    scheme = {"postgres": "postgresql"}.get(capability, capability)
    path = binding.index or 0 if capability == "redis" else quote(binding.name or "", safe="")
    at = "@" if user or password else ""
    return f"{scheme}://{user}{password}{at}{binding.host}:{binding.port}/{path}"
