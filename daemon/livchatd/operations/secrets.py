"""Secrets in the vault: listed, shown, kept, deleted."""

from __future__ import annotations

from dataclasses import dataclass

from livchat.errors import Conflict, NotFound
from livchat.wire.config import Done
from livchat.wire.secrets import PutSecret, Secret, SecretList
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import CERTIFICATES_PREFIX, CLOUDFLARE_PREFIX, PROVIDER_PREFIX

_CREDENTIAL_COMMANDS = {
    PROVIDER_PREFIX: "livchat config provider {}",
    CLOUDFLARE_PREFIX: "livchat config cloudflare",
    CERTIFICATES_PREFIX: "livchat config certificates {}",
}
"""The commands that try a credential before it is kept, by the prefix of its key."""


@dataclass(frozen=True)
class SecretOperations:
    """What can be asked about secrets. The API writes down who reveals and who changes one."""

    vault: Vault

    async def list(self, *, reveal: bool) -> SecretList:
        """Return every secret, with its value if `reveal`."""
        found = [await self._secret(key, reveal=reveal) for key in await self.vault.names()]
        return SecretList(secrets=found, total=len(found))

    async def show(self, key: str, *, reveal: bool) -> Secret:
        """Return a secret, with its value if `reveal`; `NotFound`."""
        await self._check_exists(key)
        return await self._secret(key, reveal=reveal)

    async def put(self, key: str, request: PutSecret) -> Done:
        """Keep a secret; `Conflict` for a credential, which another command tries first."""
        for prefix, command in _CREDENTIAL_COMMANDS.items():
            if key.startswith(prefix):
                raise Conflict(
                    f"'{key}' is a credential, which is tried before it is kept",
                    hint=command.format(key.removeprefix(prefix)),
                    details={"key": key},
                )
        await self.vault.put(key, request.value)
        return Done(success=True, message=f"'{key}' is kept")

    async def delete(self, key: str) -> Done:
        """Delete a secret; `NotFound`."""
        await self._check_exists(key)
        await self.vault.delete(key)
        return Done(success=True, message=f"'{key}' is forgotten")

    async def _check_exists(self, key: str) -> None:
        if await self.vault.get(key) is None:
            raise NotFound(f"there is no secret '{key}'", hint="livchat secret list")

    async def _secret(self, key: str, *, reveal: bool) -> Secret:
        value = await self.vault.get(key) if reveal else None
        return Secret(key=key, value=value.get_secret_value() if value else None)
