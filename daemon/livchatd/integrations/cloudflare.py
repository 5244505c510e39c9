"""DNS at Cloudflare: zones, and records that carry their owner in the comment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Zone:
    """A zone. `status` is Cloudflare's: active, pending, …"""

    id: str
    name: str
    status: str


@dataclass(frozen=True)
class Record:
    """A DNS record; `comment` says whose it is."""

    id: str
    name: str
    type: str
    content: str
    comment: str | None


class Dns(Protocol):
    """A DNS account."""

    async def check(self) -> None:
        """Try the credential: `Unauthorized` if refused, `ProviderUnavailable` if not tried."""

    async def zone(self, name: str) -> Zone:
        """A zone by name; `NotFound` names the zones that there are."""

    async def records(self, zone_id: str, *, name: str | None = None, owner: str | None = None) -> list[Record]:
        """Records of a zone, by exact name or by exact comment, or all."""

    async def put(self, zone_id: str, name: str, kind: str, content: str, owner: str) -> Record:
        """Make the record so: created, changed if `owner` is its comment, left alone if it is so.

        A record of the same name that somebody else owns is a `Conflict` that names it.
        """

    async def delete(self, zone_id: str, record_id: str) -> None:
        """Delete a record; one that is gone already is fine."""
