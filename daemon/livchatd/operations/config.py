"""Configuration: the vault is opened, and credentials are tried before they are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from livchat.errors import Forbidden, InvalidRequest, NotFound, Unauthorized
from livchat.wire.config import (
    ConfigureCertificates,
    ConfigureCloudflare,
    ConfigureProvider,
    Done,
)
from livchatd.credentials.credentials import Credentials
from livchatd.integrations.dns import Dns
from livchatd.providers.registry import ProviderRegistry
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import (
    CLOUDFLARE_EMAIL,
    CLOUDFLARE_GLOBAL_KEY,
    CLOUDFLARE_TOKEN,
    certificate_token,
    provider_token,
)

TRIAL_COMMENT = "livchat: a trial of a certificate token"
"""The comment of the record that is made and deleted to see whether a token may do that."""
_GLOBAL_KEY = re.compile(r"[0-9a-f]{37}")
"""The form of Cloudflare's global API key, which opens all that the account has."""
_HOW_TO_MAKE_ONE = (
    "make one at https://dash.cloudflare.com/profile/api-tokens: {}, Zone Read and DNS Edit"
)


@dataclass(frozen=True)
class ConfigOperations:
    """What can be configured."""

    vault: Vault
    registry: ProviderRegistry
    credentials: Credentials
    folder: Path

    async def init(self) -> Done:
        """Open the vault, which makes it at the first time; say where the configuration is."""
        await self.vault.load()
        return Done(success=True, message="ready", data={"config_dir": str(self.folder)})

    async def configure_provider(self, request: ConfigureProvider) -> Done:
        """Try a provider's token, keep it and use it from now on.

        Raises `InvalidRequest` if the provider refuses it, or takes no token.
        """
        candidate = self.registry.candidate(request.name, request.token)
        try:
            if request.verify:
                await candidate.check()
            await self.vault.put(provider_token(request.name), request.token)
        except (Unauthorized, Forbidden) as error:
            await candidate.close()
            raise InvalidRequest.field("token", f"{request.name} refuses it: {error}") from error
        except BaseException:
            await candidate.close()
            raise
        self.registry.replace(request.name, candidate)
        message = _kept(f"the token for {request.name}", tried=request.verify)
        return Done(success=True, message=message)

    async def configure_cloudflare(self, request: ConfigureCloudflare) -> Done:
        """Try Cloudflare's credentials, keep them and use them from now on.

        Raises `InvalidRequest` if Cloudflare refuses them.
        """
        if request.verify:
            await self._try_cloudflare(request)
        given: Mapping[str, str | SecretStr | None] = {
            CLOUDFLARE_TOKEN: request.api_token,
            CLOUDFLARE_EMAIL: request.email,
            CLOUDFLARE_GLOBAL_KEY: request.api_key,
        }
        await self.vault.put_many({key: v for key, v in given.items() if v is not None})
        for key, value in given.items():
            if value is None:
                await self.vault.delete(key)
        message = _kept("the credential for Cloudflare", tried=request.verify)
        return Done(success=True, message=message)

    async def configure_certificates(self, request: ConfigureCertificates) -> Done:
        """Try the token that servers prove a zone with, and keep it.

        Raises `InvalidRequest` if it is the global API key, which is never put on a server, or if
        it cannot read the zone and edit its records.
        """
        zone, token = request.zone_name, request.token
        if _GLOBAL_KEY.fullmatch(token.get_secret_value()):
            raise InvalidRequest.field(
                "token",
                "this looks like the global API key, which is never put on a server",
                hint=_HOW_TO_MAKE_ONE.format(zone),
            )
        others = await self._try_certificates(request) if request.verify else []
        await self.vault.put(certificate_token(zone), token)
        message = _kept(f"the certificate token of {zone}", tried=request.verify)
        if others:
            message += (
                f"; it opens {', '.join(others)} too: one for {zone} alone is safer on a server"
            )
        return Done(success=True, message=message, data={"zone_name": zone, "other_zones": others})

    async def _try_cloudflare(self, request: ConfigureCloudflare) -> None:
        account = self.credentials.candidate(request.api_token, request.email, request.api_key)
        try:
            await account.check()
        except (Unauthorized, Forbidden) as error:
            field = "api_token" if request.api_token is not None else "api_key"
            raise InvalidRequest.field(field, f"Cloudflare refuses it: {error}") from error
        finally:
            await account.close()

    async def _try_certificates(self, request: ConfigureCertificates) -> list[str]:
        """Do what the DNS-01 challenge does; return the names of the account's other zones."""
        account = await self.credentials.dns_with_token(request.provider, request.token)
        hint = _HOW_TO_MAKE_ONE.format(request.zone_name)
        try:
            await _make_and_delete_record(account, request.zone_name)
            zones = await account.zones()
        except NotFound as error:
            raise InvalidRequest.field(
                "token", f"it does not open {request.zone_name}: {error}", hint=hint
            ) from error
        except (Unauthorized, Forbidden) as error:
            raise InvalidRequest.field(
                "token", f"Cloudflare refuses it: {error}", hint=hint
            ) from error
        finally:
            await account.close()
        return sorted(zone.name for zone in zones if zone.name != request.zone_name)


async def _make_and_delete_record(account: Dns, name: str) -> None:
    zone = await account.zone(name)
    record = await account.ensure_record(
        zone.id, f"_livchat-trial.{name}", "TXT", "trial", TRIAL_COMMENT
    )
    await account.delete_record(zone.id, record.id)


def _kept(subject: str, *, tried: bool) -> str:
    return f"{subject} works and is kept" if tried else f"{subject} is kept, untried"
