"""DNS at Cloudflare: zones, and records that carry their owner in the comment."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import SecretStr

from livchat.errors import Conflict, NotConfigured, NotFound

if TYPE_CHECKING:
    from cloudflare import AsyncCloudflare

T = TypeVar("T")

BASE_URL = "https://api.cloudflare.com/client/v4"
PAGE = 100
ZONES = 50
"""Zones of a page, the most that there are."""
PAUSES = (0.5, 1.0)
"""Seconds before a call is made again that failed at once and may pass."""
AUTOMATIC = 1
"""The TTL by which Cloudflare chooses it."""
EXCLUSIVE = frozenset({"A", "AAAA", "CNAME"})
"""Kinds that decide together where a name leads: a foreign one beside ours would take its share."""
HINT = "livchat config cloudflare"


@dataclass(frozen=True)
class Zone:
    """A zone and who answers for it. `status` is Cloudflare's: active, pending or another."""

    id: str
    name: str
    status: str
    name_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """A DNS record; `comment` says whose it is."""

    id: str
    name: str
    type: str
    content: str
    comment: str | None
    created_at: str = ""


class Dns(Protocol):
    """A DNS account."""

    async def check(self) -> None:
        """Try the credential: `Unauthorized` if refused, `ProviderUnavailable` if not tried."""

    async def zone(self, name: str) -> Zone:
        """A zone by name; `NotFound` names the zones that there are."""

    async def zones(self) -> list[Zone]:
        """Every zone that the credential may see."""

    async def records(
        self,
        zone_id: str,
        *,
        name: str | None = None,
        owner: str | None = None,
        owners: str | None = None,
    ) -> list[Record]:
        """Records of a zone, by exact name, by exact comment or by its beginning, or all."""

    async def put(self, zone_id: str, name: str, kind: str, content: str, owner: str) -> Record:
        """Make the record so: created, changed if `owner` is its comment, left alone if it is so.

        A record of the same name that somebody else owns is a `Conflict` that names it.
        """

    async def delete(self, zone_id: str, record_id: str) -> None:
        """Delete a record; one that is gone already is fine."""

    async def close(self) -> None:
        """Close the connection."""


class CloudflareDns:
    """A Cloudflare account, by API token, or by e-mail and global API key.

    `base_url` None is Cloudflare itself. Nothing is read from the environment: a stray
    CLOUDFLARE_API_KEY would otherwise silence the token.
    """

    def __init__(
        self,
        base_url: str | None,
        api_token: SecretStr | None,
        email: str | None = None,
        api_key: SecretStr | None = None,
        *,
        timeout: float = 30.0,
    ) -> None:
        if api_token is None and (email is None or api_key is None):
            raise NotConfigured("cloudflare has no credential yet", hint=HINT)
        self._base_url = (base_url or BASE_URL).rstrip("/")
        self._token = api_token
        self._email = email
        self._key = api_key
        self._timeout = timeout
        self._made: AsyncCloudflare | None = None
        self._making = asyncio.Lock()
        self._finding: dict[str, asyncio.Task[Zone]] = {}

    async def check(self) -> None:
        """Try the credential on what it is for: the zones."""
        await self._zones("try the credential", per_page=5)

    async def zone(self, name: str) -> Zone:
        """A zone by name; one that is pending is returned as well, with its status.

        Who asks while it is being asked for gets the same answer.
        """
        wanted = _plain(name)
        if wanted not in self._finding:
            finding = self._finding[wanted] = asyncio.create_task(self._find(wanted))
            finding.add_done_callback(partial(self._told, wanted))
        return await asyncio.shield(self._finding[wanted])

    async def zones(self) -> list[Zone]:
        """Every zone that the credential may see."""
        found: list[Zone] = []
        number = 1
        while True:
            rows = await self._zones("list the zones", page=number, per_page=ZONES)
            found += rows
            if len(rows) < ZONES:
                return found
            number += 1

    async def records(
        self,
        zone_id: str,
        *,
        name: str | None = None,
        owner: str | None = None,
        owners: str | None = None,
    ) -> list[Record]:
        """Records of a zone, by exact name, by exact comment or by its beginning, or all."""
        found: list[Record] = []
        exactly = {"name": name and _plain(name), "comment": owner}
        filters = {key: {"exact": value} for key, value in exactly.items() if value is not None}
        if owners is not None:
            filters["comment"] = {"startswith": owners}
        number = 1
        while True:
            rows = await self._page(zone_id, number, filters)
            found += rows
            # The library's own paging stops only at an empty page, one request later.
            if len(rows) < PAGE:
                break
            number += 1
        # Comments are compared without case over there.
        return [
            record
            for record in found
            if owner in {None, record.comment} and (record.comment or "").startswith(owners or "")
        ]

    async def put(self, zone_id: str, name: str, kind: str, content: str, owner: str) -> Record:
        """Make the record so.

        A foreign record that says the same already is left alone and returned.
        """
        wanted = Record("", _plain(name), kind.upper(), content, owner)
        try:
            return await self._put(zone_id, wanted)
        except Conflict as error:
            if not error.details.get("exists"):
                raise
        # It was made in between, or by a request of ours whose answer was lost: look again, once.
        return await self._put(zone_id, wanted)

    async def delete(self, zone_id: str, record_id: str) -> None:
        """Delete a record; one that is gone already is fine."""

        async def call(client: AsyncCloudflare) -> None:
            records = client.dns.records.with_raw_response
            # A proxy's page with 200 is no deletion: only the envelope says that it is done.
            await _result(await records.delete(record_id, zone_id=zone_id))

        with contextlib.suppress(NotFound):
            await self._ask(f"delete record {record_id}", call)

    async def close(self) -> None:
        """Close the connection."""
        made, self._made = self._made, None
        if made is not None:
            await made.close()

    async def _find(self, wanted: str) -> Zone:
        for found in await self._zones(f"find zone {wanted}", name=wanted, per_page=5):
            if found.name == wanted:
                return found
        names = sorted(zone.name for zone in await self.zones())
        raise NotFound(
            f"there is no zone {wanted} in this account; "
            + (f"there are {', '.join(names)}" if names else "there is none"),
            hint="add the domain at https://dash.cloudflare.com",
            details={"zone": wanted, "zones": names},
        )

    def _told(self, wanted: str, finding: asyncio.Task[Zone]) -> None:
        del self._finding[wanted]
        if not finding.cancelled():
            finding.exception()  # nobody may wait for it any more

    async def _put(self, zone_id: str, wanted: Record) -> Record:
        rivals = [
            record
            for record in await self.records(zone_id, name=wanted.name)
            if record.type == wanted.type or {record.type, wanted.type} <= EXCLUSIVE
        ]
        same = next((record for record in rivals if _says_the_same(record, wanted)), None)
        own = [record for record in rivals if record.comment == wanted.comment]
        _refuse_foreign(wanted, [record for record in rivals if record not in own], same)
        keep = same or next((record for record in own if record.type == wanted.type), None)
        for extra in own:
            if extra is not keep and _excludes(extra, wanted):
                await self.delete(zone_id, extra.id)
        if keep is None:
            return await self._write(wanted, "create", zone_id=zone_id)
        if same is not None:
            return same
        return await self._write(wanted, "update", keep.id, zone_id=zone_id)

    async def _write(self, wanted: Record, verb: str, *where: str, zone_id: str) -> Record:
        """Create or update: never proxied, so that a certificate can be had for it."""

        async def call(client: AsyncCloudflare) -> Record:
            # The library types each kind of record by itself.
            records = client.dns.records.with_raw_response
            method: Callable[..., Awaitable[Any]] = getattr(records, verb)
            answer = await method(
                *where,
                zone_id=zone_id,
                name=wanted.name,
                type=wanted.type,
                content=wanted.content,
                ttl=AUTOMATIC,
                proxied=False,
                comment=wanted.comment,
            )
            return _record(await _result(answer))

        return await self._ask(f"{verb} record {wanted.name}", call)

    async def _zones(self, doing: str, **filters: Any) -> list[Zone]:
        async def call(client: AsyncCloudflare) -> list[Zone]:
            answer = await client.zones.with_raw_response.list(**filters)
            return [
                Zone(
                    row["id"],
                    row["name"],
                    row.get("status") or "unknown",
                    tuple(row.get("name_servers") or ()),
                )
                for row in await _result(answer)
            ]

        return await self._ask(doing, call)

    async def _page(self, zone_id: str, number: int, filters: dict[str, Any]) -> list[Record]:
        async def call(client: AsyncCloudflare) -> list[Record]:
            answer = await client.dns.records.with_raw_response.list(
                zone_id=zone_id, page=number, per_page=PAGE, **filters
            )
            return [_record(row) for row in await _result(answer)]

        return await self._ask("list the records", call)

    async def _ask(self, doing: str, call: Callable[[AsyncCloudflare], Awaitable[T]]) -> T:
        client = await self._client()
        from livchatd.integrations.cloudflare_errors import EXPECTED, explain, quick  # noqa: PLC0415

        for pause in PAUSES:
            try:
                return await call(client)
            except EXPECTED as error:
                if not quick(error):
                    raise explain(error, doing) from error
            await asyncio.sleep(pause)
        try:
            return await call(client)
        except EXPECTED as error:
            raise explain(error, doing) from error

    async def _client(self) -> AsyncCloudflare:
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
            return self._made

    def _make(self) -> AsyncCloudflare:
        """Import and build: more than a second, so in a thread."""
        from cloudflare import AsyncCloudflare  # noqa: PLC0415

        from livchatd.integrations import cloudflare_errors  # noqa: F401, PLC0415

        client = AsyncCloudflare(
            base_url=self._base_url,
            api_token=_reveal(self._token),
            api_email=self._email,
            api_key=_reveal(self._key),
            timeout=self._timeout,
            # It would sit out a refusal of minutes while somebody waits for the answer.
            max_retries=0,
        )
        # None means "from the environment" to the constructor, and nothing here.
        client.api_token = _reveal(self._token)
        client.api_email = self._email
        client.api_key = _reveal(self._key)
        client.user_service_key = None
        # Each of these is imported when it is first touched: here, rather than in the loop.
        importlib.import_module("anyio._backends._asyncio")
        _ = client.zones.with_raw_response, client.dns.records.with_raw_response
        return client


def _reveal(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


async def _result(answer: Any) -> Any:
    """What is in the envelope: the library's models would take 50 ms of the loop to be built."""
    return (await answer.json())["result"]


def _record(row: dict[str, Any]) -> Record:
    return Record(
        row["id"],
        row["name"],
        row["type"],
        row.get("content") or "",
        row.get("comment"),
        row.get("created_on") or "",
    )


def _says_the_same(record: Record, wanted: Record) -> bool:
    # Texts come back in quotes.
    return record.type == wanted.type and record.content.strip('"') == wanted.content.strip('"')


def _excludes(record: Record, wanted: Record) -> bool:
    """Whether it cannot stay beside the one that is wanted: A and AAAA live together."""
    return record.type == wanted.type or "CNAME" in {record.type, wanted.type}


def _refuse_foreign(wanted: Record, foreign: list[Record], same: Record | None) -> None:
    if wanted.type not in EXCLUSIVE:
        return
    for record in foreign:
        if record is not same:
            raise Conflict(
                f"{wanted.name} has a record that is not ours: {record.type} {record.content}",
                hint="delete it at https://dash.cloudflare.com, or choose another subdomain",
                details=asdict(record),
            )
