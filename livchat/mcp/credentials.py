"""Credentials in a conversation: taken if they are given, never told, tried where they are kept."""

from __future__ import annotations

from typing import Any

from livchat.client import Client
from livchat.errors import NotConfigured
from livchat.mcp.inputs import GiveCloudflare, GiveProvider, plain
from livchat.mcp.outputs import shaped
from livchat.wire.base import parse
from livchat.wire.config import ConfigureCloudflare, Done

Json = dict[str, Any]

WARNING = (
    "A credencial ficou no histórico deste chat: troque-a quando puder e dê a nova com "
    "`{command}`, no terminal"
)
_CLOUDFLARE = "livchat config cloudflare"
_KEPT = {"cloudflare/api_token": "api_token", "cloudflare/email": "email"}
_KEPT_KEY = {"cloudflare/api_key": "api_key"}


def provider(client: Client, order: GiveProvider) -> Json:
    """Keep a provider's token; without one, use the one that is kept."""
    if order.token is None:
        client.server_types(provider=order.name)
        return _works(f"o acesso guardado para {order.name} funciona")
    token = order.token.get_secret_value()
    return _given(
        client.configure_provider(order.name, token, verify=order.verify),
        f"livchat config provider {order.name}",
    )


def cloudflare(client: Client, order: GiveCloudflare) -> Json:
    """Keep Cloudflare's credentials; without any, try those that are kept."""
    given = {
        "api_token": plain(order.api_token),
        "email": order.email,
        "api_key": plain(order.api_key),
    }
    if not any(given.values()):
        client.configure_cloudflare(_kept(client))
        return _works("o acesso guardado para o Cloudflare funciona")
    parse(ConfigureCloudflare, given)
    answer = client.configure_cloudflare({**given, "verify": order.verify})
    return _given(answer, _CLOUDFLARE)


def _kept(client: Client) -> Json:
    """What is kept, to be tried by the daemon; it goes no further than this call."""
    names = {secret["key"] for secret in client.secrets()["secrets"]}
    wanted = {key: name for key, name in {**_KEPT, **_KEPT_KEY}.items() if key in names}
    if not wanted:
        raise NotConfigured("there are no credentials for Cloudflare yet", hint=_CLOUDFLARE)
    found = {name: client.secret(key, reveal=True)["value"] for key, name in wanted.items()}
    return {"api_token": found["api_token"]} if "api_token" in found else found


def _works(message: str) -> Json:
    return {"success": True, "message": message, "data": {}}


def _given(answer: Json, command: str) -> Json:
    data = {**answer.get("data", {}), "warning": WARNING.format(command=command)}
    return shaped(Done, {**answer, "data": data})
