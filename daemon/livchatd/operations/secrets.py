"""Secrets that people look at, keep and forget, and secret answers to the questions of apps."""

from __future__ import annotations

from collections.abc import Mapping

from livchat.errors import Conflict, NotFound
from livchat.wire.config import Done
from livchat.wire.secrets import PutSecret, Secret, SecretList
from livchatd.credentials.app_secrets import Params
from livchatd.steps.apps.stack_inputs import PARAM, param_key
from livchatd.storage.vault import Vault

_ELSEWHERE = {
    "provider/": "livchat config provider {}",
    "cloudflare/": "livchat config cloudflare",
    "certificates/": "livchat config certificates {}",
}
"""Keys whose values are tried before they are kept, by another command."""


class Secrets:
    """What people may do with the vault. Who looks and who changes is written down by the API."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def all(self, *, reveal: bool) -> SecretList:
        """Every secret, with its value if `reveal`."""
        found = [await self._secret(key, reveal=reveal) for key in await self._vault.names()]
        return SecretList(secrets=found, total=len(found))

    async def one(self, key: str, *, reveal: bool) -> Secret:
        """A secret; `NotFound`."""
        await self._must_be_there(key)
        return await self._secret(key, reveal=reveal)

    async def put(self, key: str, want: PutSecret) -> Done:
        """Keep a secret; `Conflict` for a credential, which has a command that tries it first."""
        for prefix, command in _ELSEWHERE.items():
            if key.startswith(prefix):
                raise Conflict(
                    f"'{key}' is a credential, which is tried before it is kept",
                    hint=command.format(key.removeprefix(prefix)),
                    details={"key": key},
                )
        await self._vault.put(key, want.value)
        return Done(success=True, message=f"'{key}' is kept")

    async def delete(self, key: str) -> Done:
        """Forget a secret; `NotFound`."""
        await self._must_be_there(key)
        await self._vault.delete(key)
        return Done(success=True, message=f"'{key}' is forgotten")

    async def params(self, server: str) -> Params:
        """The secret answers that the apps of a server were given."""
        found: Params = {}
        begin = f"app/{server}/"
        for key in await self._vault.names(begin):
            app, word, name = [*key.removeprefix(begin).split("/", 2), "", ""][:3]
            value = await self._vault.get(key) if word == PARAM else None
            if value is not None:
                found.setdefault(app, {})[name] = value.get_secret_value()
        return found

    async def keep_params(self, server: str, given: Mapping[str, Mapping[str, str]]) -> None:
        """Keep new secret answers, all of them or none."""
        new = {
            param_key(server, app, name): value
            for app, answers in given.items()
            for name, value in answers.items()
        }
        if new:
            await self._vault.put_many(new)

    async def _must_be_there(self, key: str) -> None:
        if await self._vault.get(key) is None:
            raise NotFound(f"there is no secret '{key}'", hint="livchat secret list")

    async def _secret(self, key: str, *, reveal: bool) -> Secret:
        value = await self._vault.get(key) if reveal else None
        return Secret(key=key, value=value.get_secret_value() if value else None)
