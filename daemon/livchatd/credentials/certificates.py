"""Certificates: the token that the servers of a zone may have, and which challenge they take."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import SecretStr

from livchat.errors import Forbidden, Invalid, NotConfigured, NotFound, Unauthorized
from livchat.wire.config import ConfigureCertificates, Done
from livchat.wire.servers import Challenge
from livchatd.credentials.credentials import Credentials
from livchatd.integrations.cloudflare import Dns
from livchatd.storage.inventory import ServerRecord
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import certificate_token

TRIAL = "livchat: a trial of a certificate token"
"""The comment of the record that is made and deleted to see that a token may."""
_GLOBAL_KEY = re.compile(r"[0-9a-f]{37}")
_MAKE = "make one at https://dash.cloudflare.com/profile/api-tokens: {}, Zone Read and DNS Edit"


@dataclass(frozen=True)
class Proof:
    """Which challenge the certificates' authority gets, and what was asked for."""

    challenge: Challenge
    asked: Challenge


class Certificates:
    """The certificate tokens: one for each zone, apart from the account's own credential.

    The account's credential stays here: what lies on a server may change one zone, no more.
    """

    def __init__(self, vault: Vault, credentials: Credentials) -> None:
        self._vault = vault
        self._credentials = credentials

    async def configure(self, want: ConfigureCertificates) -> Done:
        """Try a certificate token, and keep it; `Invalid` if it cannot prove the zone."""
        zone, token = want.zone_name, want.token
        if _GLOBAL_KEY.fullmatch(token.get_secret_value()):
            raise Invalid.field(
                "token",
                "this looks like the global API key, which is never put on a server",
                hint=_MAKE.format(zone),
            )
        others = await self._try(want) if want.verify else []
        await self._vault.put(certificate_token(zone), token)
        kept = "works and is kept" if want.verify else "is kept, untried"
        told = f"the certificate token of {zone} {kept}"
        if others:
            told += f"; it opens {', '.join(others)} too: one for {zone} alone is safer on a server"
        return Done(success=True, message=told, data={"zone_name": zone, "other_zones": others})

    async def choose(
        self, wanted: str | None, record: ServerRecord | None, provider: str, zone: str
    ) -> Proof:
        """The challenge for a server, with its token tried; without a wish it stays as it was.

        `NotConfigured` if DNS-01 is wished for and there is no token, `Invalid` if it is refused.
        """
        before = record.challenge_asked if record else Challenge.AUTO
        asked = Challenge(wanted) if wanted else before
        if asked is Challenge.HTTP:
            return Proof(Challenge.HTTP, asked)
        token = await self._vault.get(certificate_token(zone))
        if token is not None:
            await self._must_open(provider, zone, token)
            return Proof(Challenge.DNS, asked)
        if asked is Challenge.DNS:
            raise NotConfigured(
                f"dns-01 needs a certificate token of {zone}, and there is none: the account's own"
                " credential is never put on a server",
                hint=f"livchat config certificates {zone}, or --challenge http-01",
            )
        return Proof(Challenge.HTTP, asked)

    async def _must_open(self, provider: str, zone: str, token: SecretStr) -> None:
        account = await self._credentials.dns_by(provider, token)
        try:
            await account.zone(zone)
        except (Unauthorized, Forbidden, NotFound) as error:
            raise Invalid.field(
                "challenge",
                f"the certificate token of {zone} does not open it any more: {error}",
                hint=f"livchat config certificates {zone}, or --challenge http-01",
            ) from error
        finally:
            await account.close()

    async def _try(self, want: ConfigureCertificates) -> list[str]:
        """Do what the challenge does: read the zone, write a record, delete it; other zones."""
        account = await self._credentials.dns_by(want.provider, want.token)
        hint = _MAKE.format(want.zone_name)
        try:
            await self._write(account, want.zone_name)
            zones = await account.zones()
        except NotFound as error:
            raise Invalid.field(
                "token", f"it does not open {want.zone_name}: {error}", hint=hint
            ) from error
        except (Unauthorized, Forbidden) as error:
            raise Invalid.field("token", f"Cloudflare refuses it: {error}", hint=hint) from error
        finally:
            await account.close()
        return sorted(zone.name for zone in zones if zone.name != want.zone_name)

    @staticmethod
    async def _write(account: Dns, name: str) -> None:
        zone = await account.zone(name)
        record = await account.put(zone.id, f"_livchat-trial.{name}", "TXT", "trial", TRIAL)
        await account.delete(zone.id, record.id)
