"""Checks before a set-up is planned: the zone, the domain that a server has, its open ports."""

from __future__ import annotations

from collections.abc import Sequence

from livchat.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    ProviderError,
    Unauthorized,
)
from livchat.wire.servers import Domain
from livchatd.integrations.dns import Dns
from livchatd.storage.inventory import ServerRecord


async def check_zone(dns: Dns, name: str) -> None:
    """Check that a zone is in the DNS account and active.

    Raises `InvalidRequest` if it is not, and `ProviderError` if the account's credentials are
    refused.
    """
    try:
        zone = await dns.zone(name)
    except NotFound as error:
        raise InvalidRequest.field("zone_name", error.message, hint=error.hint) from error
    except (Unauthorized, Forbidden) as error:
        raise ProviderError(
            f"Cloudflare refuses the credentials that are kept for it: {error}",
            hint="livchat config cloudflare",
        ) from error
    if zone.status != "active":
        raise InvalidRequest.field(
            "zone_name",
            f"{name} is {zone.status} at Cloudflare: its name servers do not point there yet",
            hint="set the name servers that Cloudflare shows at your registrar, then try again",
        )


def check_same_domain(record: ServerRecord, requested: Domain, apps: Sequence[str]) -> None:
    """Raise `Conflict` if the server has another domain than requested, and apps use it."""
    if record.setup_at is None or record.domain == requested.domain or not apps:
        return
    raise Conflict(
        f"'{record.name}' is set up for {record.domain}, where {', '.join(apps)} lives",
        hint=f"livchat server show {record.name}",
        details={"server": record.name, "domain": record.domain, "apps": list(apps)},
    )


def open_ports(requested: Sequence[str] | None, record: ServerRecord | None) -> list[str]:
    """Return the ports to keep open: those requested, else those of the last set-up."""
    if requested is None:
        return list(record.open_ports) if record else []
    return sorted(set(requested))
