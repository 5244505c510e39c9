"""Hetzner Cloud's API over the sandbox's world, as an unmodified client speaks it."""

from __future__ import annotations

import hmac
import logging
import math
import uuid

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.faults.http import Handler
from livchat_sandbox.hetzner.actions import ActionRoutes
from livchat_sandbox.hetzner.catalog import CatalogRoutes
from livchat_sandbox.hetzner.faults import LIMIT, HetznerFaults
from livchat_sandbox.hetzner.http import Refused
from livchat_sandbox.hetzner.primary_ips import AddressRoutes
from livchat_sandbox.hetzner.servers import ServerRoutes
from livchat_sandbox.hetzner.ssh_keys import KeyRoutes
from livchat_sandbox.hetzner.views import Views
from livchat_sandbox.rate_limit import Bucket

log = logging.getLogger(__name__)

# Simulated seconds until an answer.
LATENCY = 0.04
FAILURES = {500: "server_error", 502: "bad_gateway", 503: "unavailable", 504: "timeout"}


class Hetzner:
    """The API: who asks is let in or refused here, then the route answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bucket = Bucket(world.clock, LIMIT, rate=LIMIT / 3600)
        self._faults = HetznerFaults(world)

    def app(self) -> web.Application:
        """The application to be served."""
        app = web.Application(middlewares=[self._answer])
        views = Views(self._world)
        # Fixed names stand before ids: `/servers/actions` is no server.
        app.add_routes(ActionRoutes(self._world, views).routes())
        app.add_routes(ServerRoutes(self._world, views).routes())
        app.add_routes(AddressRoutes(self._world, views).routes())
        app.add_routes(KeyRoutes(self._world, views).routes())
        app.add_routes(CatalogRoutes(self._world).routes())
        return app

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await self._world.clock.sleep(LATENCY)
        try:
            answer = await self._admit(request, handler)
        except Refused as refused:
            answer = refused.answer()
        except web.HTTPException as error:
            code = FAILURES.get(error.status, "json_error")
            answer = Refused(error.status, code, error.reason.lower()).answer()
        except Exception:
            log.exception("%s %s", request.method, request.path)
            answer = Refused(500, "server_error", "the sandbox has a fault").answer()
        if not answer.prepared:
            self._add_headers(answer)
        return answer

    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = request.match_info.http_exception
        # There, the path is looked at before the token, and the method after it.
        if refused is not None and refused.status == 404:
            raise Refused(404, "not_found", "api route not found")
        self._check_token(request)
        if refused is not None:
            raise Refused(405, "method_not_allowed", "method not allowed")
        route = f"{request.method} {_template(request)}"
        self._world.count("hetzner", route)
        if not self._bucket.take():
            raise Refused(429, "rate_limit_exceeded", f"limit of {LIMIT} requests per hour reached")
        fault = self._world.faults.next("hetzner", route)
        if fault is None:
            return await handler(request)
        return await self._faults.answer(fault, request, handler)

    def _check_token(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "unauthorized", "token is required")
        if not hmac.compare_digest(token.encode(), self._world.state.token.encode()):
            why = "the token you have provided is invalid: this is the LivChat sandbox, not Hetzner"
            raise Refused(401, "unauthorized", f"{why}, and its token begins with sandbox-")

    def _add_headers(self, answer: web.StreamResponse) -> None:
        bucket = self._bucket
        full_at = self._world.clock.now() + bucket.full_in
        for name, value in (
            ("RateLimit-Limit", bucket.size),
            ("RateLimit-Remaining", bucket.left),
            ("RateLimit-Reset", math.ceil(full_at)),
        ):
            # A fault says its own.
            answer.headers.setdefault(name, str(value))
        answer.headers["X-Correlation-Id"] = uuid.uuid4().hex[:16]


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return (request.path if resource is None else resource.canonical).removeprefix("/v1")
