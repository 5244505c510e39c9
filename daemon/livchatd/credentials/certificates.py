"""Certificates: which challenge a server's certificates take, and the token that it needs."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from livchat.errors import Forbidden, InvalidRequest, NotConfigured, NotFound, Unauthorized
from livchat.wire.servers import Challenge
from livchatd.credentials.credentials import Credentials
from livchatd.storage.inventory import ServerRecord
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import certificate_token


@dataclass(frozen=True)
class ChosenChallenge:
    """The challenge by which a certificate authority checks a domain, and what was requested."""

    challenge: Challenge
    requested: Challenge


class Certificates:
    """The certificate tokens: one for each zone, beside the account's own credential.

    The account's credential never leaves the vault for a server: a token on a server opens one
    zone only.
    """

    def __init__(self, vault: Vault, credentials: Credentials) -> None:
        self._vault = vault
        self._credentials = credentials

    async def choose_challenge(
        self, requested: str | None, record: ServerRecord | None, provider: str, zone: str
    ) -> ChosenChallenge:
        """Choose the challenge for a server; where none is requested, as at its last set-up.

        Raises `NotConfigured` if DNS-01 is requested and the zone has no token, `InvalidRequest`
        if the token does not open the zone.
        """
        before = record.challenge_asked if record else Challenge.AUTO
        wanted = Challenge(requested) if requested else before
        if wanted is Challenge.HTTP:
            return ChosenChallenge(Challenge.HTTP, wanted)
        token = await self._vault.get(certificate_token(zone))
        if token is not None:
            await self._check_token(provider, zone, token)
            return ChosenChallenge(Challenge.DNS, wanted)
        if wanted is Challenge.DNS:
            raise NotConfigured(
                f"dns-01 needs a certificate token of {zone}, and there is none: the account's own"
                " credential is never put on a server",
                hint=f"livchat config certificates {zone}, or --challenge http-01",
            )
        return ChosenChallenge(Challenge.HTTP, wanted)

    async def _check_token(self, provider: str, zone: str, token: SecretStr) -> None:
        """Raise `InvalidRequest` if the token does not open the zone."""
        account = await self._credentials.dns_with_token(provider, token)
        try:
            await account.zone(zone)
        except (Unauthorized, Forbidden, NotFound) as error:
            raise InvalidRequest.field(
                "challenge",
                f"the certificate token of {zone} does not open it any more: {error}",
                hint=f"livchat config certificates {zone}, or --challenge http-01",
            ) from error
        finally:
            await account.close()
