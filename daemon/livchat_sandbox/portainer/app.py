"""Portainer CE 2.43 on a simulated machine: its HTTP API over the machine's Docker engine."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from livchat_sandbox.faults.plan import FaultDraw, no_faults
from livchat_sandbox.faults.registry import CONNECT
from livchat_sandbox.portainer import environments, stacks, system, users
from livchat_sandbox.portainer.faults import apply_fault
from livchat_sandbox.portainer.http import ApiCall, ApiError, error_response
from livchat_sandbox.portainer.jwt import is_valid_jwt

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock
    from livchat_sandbox.machine.machine import Machine

_PORT = 9000
_SETUP_SECONDS = 300.0
"""Simulated seconds without an administrator after which Portainer locks itself."""
_Route = Callable[[ApiCall], Awaitable[web.Response]]

_ROUTES: list[tuple[str, str, _Route, bool]] = [
    ("GET", "/system/status", system.status, True),
    ("GET", "/status", system.status, True),
    ("GET", "/settings/public", system.public_settings, True),
    ("GET", "/users/admin/check", users.check_administrator, True),
    ("POST", "/users/admin/init", users.create_administrator, True),
    ("POST", "/auth", users.log_in, True),
    ("POST", "/auth/logout", users.log_out, False),
    ("GET", "/users/me", users.show_me, False),
    ("GET", "/system/version", system.version, False),
    ("GET", "/endpoints", environments.index, False),
    ("POST", "/endpoints", environments.create, False),
    ("GET", "/endpoints/([^/]+)", environments.show, False),
    ("*", "/endpoints/([^/]+)/docker(/.*)", environments.docker, False),
    ("POST", "/stacks/create/swarm/string", stacks.create, False),
    ("GET", "/stacks", stacks.index, False),
    ("GET", "/stacks/([^/]+)", stacks.show, False),
    ("GET", "/stacks/([^/]+)/file", stacks.file, False),
    ("PUT", "/stacks/([^/]+)", stacks.update, False),
    ("DELETE", "/stacks/([^/]+)", stacks.delete, False),
    ("POST", "/stacks/([^/]+)/(start|stop)", stacks.switch, False),
]
"""Method (`*` is any), path, what answers, and whether a call needs no token."""


class PortainerApi:
    """Portainer of one machine, for connections that come through its SSH server."""

    def __init__(self, machine: Machine, clock: Clock, draw_fault: FaultDraw = no_faults) -> None:
        self._machine = machine
        self._draw_fault = draw_fault
        self._clock = clock
        self._server: web.Server | None = None

    def listens_on(self, host: str, port: int) -> bool:
        """Whether Portainer accepts connections there: at its address on docker_gwbridge."""
        self._machine.advance_to_now()
        engine = self._machine.engine
        service = self._machine.portainer.service(engine)
        if service is None or port != _PORT:
            return False
        listens = any(task.serving and task.address == host for task in engine.tasks(service))
        return listens and self._draw_fault("portainer", CONNECT, "") is None

    async def serve_connection(self, connection: socket.socket) -> None:
        """Serve HTTP on a connected socket."""
        if self._server is None:
            self._server = web.Server(self._respond, access_log=None)
        connection.setblocking(False)  # noqa: FBT003 - socket's own signature
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(self._server, connection)

    async def close(self) -> None:
        """Close all connections."""
        if self._server is not None:
            await self._server.shutdown(0.1)
            self._server = None

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        self._machine.advance_to_now()
        if not self._machine.portainer.is_serving(self._machine.engine) and request.transport:
            # Its container is gone, and the connection with it.
            request.transport.abort()
        try:
            name, route, ids, public = _find_route(request)
            if not public:
                self._check_setup()
                self._check_token(request)
            call = ApiCall(request, self._machine, ids)
            fault = self._draw_fault("portainer", name, "")
            if fault is None:
                response: web.StreamResponse = await route(call)
            else:
                response = await apply_fault(fault, self._clock, request, lambda: route(call))
        except ApiError as error:
            return error_response(error)
        if request.method != "GET":
            self._machine.on_change()
        return response

    def _check_setup(self) -> None:
        """Raise a 303 if Portainer has run for five minutes without an administrator."""
        service = self._machine.portainer.service(self._machine.engine)
        age = self._clock.now() - (service.updated if service else self._clock.now())
        if (
            self._machine.portainer.password is None
            and age > self._clock.scaled(_SETUP_SECONDS) > 0
        ):
            raise ApiError(303, "Administrator initialization timeout")

    def _check_token(self, request: web.BaseRequest) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if "X-API-Key" in request.headers:
            raise ApiError(401, "Invalid API key", "Unauthorized")
        if scheme.lower() != "bearer" or not token:
            raise ApiError(401, "A valid authorization token is missing", "Unauthorized")
        if not is_valid_jwt(token, self._machine.portainer.signing_key(), self._clock.now()):
            raise ApiError(401, "Invalid JWT token", "Unauthorized")


def _find_route(request: web.BaseRequest) -> tuple[str, _Route, tuple[str, ...], bool]:
    """Return a route's name in fault rules, what answers, the ids in the path, and if it is public.

    Raises a 404 or a 405 if there is no such route.
    """
    known = False
    for method, path, route, public in _ROUTES:
        if match := re.fullmatch(f"/api{path}", request.path):
            known = True
            if method in {"*", request.method}:
                template = path.replace("([^/]+)", "{id}").replace("(/.*)", "/*")
                return f"{request.method} {template}", route, match.groups(), public
    raise ApiError(405 if known else 404, "Method Not Allowed" if known else "Not Found")
