"""DNS at Cloudflare, through its own library."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from livchat.errors import Conflict, NotConfigured, NotFound
from livchatd.integrations.dns import Record, Zone

if TYPE_CHECKING:
    from cloudflare import AsyncCloudflare

T = TypeVar("T")

BASE_URL = "https://api.cloudflare.com/client/v4"
RECORDS_PER_PAGE = 100
ZONES_PER_PAGE = 50
"""The most that Cloudflare allows."""
RETRY_PAUSES = (0.5, 1.0)
"""Seconds before a call that failed at once, and may pass, is made again."""
AUTOMATIC_TTL = 1
"""The TTL that leaves it to Cloudflare."""
EXCLUSIVE = frozenset({"A", "AAAA", "CNAME"})
"""Kinds that decide together where a name leads: a foreign one beside ours takes part of it."""
HINT = "livchat config cloudflare"


class CloudflareDns:
    """A Cloudflare account, by API token, or by e-mail and global API key.

    `base_url` None is Cloudflare itself; `timeout` is for one request, in seconds. Nothing is read
    from the environment: a stray CLOUDFLARE_API_KEY would otherwise silence the token. Raises
    `NotConfigured` without a credential.
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
        self._client: AsyncCloudflare | None = None
        self._client_lock = asyncio.Lock()
        self._zone_lookups: dict[str, asyncio.Task[Zone]] = {}

    async def check(self) -> None:
        """Try the credential on what it is for: the zones. See `Dns.check`."""
        await self._zones_page("try the credential", per_page=5)

    async def zone(self, name: str) -> Zone:
        """Return a zone by its name, one that is pending too; see `Dns.zone`.

        Calls for one zone at the same time share one request.
        """
        normalised = _normalised(name)
        if normalised not in self._zone_lookups:
            lookup = asyncio.create_task(self._find_zone(normalised))
            self._zone_lookups[normalised] = lookup
            lookup.add_done_callback(partial(self._forget_lookup, normalised))
        return await asyncio.shield(self._zone_lookups[normalised])

    async def zones(self) -> list[Zone]:
        """Return every zone that the credential may see."""
        zones: list[Zone] = []
        page = 1
        while True:
            rows = await self._zones_page("list the zones", page=page, per_page=ZONES_PER_PAGE)
            zones += rows
            if len(rows) < ZONES_PER_PAGE:
                return zones
            page += 1

    async def records(
        self,
        zone_id: str,
        *,
        name: str | None = None,
        comment: str | None = None,
        comment_prefix: str | None = None,
    ) -> list[Record]:
        """Return records of a zone; see `Dns.records`."""
        records: list[Record] = []
        exact = {"name": name and _normalised(name), "comment": comment}
        filters = {key: {"exact": value} for key, value in exact.items() if value is not None}
        if comment_prefix is not None:
            filters["comment"] = {"startswith": comment_prefix}
        page = 1
        while True:
            rows = await self._records_page(zone_id, page, filters)
            records += rows
            # The library's own paging stops only at an empty page, one request later.
            if len(rows) < RECORDS_PER_PAGE:
                break
            page += 1
        # Cloudflare compares comments without case.
        return [
            record
            for record in records
            if comment in {None, record.comment}
            and (record.comment or "").startswith(comment_prefix or "")
        ]

    async def ensure_record(
        self, zone_id: str, name: str, kind: str, content: str, comment: str
    ) -> Record:
        """Make a record so, and return it; see `Dns.ensure_record`. It is never proxied."""
        wanted = Record("", _normalised(name), kind.upper(), content, comment)
        try:
            return await self._ensure(zone_id, wanted)
        except Conflict as error:
            if not error.details.get("exists"):
                raise
        # It was made in between, or by a request of ours whose answer was lost: look again, once.
        return await self._ensure(zone_id, wanted)

    async def delete_record(self, zone_id: str, record_id: str) -> None:
        """Delete a record; one that is gone already is fine."""

        async def call(client: AsyncCloudflare) -> None:
            records = client.dns.records.with_raw_response
            # A proxy's page with 200 is no deletion: only the envelope says that it is done.
            await _result(await records.delete(record_id, zone_id=zone_id))

        with contextlib.suppress(NotFound):
            await self._call(f"delete record {record_id}", call)

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _find_zone(self, name: str) -> Zone:
        for zone in await self._zones_page(f"find zone {name}", name=name, per_page=5):
            if zone.name == name:
                return zone
        names = sorted(zone.name for zone in await self.zones())
        raise NotFound(
            f"there is no zone {name} in this account; "
            + (f"there are {', '.join(names)}" if names else "there is none"),
            hint="add the domain at https://dash.cloudflare.com",
            details={"zone": name, "zones": names},
        )

    def _forget_lookup(self, name: str, lookup: asyncio.Task[Zone]) -> None:
        del self._zone_lookups[name]
        if not lookup.cancelled():
            lookup.exception()  # nobody may wait for it any more

    async def _ensure(self, zone_id: str, wanted: Record) -> Record:
        competing = [
            record
            for record in await self.records(zone_id, name=wanted.name)
            if record.type == wanted.type or {record.type, wanted.type} <= EXCLUSIVE
        ]
        same = next((record for record in competing if _is_same(record, wanted)), None)
        own = [record for record in competing if record.comment == wanted.comment]
        _refuse_foreign(wanted, [record for record in competing if record not in own], same)
        keep = same or next((record for record in own if record.type == wanted.type), None)
        for extra in own:
            if extra is not keep and _cannot_coexist(extra, wanted):
                await self.delete_record(zone_id, extra.id)
        if keep is None:
            return await self._write(wanted, "create", zone_id=zone_id)
        if same is not None:
            return same
        return await self._write(wanted, "update", keep.id, zone_id=zone_id)

    async def _write(self, wanted: Record, verb: str, *where: str, zone_id: str) -> Record:
        """Create or update a record: never proxied, so that a certificate can be had for it."""

        async def call(client: AsyncCloudflare) -> Record:
            # The library types each kind of record by itself.
            records = client.dns.records.with_raw_response
            method: Callable[..., Awaitable[Any]] = getattr(records, verb)
            response = await method(
                *where,
                zone_id=zone_id,
                name=wanted.name,
                type=wanted.type,
                content=wanted.content,
                ttl=AUTOMATIC_TTL,
                proxied=False,
                comment=wanted.comment,
            )
            return _record(await _result(response))

        return await self._call(f"{verb} record {wanted.name}", call)

    async def _zones_page(self, doing: str, **filters: Any) -> list[Zone]:
        async def call(client: AsyncCloudflare) -> list[Zone]:
            response = await client.zones.with_raw_response.list(**filters)
            return [
                Zone(
                    row["id"],
                    row["name"],
                    row.get("status") or "unknown",
                    tuple(row.get("name_servers") or ()),
                )
                for row in await _result(response)
            ]

        return await self._call(doing, call)

    async def _records_page(
        self, zone_id: str, number: int, filters: dict[str, Any]
    ) -> list[Record]:
        async def call(client: AsyncCloudflare) -> list[Record]:
            response = await client.dns.records.with_raw_response.list(
                zone_id=zone_id, page=number, per_page=RECORDS_PER_PAGE, **filters
            )
            return [_record(row) for row in await _result(response)]

        return await self._call("list the records", call)

    async def _call(self, doing: str, call: Callable[[AsyncCloudflare], Awaitable[T]]) -> T:
        client = await self._connected()
        from livchatd.integrations.cloudflare_errors import EXPECTED, explain, is_quick  # noqa: PLC0415

        for pause in RETRY_PAUSES:
            try:
                return await call(client)
            except EXPECTED as error:
                if not is_quick(error):
                    raise explain(error, doing) from error
            await asyncio.sleep(pause)
        try:
            return await call(client)
        except EXPECTED as error:
            raise explain(error, doing) from error

    async def _connected(self) -> AsyncCloudflare:
        async with self._client_lock:
            if self._client is None:
                self._client = await asyncio.to_thread(self._build)
            return self._client

    def _build(self) -> AsyncCloudflare:
        """Import the library and build its client: more than a second, so in a thread."""
        from cloudflare import AsyncCloudflare  # noqa: PLC0415

        from livchatd.integrations import cloudflare_errors  # noqa: F401, PLC0415

        client = AsyncCloudflare(
            base_url=self._base_url,
            api_token=_reveal(self._token),
            api_email=self._email,
            api_key=_reveal(self._key),
            timeout=self._timeout,
            # The library would sit out a refusal of minutes while somebody waits.
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


def _normalised(name: str) -> str:
    return name.lower().rstrip(".")


async def _result(response: Any) -> Any:
    """Return what is in the envelope: building the library's models takes 50 ms of the loop."""
    return (await response.json())["result"]


def _record(row: dict[str, Any]) -> Record:
    return Record(
        row["id"],
        row["name"],
        row["type"],
        row.get("content") or "",
        row.get("comment"),
        row.get("created_on") or "",
    )


def _is_same(record: Record, wanted: Record) -> bool:
    # Texts come back in quotes.
    return record.type == wanted.type and record.content.strip('"') == wanted.content.strip('"')


def _cannot_coexist(record: Record, wanted: Record) -> bool:
    """Return whether a record cannot stay beside the wanted one: A and AAAA can."""
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
