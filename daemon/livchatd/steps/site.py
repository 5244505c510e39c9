"""The site of a server: the domain of its apps, and what apps and certificates need to know."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from livchat.wire.servers import Challenge, domain_of
from livchatd.storage.inventory import ServerRecord


class SiteSettings(BaseModel):
    """What a set-up decides about the site of a server.

    `ssl_email` is told by the certificates' authority, `timezone` is an IANA name, `challenge` is
    how the authority is shown that the domain is ours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    zone_name: str
    subdomain: str | None
    ssl_email: str
    timezone: str
    challenge: Challenge = Challenge.HTTP

    @property
    def domain(self) -> str:
        """The end of every name of the server's apps: `subdomain.zone`, or the zone alone."""
        return domain_of(self.subdomain, self.zone_name)


class Site(SiteSettings):
    """The site of one server, and the provider whose DNS account has its zone."""

    server: str
    provider: str

    @classmethod
    def of(cls, record: ServerRecord) -> Site | None:
        """Return the site of a server; None before a set-up has decided about it."""
        if record.setup_at is None or record.zone_name is None or record.ssl_email is None:
            return None
        return cls(
            server=record.name,
            provider=record.provider,
            zone_name=record.zone_name,
            subdomain=record.subdomain,
            ssl_email=record.ssl_email,
            timezone=record.timezone or "UTC",
            challenge=record.challenge or Challenge.HTTP,
        )
