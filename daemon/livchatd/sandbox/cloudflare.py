"""Cloudflare's API over the sandbox's world: tokens, zones and DNS records."""

from __future__ import annotations

import hmac
import logging
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aiohttp import web

from livchatd.sandbox.bucket import Bucket
from livchatd.sandbox.cloudflare_http import Refused, body, filters, no_route, page, reply, stamp
from livchatd.sandbox.cloudflare_records import PROXIABLE, check_beside, facts
from livchatd.sandbox.faults import Handler
from livchatd.sandbox.state import Record, Zone
from livchatd.sandbox.world import World

log = logging.getLogger(__name__)

Row = TypeVar("Row")
Data = dict[str, Any]

# Simulated seconds until an answer; calls in a window of so many seconds.
LATENCY = 0.04
LIMIT, WINDOW = 1200, 300
ACCOUNT = {"id": uuid.uuid5(uuid.NAMESPACE_DNS, "livchat.localhost").hex, "name": "LivChat sandbox"}


class Cloudflare:
    """The API: who asks is let in or refused here, then the route answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bucket = Bucket(world.clock, LIMIT, rate=LIMIT / WINDOW)
        self._blocked_until = 0.0

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
        zones = filter(_picks_zone(request.query), self._world.state.zones.values())
        return page(request, [*zones], _zone_view, (20, 5, 50))

    async def zone(self, request: web.Request) -> web.Response:
        """One zone."""
        return reply(_zone_view(self._zone(request)))

    async def records(self, request: web.Request) -> web.Response:
        """A zone's records, by filters that must all hold, or any with `match=any`."""
        zone = self._zone(request)
        rows = filter(_picks_record(request.query), self._of(zone))
        return page(request, [*rows], self._view, (100, 1, 50_000))

    async def record(self, request: web.Request) -> web.Response:
        """One record."""
        return reply(self._view(self._record(request)))

    async def create(self, request: web.Request) -> web.Response:
        """Add a record."""
        zone = self._zone(request)
        wanted = facts(await body(request), zone)
        check_beside(wanted, self._of(zone))
        now = self._world.clock.now()
        record = Record(id=uuid.uuid4().hex, zone=zone.id, created=now, modified=now, **wanted)
        self._world.state.records[record.id] = record
        self._world.changed()
        return reply(self._view(record))

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
        return reply(self._view(record))

    def _zone(self, request: web.Request) -> Zone:
        number = request.match_info["zone_id"]
        zone = self._world.state.zones.get(number)
        if zone is None:
            raise no_route(f"/zones/{number}")
        return zone

    def _record(self, request: web.Request) -> Record:
        zone = self._zone(request)
        record = self._world.state.records.get(request.match_info["dns_record_id"])
        if record is None or record.zone != zone.id:
            raise Refused(404, 81044, "Record does not exist.")
        return record

    def _of(self, zone: Zone) -> list[Record]:
        return [record for record in self._world.state.records.values() if record.zone == zone.id]

    def _view(self, record: Record) -> Data:
        optional = {"priority": record.priority, "data": record.data}
        return {
            "id": record.id,
            "name": record.name,
            "type": record.type,
            "content": record.content,
            "proxiable": record.type in PROXIABLE,
            "proxied": record.proxied,
            "ttl": record.ttl,
            "settings": {},
            "meta": {},
            "comment": record.comment,
            "tags": record.tags,
            "created_on": stamp(record.created),
            "modified_on": stamp(record.modified),
            **{name: value for name, value in optional.items() if value is not None},
        }

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
        self._check_credential(request.headers)
        refused = request.match_info.http_exception
        if refused is not None and refused.status == 405:
            raise Refused(405, 10405, "Method not allowed for this authentication scheme")
        if refused is not None:
            raise no_route(request.path.removeprefix("/client/v4"))
        resource = request.match_info.route.resource
        route = ("" if resource is None else resource.canonical).removeprefix("/client/v4")
        self._world.count("cloudflare", request.method, route)
        self._check_rate()
        fault = self._world.faults.next("cloudflare", f"{request.method} {route}")
        return await (handler(request) if fault is None else fault(request, handler))

    def _check_credential(self, headers: Mapping[str, str]) -> None:
        token = self._world.state.cloudflare_token.encode()
        if "X-Auth-Key" in headers or "X-Auth-Email" in headers:
            key, email = headers.get("X-Auth-Key", ""), headers.get("X-Auth-Email", "")
            if "@" not in email or not hmac.compare_digest(key.encode(), token):
                raise Refused(403, 9103, "Unknown X-Auth-Key or X-Auth-Email")
            return
        if "Authorization" not in headers:
            raise Refused(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        scheme, _, given = headers["Authorization"].partition(" ")
        if scheme.lower() != "bearer" or len(given) < 16 or " " in given:
            cause = (6111, "Invalid format for Authorization header")
            raise Refused(400, 6003, "Invalid request headers", cause)
        if not hmac.compare_digest(given.encode(), token):
            raise Refused(403, 9109, "Invalid access token: this is the LivChat sandbox")

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


def _picks_zone(query: Mapping[str, str]) -> Callable[[Zone], bool]:
    tests: list[Callable[[Zone], bool]] = []
    if "name" in query:
        tests.append(lambda zone: _operator(query["name"].lower(), zone.name))
    if "status" in query:
        tests.append(lambda zone: query["status"] == zone.status)
    if "account.id" in query:
        tests.append(lambda _: query["account.id"] == ACCOUNT["id"])
    return _joined(query, tests)


def _operator(wanted: str, name: str) -> bool:
    operator, colon, value = wanted.partition(":")
    if not colon:
        return name == wanted
    return {
        "equal": name == value,
        "not_equal": name != value,
        "starts_with": name.startswith(value),
        "ends_with": name.endswith(value),
        "contains": value in name,
    }.get(operator, False)


def _picks_record(query: Mapping[str, str]) -> Callable[[Record], bool]:
    tests: list[Callable[[Record], bool]] = [
        lambda record, field=field, test=test: test(getattr(record, field))  # type: ignore[misc]
        for field in ("name", "content", "comment")
        for test in filters(query, field)
    ]
    if "type" in query:
        tests.append(lambda record: query["type"] == record.type)
    if "proxied" in query:
        proxied = query["proxied"].lower() == "true"
        tests.append(lambda record: record.proxied == proxied)
    if "search" in query:
        wanted = query["search"].lower()
        tests.append(lambda record: wanted in f"{record.name} {record.content} {record.comment}")
    return _joined(query, tests)


def _joined(query: Mapping[str, str], tests: list[Callable[[Row], bool]]) -> Callable[[Row], bool]:
    if tests and query.get("match") == "any":
        return lambda row: any(test(row) for test in tests)
    return lambda row: all(test(row) for test in tests)


def _zone_view(zone: Zone) -> Data:
    since = stamp(zone.created)
    return {
        "id": zone.id,
        "name": zone.name,
        "status": zone.status,
        "paused": False,
        "type": "full",
        "development_mode": 0,
        "name_servers": ["ada.ns.sandbox.invalid", "bob.ns.sandbox.invalid"],
        "original_name_servers": None,
        "original_registrar": None,
        "original_dnshost": None,
        "created_on": since,
        "modified_on": since,
        "activated_on": since if zone.status == "active" else None,
        "vanity_name_servers": [],
        "meta": {"step": 2, "page_rule_quota": 3, "phishing_detected": False},
        "owner": {"id": ACCOUNT["id"], "type": "user", "name": "LivChat sandbox"},
        "account": ACCOUNT,
        "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:read"],
        "plan": {"id": ACCOUNT["id"], "name": "Free Website", "price": 0, "currency": "USD"},
    }
