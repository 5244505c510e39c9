"""Portainer CE 2.43 on a simulated machine: its HTTP API over the machine's Docker engine."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from livchat_sandbox.faults.plan import Meet, all_well
from livchat_sandbox.machine.portainer_data import Portainer
from livchat_sandbox.portainer import environments, stacks
from livchat_sandbox.portainer.faults import suffer
from livchat_sandbox.portainer.http import Call, Failure, answer, body, refuse

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock
    from livchat_sandbox.machine.machine import Machine

_VERSION = "2.43.0"
_PORT = 9000
_SESSION = 8 * 3600
_GATE = 300.0
"""Seconds without an administrator after which Portainer locks itself."""
Route = Callable[[Call], Awaitable[web.Response]]


class PortainerSite:
    """Portainer of one machine, for connections that come through its SSH server."""

    def __init__(self, machine: Machine, clock: Clock, meet: Meet = all_well) -> None:
        self._machine = machine
        self._meet = meet
        self._clock = clock
        self._server: web.Server | None = None

    def listens(self, host: str, port: int) -> bool:
        """Whether Portainer accepts connections there: on its docker_gwbridge address."""
        self._machine.settle()
        engine = self._machine.engine
        service = self._machine.portainer.service(engine)
        if service is None or port != _PORT:
            return False
        there = any(task.serving and task.address == host for task in engine.tasks(service))
        return there and self._meet("portainer", "connect", "") is None

    async def connect(self, side: socket.socket) -> None:
        """Serve HTTP on a connected socket."""
        if self._server is None:
            self._server = web.Server(self._answer, access_log=None)
        side.setblocking(False)  # noqa: FBT003 - socket's own signature
        await asyncio.get_running_loop().connect_accepted_socket(self._server, side)

    async def close(self) -> None:
        """Close all connections."""
        if self._server is not None:
            await self._server.shutdown(0.1)
            self._server = None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self._machine.settle()
        if not self._machine.portainer.answers(self._machine.engine) and request.transport:
            # Its container is gone, and the connection with it.
            request.transport.abort()
        try:
            called, route, ids, public = _route(request)
            if not public:
                self._gate()
                self._authorize(request)
            call = Call(request, self._machine, ids)
            fault = self._meet("portainer", called, "")
            if fault is None:
                found: web.StreamResponse = await route(call)
            else:
                found = await suffer(fault, self._clock, request, lambda: route(call))
        except Failure as failure:
            return refuse(failure)
        if request.method != "GET":
            self._machine.changed()
        return found

    def _gate(self) -> None:
        service = self._machine.portainer.service(self._machine.engine)
        waited = self._clock.now() - (service.updated if service else self._clock.now())
        if self._machine.portainer.password is None and waited > self._clock.scaled(_GATE) > 0:
            raise Failure(303, "Administrator initialization timeout")

    def _authorize(self, request: web.BaseRequest) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if "X-API-Key" in request.headers:
            raise Failure(401, "Invalid API key", "Unauthorized")
        if scheme.lower() != "bearer" or not token:
            raise Failure(401, "A valid authorization token is missing", "Unauthorized")
        if not valid(token, self._machine.portainer, self._clock.now()):
            raise Failure(401, "Invalid JWT token", "Unauthorized")


def _route(request: web.BaseRequest) -> tuple[str, Route, tuple[str, ...], bool]:
    """How it is called in rules, what answers it, the ids in its path, and whether all may ask."""
    known = False
    for method, path, route, public in _ROUTES:
        if match := re.fullmatch(f"/api{path}", request.path):
            known = True
            if method in {"*", request.method}:
                called = path.replace("([^/]+)", "{id}").replace("(/.*)", "/*")
                return f"{request.method} {called}", route, match.groups(), public
    raise Failure(405 if known else 404, "Method Not Allowed" if known else "Not Found")


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _sign(data: Portainer, text: str) -> str:
    return _encode(hmac.digest(data.signing_key().encode(), text.encode(), hashlib.sha256))


def token(data: Portainer, now: float) -> str:
    """A JWT for the administrator, good for 8 hours."""
    head = _encode(b'{"alg":"HS256","typ":"JWT"}')
    claims = {"id": 1, "username": "admin", "role": 1, "iat": int(now), "exp": now + _SESSION}
    text = f"{head}.{_encode(json.dumps(claims | {'jti': secrets.token_hex(4)}).encode())}"
    return f"{text}.{_sign(data, text)}"


def valid(given: str, data: Portainer, now: float) -> bool:
    """Whether a JWT is ours and still good."""
    text, _, signature = given.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _sign(data, text).encode()):
        return False
    claims = text.partition(".")[2]
    found = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return float(found["exp"]) > now


async def _status(call: Call) -> web.Response:
    return answer({"Version": _VERSION, "InstanceID": call.data.instance()})


async def _settings(call: Call) -> web.Response:
    return answer(
        {
            "AuthenticationMethod": 1,
            "RequiredPasswordLength": 12,
            "RequiresSetupToken": call.data.password is None and call.data.guarded,
            "EnableEdgeComputeFeatures": False,
            "Features": {},
            "TeamSync": False,
        }
    )


async def _version(_call: Call) -> web.Response:
    return answer(
        {
            "UpdateAvailable": False,
            "LatestVersion": _VERSION,
            "ServerVersion": _VERSION,
            "VersionSupport": "STS",
            "ServerEdition": "CE",
            "DatabaseVersion": _VERSION,
        }
    )


async def _admin_check(call: Call) -> web.Response:
    if call.data.password is None:
        message = "No administrator account found inside the database"
        raise Failure(404, message, "Object not found inside the database")
    return web.Response(status=204)


async def _admin_init(call: Call) -> web.Response:
    given = await body(call.request, Username=str, Password=str)
    if call.data.password is not None:
        raise Failure(409, "Unable to create administrator user", "An administrator already exists")
    if call.data.guarded:
        raise Failure(
            403,
            "Invalid or missing setup token. Provide the X-Setup-Token header with the token "
            "printed in the server logs at startup.",
            "Invalid or missing setup token",
        )
    if len(given["Password"]) < 12:
        raise Failure(400, "Password does not meet the requirements", "")
    call.data.password = given["Password"]
    return answer({"Id": 1, "Username": given["Username"], "Role": 1})


async def _auth(call: Call) -> web.Response:
    given = await body(call.request, Username=str, Password=str)
    right = call.data.password
    if right is None or given["Username"] != "admin" or given["Password"] != right:
        raise Failure(422, "Invalid credentials", "Unauthorized")
    return answer({"jwt": token(call.data, call.machine.clock.now())})


async def _me(_call: Call) -> web.Response:
    return answer({"Id": 1, "Username": "admin", "Role": 1})


async def _logout(_call: Call) -> web.Response:
    return web.Response(status=204)


_ROUTES: list[tuple[str, str, Route, bool]] = [
    ("GET", "/system/status", _status, True),
    ("GET", "/status", _status, True),
    ("GET", "/settings/public", _settings, True),
    ("GET", "/users/admin/check", _admin_check, True),
    ("POST", "/users/admin/init", _admin_init, True),
    ("POST", "/auth", _auth, True),
    ("POST", "/auth/logout", _logout, False),
    ("GET", "/users/me", _me, False),
    ("GET", "/system/version", _version, False),
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
