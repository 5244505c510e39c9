"""The secret values of apps' parameters: in the vault, and in no job's row."""

from __future__ import annotations

from collections.abc import Mapping

from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import app_prefix, app_value, parse_app_value

SecretValues = dict[str, dict[str, str]]
"""Secret values by app and parameter."""


class AppSecrets:
    """The secret values that people gave for the parameters of a server's apps."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def of_server(self, server: str) -> SecretValues:
        """Return the values that the vault has for the apps of a server."""
        found: SecretValues = {}
        for key in await self._vault.names(app_prefix(server)):
            parsed = parse_app_value(server, key)
            value = await self._vault.get(key) if parsed else None
            if parsed is not None and value is not None:
                app, parameter = parsed
                found.setdefault(app, {})[parameter] = value.get_secret_value()
        return found

    async def store(self, server: str, given: Mapping[str, Mapping[str, str]]) -> None:
        """Keep new values for the apps of a server, all of them or none."""
        new = {
            app_value(server, app, parameter): value
            for app, values in given.items()
            for parameter, value in values.items()
        }
        if new:
            await self._vault.put_many(new)
