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
from livchat_sandbox.hetzner.faults import HetznerFaults
from livchat_sandbox.hetzner.http import REQUESTS_PER_HOUR, ApiError, rate_limit_exceeded
from livchat_sandbox.hetzner.primary_ips import PrimaryIpRoutes
from livchat_sandbox.hetzner.products import ProductRoutes
from livchat_sandbox.hetzner.servers import ServerRoutes
from livchat_sandbox.hetzner.ssh_keys import SshKeyRoutes
from livchat_sandbox.hetzner.views import Views
from livchat_sandbox.rate_limit import TokenBucket

log = logging.getLogger(__name__)

LATENCY_SECONDS = 0.04
"""Simulated seconds until an answer."""
ERROR_CODES = {500: "server_error", 502: "bad_gateway", 503: "unavailable", 504: "timeout"}


class Hetzner:
    """The API: it checks the token and the rate limit, draws a fault, and calls the route."""

    def __init__(self, world: World) -> None:
        self._world = world
        limit = REQUESTS_PER_HOUR
        self._bucket = TokenBucket(world.clock, limit, rate=limit / 3600)
        self._faults = HetznerFaults(world)

    def app(self) -> web.Application:
        """Return the application to be served."""
        app = web.Application(middlewares=[self._respond])
        views = Views(self._world)
        # Fixed names stand before ids: `/servers/actions` is no server.
        app.add_routes(ActionRoutes(self._world, views).routes())
        app.add_routes(ServerRoutes(self._world, views).routes())
        app.add_routes(PrimaryIpRoutes(self._world, views).routes())
        app.add_routes(SshKeyRoutes(self._world, views).routes())
        app.add_routes(ProductRoutes(self._world).routes())
        return app

    @web.middleware
    async def _respond(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request; every error becomes one of Hetzner's."""
        await self._world.clock.sleep(LATENCY_SECONDS)
        try:
            response = await self._check_and_handle(request, handler)
        except ApiError as error:
            response = error.response()
        except web.HTTPException as error:
            code = ERROR_CODES.get(error.status, "json_error")
            response = ApiError(error.status, code, error.reason.lower()).response()
        except Exception:
            log.exception("%s %s", request.method, request.path)
            response = ApiError(500, "server_error", "the sandbox has a fault").response()
        if not response.prepared:
            self._add_headers(response)
        return response

    async def _check_and_handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        unrouted = request.match_info.http_exception
        # Hetzner checks the path before the token, and the method after it.
        if unrouted is not None and unrouted.status == 404:
            raise ApiError(404, "not_found", "api route not found")
        self._check_token(request)
        if unrouted is not None:
            raise ApiError(405, "method_not_allowed", "method not allowed")
        route = f"{request.method} {_path_template(request)}"
        self._world.count_call("hetzner", route)
        if not self._bucket.take():
            raise rate_limit_exceeded(self._bucket.size)
        fault = self._world.faults.draw("hetzner", route)
        if fault is None:
            return await handler(request)
        return await self._faults.respond(fault, request, handler)

    def _check_token(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApiError(401, "unauthorized", "token is required")
        if not hmac.compare_digest(token.encode(), self._world.state.token.encode()):
            why = "the token you have provided is invalid: this is the LivChat sandbox, not Hetzner"
            raise ApiError(401, "unauthorized", f"{why}, and its token begins with sandbox-")

    def _add_headers(self, response: web.StreamResponse) -> None:
        bucket = self._bucket
        full_at = self._world.clock.now() + bucket.seconds_until_full
        for name, value in (
            ("RateLimit-Limit", bucket.size),
            ("RateLimit-Remaining", bucket.remaining),
            ("RateLimit-Reset", math.ceil(full_at)),
        ):
            # A fault may have set other values.
            response.headers.setdefault(name, str(value))
        response.headers["X-Correlation-Id"] = uuid.uuid4().hex[:16]


def _path_template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return (request.path if resource is None else resource.canonical).removeprefix("/v1")
