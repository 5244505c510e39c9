"""Cloudflare's API over the sandbox's world: tokens, zones and DNS records."""

from __future__ import annotations

import hmac
import logging
import math
import uuid
from collections.abc import Mapping

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.cloudflare.faults import CloudflareFaults
from livchat_sandbox.cloudflare.filters import record_filter, zone_filter
from livchat_sandbox.cloudflare.http import (
    RATE_LIMIT_WINDOW,
    ApiError,
    Json,
    json_response,
    not_found,
    page_response,
    rate_limited,
    read_body,
)
from livchat_sandbox.cloudflare.records import check_coexistence, record_fields
from livchat_sandbox.cloudflare.views import record_view, zone_view
from livchat_sandbox.faults.http import Handler
from livchat_sandbox.rate_limit import TokenBucket
from livchat_sandbox.storage.state import DnsRecord, DnsZone

log = logging.getLogger(__name__)

LATENCY_SECONDS = 0.04
"""Simulated seconds until an answer."""
REQUESTS_PER_WINDOW = 1200
ONLY_ZONE = "zone"
"""The key of a request under which it keeps the only zone that its credential opens, or None."""


class Cloudflare:
    """The API: it checks the credential and the rate limit, draws a fault, and calls the route."""

    def __init__(self, world: World) -> None:
        self._world = world
        rate = REQUESTS_PER_WINDOW / RATE_LIMIT_WINDOW
        self._bucket = TokenBucket(world.clock, REQUESTS_PER_WINDOW, rate=rate)
        self._blocked_until = 0.0
        self._faults = CloudflareFaults(world)

    def app(self) -> web.Application:
        """Return the application to be served."""
        app = web.Application(middlewares=[self._respond])
        records = "/client/v4/zones/{zone_id}/dns_records"
        record = records + "/{dns_record_id}"
        app.add_routes(
            [
                web.get("/client/v4/user/tokens/verify", self.verify),
                web.get("/client/v4/zones", self.zones),
                web.get("/client/v4/zones/{zone_id}", self.zone),
                web.get(records, self.records),
                web.post(records, self.create),
                web.get(record, self.record),
                web.put(record, self.replace),
                web.patch(record, self.edit),
                web.delete(record, self.delete),
            ]
        )
        return app

    async def verify(self, request: web.Request) -> web.Response:
        """Show whether the token is good; an API key cannot be verified."""
        if "Authorization" not in request.headers:
            raise ApiError(401, 1000, "Invalid API Token")
        token_id = uuid.uuid5(uuid.NAMESPACE_DNS, self._world.state.cloudflare_token).hex
        return json_response({"id": token_id, "status": "active"})

    async def zones(self, request: web.Request) -> web.Response:
        """List zones by name, status and account."""
        matching = filter(zone_filter(request.query), self._world.state.zones.values())
        zones = [zone for zone in matching if request[ONLY_ZONE] in {None, zone.name}]
        return page_response(request, zones, zone_view, (20, 5, 50))

    async def zone(self, request: web.Request) -> web.Response:
        """Show one zone."""
        return json_response(zone_view(self._zone(request)))

    async def records(self, request: web.Request) -> web.Response:
        """List a zone's records by filters, of which all must hold, or any with `match=any`."""
        zone = self._zone(request)
        matching = filter(record_filter(request.query), self._records_of(zone))
        return page_response(request, [*matching], record_view, (100, 1, 50_000))

    async def record(self, request: web.Request) -> web.Response:
        """Show one record."""
        return json_response(record_view(self._record(request)))

    async def create(self, request: web.Request) -> web.Response:
        """Add a record."""
        zone = self._zone(request)
        fields = record_fields(await read_body(request), zone)
        check_coexistence(fields, self._records_of(zone))
        now = self._world.clock.now()
        record = DnsRecord(id=uuid.uuid4().hex, zone=zone.id, created=now, modified=now, **fields)
        self._world.state.records[record.id] = record
        self._world.mark_dirty()
        return json_response(record_view(record))

    async def replace(self, request: web.Request) -> web.Response:
        """Replace all fields of a record; it keeps its id."""
        return self._change(self._record(request), await read_body(request))

    async def edit(self, request: web.Request) -> web.Response:
        """Change the fields of a record that the body holds."""
        record = self._record(request)
        return self._change(record, {**vars(record), **await read_body(request)})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a record."""
        record = self._record(request)
        del self._world.state.records[record.id]
        self._world.mark_dirty()
        return json_response({"id": record.id})

    def _change(self, record: DnsRecord, data: Json) -> web.Response:
        zone = self._world.state.zones[record.zone]
        fields = record_fields(data, zone)
        check_coexistence(
            fields, (other for other in self._records_of(zone) if other is not record)
        )
        for name, value in fields.items():
            setattr(record, name, value)
        record.modified = self._world.clock.now()
        self._world.mark_dirty()
        return json_response(record_view(record))

    def _zone(self, request: web.Request) -> DnsZone:
        zone_id = request.match_info["zone_id"]
        zone = self._world.state.zones.get(zone_id)
        if zone is None:
            raise not_found(f"/zones/{zone_id}")
        if request[ONLY_ZONE] not in {None, zone.name}:
            raise ApiError(403, 9109, "Unauthorized to access requested resource")
        return zone

    def _record(self, request: web.Request) -> DnsRecord:
        zone = self._zone(request)
        record = self._world.state.records.get(request.match_info["dns_record_id"])
        if record is None or record.zone != zone.id:
            raise ApiError(404, 81044, "Record does not exist.")
        return record

    def _records_of(self, zone: DnsZone) -> list[DnsRecord]:
        return [record for record in self._world.state.records.values() if record.zone == zone.id]

    @web.middleware
    async def _respond(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request; every error becomes one of Cloudflare's."""
        await self._world.clock.sleep(LATENCY_SECONDS)
        try:
            response = await self._check_and_handle(request, handler)
        except ApiError as error:
            response = error.response()
            if error.status == 429:
                response.headers["Retry-After"] = str(self._blocked_for())
        except web.HTTPException as error:
            response = ApiError(error.status, 9207, error.reason).response()
        except Exception:
            log.exception("%s %s", request.method, request.path)
            response = ApiError(500, 1001, "The sandbox has a fault").response()
        if not response.prepared:
            reset = math.ceil(self._bucket.seconds_until_full)
            policy = f'"default";q={REQUESTS_PER_WINDOW};w={RATE_LIMIT_WINDOW}'
            response.headers["Ratelimit"] = f'"default";r={self._bucket.remaining};t={reset}'
            response.headers["Ratelimit-Policy"] = policy
        return response

    async def _check_and_handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request[ONLY_ZONE] = self._check_credential(request.headers)
        unrouted = request.match_info.http_exception
        if unrouted is not None and unrouted.status == 405:
            raise ApiError(405, 10405, "Method not allowed for this authentication scheme")
        if unrouted is not None:
            raise not_found(request.path.removeprefix("/client/v4"))
        resource = request.match_info.route.resource
        path = ("" if resource is None else resource.canonical).removeprefix("/client/v4")
        route = f"{request.method} {path}"
        self._world.count_call("cloudflare", route)
        self._check_rate()
        fault = self._world.faults.draw("cloudflare", route)
        if fault is None:
            return await handler(request)
        return await self._faults.respond(fault, request, handler)

    def _check_credential(self, headers: Mapping[str, str]) -> str | None:
        """Return the only zone that the credential opens, or None if it opens all.

        Raises an `ApiError` if the credential is missing, malformed or unknown.
        """
        token = self._world.state.cloudflare_token.encode()
        if "X-Auth-Key" in headers or "X-Auth-Email" in headers:
            key, email = headers.get("X-Auth-Key", ""), headers.get("X-Auth-Email", "")
            if "@" not in email or not hmac.compare_digest(key.encode(), token):
                raise ApiError(403, 9103, "Unknown X-Auth-Key or X-Auth-Email")
            return None
        if "Authorization" not in headers:
            raise ApiError(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        scheme, _, given = headers["Authorization"].partition(" ")
        if scheme.lower() != "bearer" or len(given) < 16 or " " in given:
            cause = (6111, "Invalid format for Authorization header")
            raise ApiError(400, 6003, "Invalid request headers", cause)
        if given in self._world.state.zone_tokens:
            return self._world.state.zone_tokens[given]
        if not hmac.compare_digest(given.encode(), token):
            raise ApiError(403, 9109, "Invalid access token: this is the LivChat sandbox")
        return None

    def _check_rate(self) -> None:
        """Raise a 429 for a call over the limit, and for each one in a whole window after it."""
        now = self._world.clock.now()
        if now >= self._blocked_until and self._bucket.take():
            return
        if now >= self._blocked_until:
            self._blocked_until = now + self._world.clock.scaled(RATE_LIMIT_WINDOW)
        raise rate_limited()

    def _blocked_for(self) -> int:
        return max(1, math.ceil(self._blocked_until - self._world.clock.now()))
