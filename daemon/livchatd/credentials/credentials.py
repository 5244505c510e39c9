"""Credentials for DNS: the accounts that the vault opens, one for each login."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from livchat.errors import NotConfigured
from livchatd.integrations.dns import Dns
from livchatd.providers.registry import ProviderRegistry
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import CLOUDFLARE_EMAIL, CLOUDFLARE_GLOBAL_KEY, CLOUDFLARE_TOKEN


class MakeDns(Protocol):
    """Makes the DNS account of these credentials; `base_url` None is Cloudflare's own."""

    def __call__(
        self,
        base_url: str | None,
        api_token: SecretStr | None,
        email: str | None = None,
        api_key: SecretStr | None = None,
    ) -> Dns:
        """Return the account; nothing is sent yet."""


class Credentials:
    """The DNS accounts of the user and of providers that bring their own, as the sandbox does."""

    def __init__(self, vault: Vault, registry: ProviderRegistry, make_dns: MakeDns) -> None:
        self._vault = vault
        self._registry = registry
        self._make_dns = make_dns
        self._accounts: dict[_Login, Dns] = {}

    async def dns(self, provider: str) -> Dns:
        """Return the DNS account for servers of a provider.

        Raises `NotConfigured` without credentials for Cloudflare.
        """
        login = await self._login(provider)
        account = self._accounts.get(login)
        if account is None:
            account = self._accounts[login] = self._make_dns(
                login.base_url, _secret(login.token), login.email, _secret(login.key)
            )
        return account

    async def dns_with_token(self, provider: str | None, token: SecretStr) -> Dns:
        """Return another account with this token, where the DNS of a provider's servers is.

        Whoever asks for it closes it.
        """
        own = await (await self._registry.provider(provider)).dns() if provider else None
        return self._make_dns(own.base_url if own else None, token)

    def candidate(
        self, api_token: SecretStr | None, email: str | None, api_key: SecretStr | None
    ) -> Dns:
        """Return Cloudflare's account with credentials that are not kept yet; to be closed."""
        return self._make_dns(None, api_token, email, api_key)

    async def email(self) -> str | None:
        """Return the e-mail address of the Cloudflare account, if it is known."""
        found = await self._vault.get(CLOUDFLARE_EMAIL)
        return found.get_secret_value() if found else None

    async def close(self) -> None:
        """Close the connections of all accounts."""
        for account in self._accounts.values():
            await account.close()
        self._accounts.clear()

    async def _login(self, provider: str) -> _Login:
        own = await (await self._registry.provider(provider)).dns()
        if own is not None:
            return _Login(base_url=own.base_url, token=own.api_token)
        found = [
            await self._vault.get(name)
            for name in (CLOUDFLARE_TOKEN, CLOUDFLARE_EMAIL, CLOUDFLARE_GLOBAL_KEY)
        ]
        token, email, key = (value.get_secret_value() if value else None for value in found)
        if token is None and (email is None or key is None):
            raise NotConfigured(
                "there are no credentials for Cloudflare yet", hint="livchat config cloudflare"
            )
        return _Login(token=token, email=email, key=key)


@dataclass(frozen=True)
class _Login:
    base_url: str | None = None
    token: str | None = None
    email: str | None = None
    key: str | None = None

    def __repr__(self) -> str:
        return f"_Login({self.base_url})"


def _secret(value: str | None) -> SecretStr | None:
    return None if value is None else SecretStr(value)
