"""A DNS account: zones, and records that carry their owner in the comment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Zone:
    """A zone and its name servers.

    `status` is the account's own word: `active` serves the zone, `pending` waits for the domain's
    registrar to name these name servers.
    """

    id: str
    name: str
    status: str
    name_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """A DNS record. `comment` says whose it is; `created_at` is an RFC 3339 time or empty."""

    id: str
    name: str
    type: str
    content: str
    comment: str | None
    created_at: str = ""


class Dns(Protocol):
    """A DNS account. Every call has a time-out; errors are those of `livchat.errors`."""

    async def check(self) -> None:
        """Try the credential.

        Raises `Unauthorized` if it is refused, `ProviderUnavailable` if it could not be tried.
        """

    async def zone(self, name: str) -> Zone:
        """Return a zone by its name; raises `NotFound`, which names the zones that there are."""

    async def zones(self) -> list[Zone]:
        """Return every zone that the credential may see."""

    async def records(
        self,
        zone_id: str,
        *,
        name: str | None = None,
        comment: str | None = None,
        comment_prefix: str | None = None,
    ) -> list[Record]:
        """Return records of a zone: by exact name, exact comment or its beginning, or all."""

    async def ensure_record(
        self, zone_id: str, name: str, kind: str, content: str, comment: str
    ) -> Record:
        """Make a record so, and return it.

        It is created; changed if one of that name and kind has the same comment; left alone if it
        is so already, whoever made it. Raises `Conflict`, which names the record, if somebody else
        has one of that name that would take part of its visitors.
        """

    async def delete_record(self, zone_id: str, record_id: str) -> None:
        """Delete a record; one that is gone already is fine."""

    async def close(self) -> None:
        """Close the connection."""
