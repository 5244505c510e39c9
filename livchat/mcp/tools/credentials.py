"""Credentials in a conversation: kept where given, else the kept ones are tried; never shown."""

from __future__ import annotations

from typing import Any

from livchat.client.client import Client
from livchat.errors import NotConfigured
from livchat.mcp.inputs import CloudflareInput, ProviderInput, secret_value
from livchat.mcp.outputs import project_to_model
from livchat.wire.base import parse
from livchat.wire.config import ConfigureCloudflare, Done

Json = dict[str, Any]

WARNING = (
    "A credencial ficou no histórico deste chat: troque-a quando puder e dê a nova com "
    "`{command}`, no terminal"
)
_CLOUDFLARE_COMMAND = "livchat config cloudflare"
_CLOUDFLARE_FIELDS = {
    "cloudflare/api_token": "api_token",
    "cloudflare/email": "email",
    "cloudflare/api_key": "api_key",
}
"""The field of the request that each secret of the vault is for."""


def provider(client: Client, request: ProviderInput) -> Json:
    """Keep a provider's token; without one, try the one that is kept."""
    if request.token is None:
        client.server_types(provider=request.name)
        return _works(f"o acesso guardado para {request.name} funciona")
    token = request.token.get_secret_value()
    return _kept(
        client.configure_provider(request.name, token, verify=request.verify),
        f"livchat config provider {request.name}",
    )


def cloudflare(client: Client, request: CloudflareInput) -> Json:
    """Keep Cloudflare's credentials; without any, try those that are kept."""
    given = {
        "api_token": secret_value(request.api_token),
        "email": request.email,
        "api_key": secret_value(request.api_key),
    }
    if not any(given.values()):
        client.configure_cloudflare(_from_vault(client))
        return _works("o acesso guardado para o Cloudflare funciona")
    parse(ConfigureCloudflare, given)
    response = client.configure_cloudflare({**given, "verify": request.verify})
    return _kept(response, _CLOUDFLARE_COMMAND)


def _from_vault(client: Client) -> Json:
    """The credentials that are kept, for the daemon to try; they go no further than this call."""
    names = {secret["key"] for secret in client.secrets()["secrets"]}
    fields = {key: field for key, field in _CLOUDFLARE_FIELDS.items() if key in names}
    if not fields:
        raise NotConfigured("there are no credentials for Cloudflare yet", hint=_CLOUDFLARE_COMMAND)
    found = {field: client.secret(key, reveal=True)["value"] for key, field in fields.items()}
    return {"api_token": found["api_token"]} if "api_token" in found else found


def _works(message: str) -> Json:
    return {"success": True, "message": message, "data": {}}


def _kept(response: Json, command: str) -> Json:
    data = {**response.get("data", {}), "warning": WARNING.format(command=command)}
    return project_to_model(Done, {**response, "data": data})
