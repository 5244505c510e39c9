"""Cloudflare's API over the sandbox's world: tokens, zones and DNS records."""

from __future__ import annotations

import hmac
import logging
import math
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.cloudflare.faults import WINDOW, CloudflareFaults
from livchat_sandbox.cloudflare.filters import picks_record, picks_zone
from livchat_sandbox.cloudflare.http import Refused, body, no_route, page, reply
from livchat_sandbox.cloudflare.records import check_beside, facts
from livchat_sandbox.cloudflare.views import record_view, zone_view
from livchat_sandbox.faults.http import Handler
from livchat_sandbox.rate_limit import Bucket
from livchat_sandbox.storage.state import Record, Zone

log = logging.getLogger(__name__)

Data = dict[str, Any]

# Simulated seconds until an answer; calls in a window.
LATENCY = 0.04
LIMIT = 1200
SCOPE = "zone"
"""Where a request has the only zone that its credential opens."""


class Cloudflare:
    """The API: who asks is let in or refused here, then the route answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bucket = Bucket(world.clock, LIMIT, rate=LIMIT / WINDOW)
        self._blocked_until = 0.0
        self._faults = CloudflareFaults(world)

    def app(self) -> web.Application:
        """The application to be served."""
        app = web.Application(middlewares=[self._answer])
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
        """Whether the token is good; only a token can be asked about."""
        if "Authorization" not in request.headers:
            raise Refused(401, 1000, "Invalid API Token")
        number = uuid.uuid5(uuid.NAMESPACE_DNS, self._world.state.cloudflare_token).hex
        return reply({"id": number, "status": "active"})

    async def zones(self, request: web.Request) -> web.Response:
        """Zones by name, status and account."""
        picked = filter(picks_zone(request.query), self._world.state.zones.values())
        zones = [zone for zone in picked if request[SCOPE] in {None, zone.name}]
        return page(request, zones, zone_view, (20, 5, 50))

    async def zone(self, request: web.Request) -> web.Response:
        """One zone."""
        return reply(zone_view(self._zone(request)))

    async def records(self, request: web.Request) -> web.Response:
        """A zone's records, by filters that must all hold, or any with `match=any`."""
        zone = self._zone(request)
        rows = filter(picks_record(request.query), self._of(zone))
        return page(request, [*rows], record_view, (100, 1, 50_000))

    async def record(self, request: web.Request) -> web.Response:
        """One record."""
        return reply(record_view(self._record(request)))

    async def create(self, request: web.Request) -> web.Response:
        """Add a record."""
        zone = self._zone(request)
        wanted = facts(await body(request), zone)
        check_beside(wanted, self._of(zone))
        now = self._world.clock.now()
        record = Record(id=uuid.uuid4().hex, zone=zone.id, created=now, modified=now, **wanted)
        self._world.state.records[record.id] = record
        self._world.changed()
        return reply(record_view(record))

    async def replace(self, request: web.Request) -> web.Response:
        """Make a record anew, under its id."""
        return self._change(self._record(request), await body(request))

    async def edit(self, request: web.Request) -> web.Response:
        """Change the fields that are given."""
        record = self._record(request)
        return self._change(record, {**vars(record), **await body(request)})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a record."""
        record = self._record(request)
        del self._world.state.records[record.id]
        self._world.changed()
        return reply({"id": record.id})

    def _change(self, record: Record, data: Data) -> web.Response:
        zone = self._world.state.zones[record.zone]
        wanted = facts(data, zone)
        check_beside(wanted, (other for other in self._of(zone) if other is not record))
        for name, value in wanted.items():
            setattr(record, name, value)
        record.modified = self._world.clock.now()
        self._world.changed()
        return reply(record_view(record))

    def _zone(self, request: web.Request) -> Zone:
        number = request.match_info["zone_id"]
        zone = self._world.state.zones.get(number)
        if zone is None:
            raise no_route(f"/zones/{number}")
        if request[SCOPE] not in {None, zone.name}:
            raise Refused(403, 9109, "Unauthorized to access requested resource")
        return zone

    def _record(self, request: web.Request) -> Record:
        zone = self._zone(request)
        record = self._world.state.records.get(request.match_info["dns_record_id"])
        if record is None or record.zone != zone.id:
            raise Refused(404, 81044, "Record does not exist.")
        return record

    def _of(self, zone: Zone) -> list[Record]:
        return [record for record in self._world.state.records.values() if record.zone == zone.id]

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await self._world.clock.sleep(LATENCY)
        try:
            answer = await self._admit(request, handler)
        except Refused as refused:
            answer = refused.answer()
            if refused.status == 429:
                answer.headers["Retry-After"] = str(self._blocked_for())
        except web.HTTPException as error:
            answer = Refused(error.status, 9207, error.reason).answer()
        except Exception:
            log.exception("%s %s", request.method, request.path)
            answer = Refused(500, 1001, "The sandbox has a fault").answer()
        if not answer.prepared:
            renewal = math.ceil(self._bucket.full_in)
            answer.headers["Ratelimit"] = f'"default";r={self._bucket.left};t={renewal}'
            answer.headers["Ratelimit-Policy"] = f'"default";q={LIMIT};w={WINDOW}'
        return answer

    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request[SCOPE] = self._scope(request.headers)
        refused = request.match_info.http_exception
        if refused is not None and refused.status == 405:
            raise Refused(405, 10405, "Method not allowed for this authentication scheme")
        if refused is not None:
            raise no_route(request.path.removeprefix("/client/v4"))
        resource = request.match_info.route.resource
        path = ("" if resource is None else resource.canonical).removeprefix("/client/v4")
        route = f"{request.method} {path}"
        self._world.count("cloudflare", route)
        self._check_rate()
        fault = self._world.faults.next("cloudflare", route)
        if fault is None:
            return await handler(request)
        return await self._faults.answer(fault, request, handler)

    def _scope(self, headers: Mapping[str, str]) -> str | None:
        """The only zone that the credential opens, None if all; it is refused here."""
        token = self._world.state.cloudflare_token.encode()
        if "X-Auth-Key" in headers or "X-Auth-Email" in headers:
            key, email = headers.get("X-Auth-Key", ""), headers.get("X-Auth-Email", "")
            if "@" not in email or not hmac.compare_digest(key.encode(), token):
                raise Refused(403, 9103, "Unknown X-Auth-Key or X-Auth-Email")
            return None
        if "Authorization" not in headers:
            raise Refused(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        scheme, _, given = headers["Authorization"].partition(" ")
        if scheme.lower() != "bearer" or len(given) < 16 or " " in given:
            cause = (6111, "Invalid format for Authorization header")
            raise Refused(400, 6003, "Invalid request headers", cause)
        if given in self._world.state.zone_tokens:
            return self._world.state.zone_tokens[given]
        if not hmac.compare_digest(given.encode(), token):
            raise Refused(403, 9109, "Invalid access token: this is the LivChat sandbox")
        return None

    def _check_rate(self) -> None:
        now = self._world.clock.now()
        if now >= self._blocked_until and self._bucket.take():
            return
        # Over the limit, every call is refused for a whole window.
        if now >= self._blocked_until:
            self._blocked_until = now + self._world.clock.scaled(WINDOW)
        raise Refused(429, 971, "Please wait and consider throttling your request speed")

    def _blocked_for(self) -> int:
        return max(1, math.ceil(self._blocked_until - self._world.clock.now()))
