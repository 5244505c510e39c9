"""Credentials: tried where they are for, kept in the vault, used from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from livchat.errors import Forbidden, Invalid, NotConfigured, Unauthorized
from livchat.wire.config import ConfigureCloudflare, ConfigureProvider, Done
from livchatd.integrations.cloudflare import Dns
from livchatd.providers.registry import Accounts
from livchatd.storage.vault import Vault

TOKEN, EMAIL, KEY = "cloudflare/api_token", "cloudflare/email", "cloudflare/api_key"
HINT = "livchat config cloudflare"


def provider_key(name: str) -> str:
    """Where the vault keeps a provider's token."""
    return f"provider/{name}"


class DnsAccount(Dns, Protocol):
    """A DNS account that holds connections."""

    async def close(self) -> None:
        """Close them."""


class MakeDns(Protocol):
    """Makes the DNS account of these credentials; `base_url` None is Cloudflare's own."""

    def __call__(
        self,
        base_url: str | None,
        api_token: SecretStr | None,
        email: str | None = None,
        api_key: SecretStr | None = None,
    ) -> DnsAccount:
        """Make it; nothing is asked yet."""


class Credentials:
    """Who we are at the providers and at Cloudflare."""

    def __init__(
        self, vault: Vault, accounts: Accounts, make_dns: MakeDns, config_dir: Path
    ) -> None:
        self._vault = vault
        self._accounts = accounts
        self._make_dns = make_dns
        self._config_dir = config_dir
        self._dns: dict[_Login, DnsAccount] = {}

    async def init(self) -> Done:
        """See that the vault can be opened; twice is fine."""
        await self._vault.load()
        return Done(success=True, message="ready", data={"config_dir": str(self._config_dir)})

    async def configure_provider(self, want: ConfigureProvider) -> Done:
        """Try a token, keep it and use it; `Invalid` if the provider refuses it."""
        trial = self._accounts.trial(want.name, want.token)
        try:
            if want.verify:
                await trial.check()
            await self._vault.put(provider_key(want.name), want.token)
        except (Unauthorized, Forbidden) as error:
            await trial.close()
            raise Invalid.field("token", f"{want.name} refuses it: {error}") from error
        except BaseException:
            await trial.close()
            raise
        self._accounts.adopt(want.name, trial)
        return Done(success=True, message=_kept(f"the token for {want.name}", want.verify))

    async def configure_cloudflare(self, want: ConfigureCloudflare) -> Done:
        """Try the credentials, keep them and use them; `Invalid` if Cloudflare refuses them."""
        if want.verify:
            await self._try(want)
        given: Mapping[str, str | SecretStr | None] = {
            TOKEN: want.api_token, EMAIL: want.email, KEY: want.api_key
        }  # fmt: skip
        await self._vault.put_many({name: v for name, v in given.items() if v is not None})
        for name, value in given.items():
            if value is None:
                await self._vault.delete(name)
        return Done(success=True, message=_kept("the credential for Cloudflare", want.verify))

    async def dns(self, provider: str) -> Dns:
        """The DNS account for servers of a provider; `NotConfigured` without credentials."""
        login = await self._login(provider)
        found = self._dns.get(login)
        if found is None:
            found = self._dns[login] = self._make_dns(
                login.base_url, _secret(login.token), login.email, _secret(login.key)
            )
        return found

    async def dns_by(self, provider: str | None, token: SecretStr) -> DnsAccount:
        """Another login, by this token, where the DNS of a provider's servers is; to be closed."""
        own = await (await self._accounts.provider(provider)).dns() if provider else None
        return self._make_dns(own.base_url if own else None, token)

    async def email(self) -> str | None:
        """The e-mail address of the Cloudflare account, if it is known."""
        found = await self._vault.get(EMAIL)
        return found.get_secret_value() if found else None

    async def close(self) -> None:
        """Close the connections."""
        for account in self._dns.values():
            await account.close()
        self._dns.clear()

    async def _try(self, want: ConfigureCloudflare) -> None:
        account = self._make_dns(None, want.api_token, want.email, want.api_key)
        try:
            await account.check()
        except (Unauthorized, Forbidden) as error:
            field = "api_token" if want.api_token is not None else "api_key"
            raise Invalid.field(field, f"Cloudflare refuses it: {error}") from error
        finally:
            await account.close()

    async def _login(self, provider: str) -> _Login:
        own = await (await self._accounts.provider(provider)).dns()
        if own is not None:
            return _Login(base_url=own.base_url, token=own.api_token)
        found = {name: await self._vault.get(name) for name in (TOKEN, EMAIL, KEY)}
        token, email, key = (v.get_secret_value() if v else None for v in found.values())
        if token is None and (email is None or key is None):
            raise NotConfigured("there are no credentials for Cloudflare yet", hint=HINT)
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


def _kept(what: str, tried: bool) -> str:  # noqa: FBT001
    return f"{what} works and is kept" if tried else f"{what} is kept, untried"
