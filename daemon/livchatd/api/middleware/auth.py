"""Who sends a request: authorized by socket or token, named as caller, put into the audit log."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from aiohttp import web

from livchat.errors import Forbidden, LivChatError, Unauthorized
from livchatd.api.http.messages import OPERATIONS, Handler
from livchatd.api.listener.slow_clients import Connection
from livchatd.api.middleware.auth_throttle import FailedLogins
from livchatd.jobs.idempotency import Caller
from livchatd.storage.audit_log import AuditEntry

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
RESUMED = web.AppKey("resumed", asyncio.Event)
"""Set once the jobs of the last run are resumed: until then most requests wait."""
ANSWERED_BEFORE_RESUME = frozenset({"/", "/health", "/openapi.json", "/docs"})
CALLER = "caller"
"""Where a request keeps its `Caller`, if something made one before the handler."""

_TARGET = "audit_target"
_CREDENTIALS = struct.Struct("3i")
_log = logging.getLogger("livchatd")


class Access(Enum):
    """Who may use a route."""

    OWNER = "owner"
    """On the Unix socket the user of the daemon and root; on TCP whoever has the token."""
    OPEN = "open"
    """On TCP without a token too: its response says nothing about this installation."""


@dataclass(frozen=True)
class Authenticator:
    """Decides who may use a daemon. `hosts` are the host names that it is called by over TCP.

    `token` returns the token for TCP as it is now; None lets nobody in.
    """

    token: Callable[[], str | None] = field(default=lambda: None, repr=False)
    hosts: frozenset[str] = LOOPBACK_NAMES
    open_paths: frozenset[str] = frozenset()
    uid: int = field(default_factory=os.getuid)
    failed_logins: FailedLogins = field(default_factory=FailedLogins)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Authorize a request, then wait until jobs are resumed, if its path needs them."""
        connection = request.protocol
        if isinstance(connection, Connection):
            connection.request_started()
        self.authorize(request)
        if isinstance(connection, Connection):
            connection.authenticated()
        resumed = request.app[RESUMED]
        if not resumed.is_set() and request.path not in ANSWERED_BEFORE_RESUME:
            await resumed.wait()
        return await handler(request)

    def authorize(self, request: web.Request) -> None:
        """Raise `Forbidden`, `Unauthorized` or `RateLimited` unless the sender may do this."""
        if "Origin" in request.headers:
            raise Forbidden(
                "a browser's page may not drive this daemon", hint="use livchat or curl"
            )
        peer = _socket(request)
        if peer.family == socket.AF_UNIX:
            _, uid, _ = _peer_credentials(peer)
            if uid not in (self.uid, 0):
                raise Forbidden(
                    f"this daemon belongs to user {self.uid}, and you are user {uid}",
                    hint="run livchat as the user who started the daemon",
                )
            return
        self._authorize_tcp(request, _peer_network(peer))

    def _authorize_tcp(self, request: web.Request, peer: str) -> None:
        if _host_name(request.headers.get("Host", "")) not in self.hosts:
            raise Forbidden(
                "cannot take a request for this Host; the daemon knows "
                + ", ".join(sorted(self.hosts)),
                hint="livchatd --tcp HOST:PORT --allow-host NAME",
            )
        if request.path in self.open_paths:
            return
        self.failed_logins.check(peer)
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        token = self.token()
        if scheme.lower() != "bearer" or token is None:
            raise Unauthorized("a token is needed over TCP", hint="export LIVCHAT_TOKEN_FILE=PATH")
        if not hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), token.encode()
        ):
            if self.failed_logins.add(peer):
                _log.warning("too many wrong tokens from %s", peer)
            raise Unauthorized(
                "the token is not this daemon's", hint="export LIVCHAT_TOKEN_FILE=PATH"
            )


def caller_of(request: web.Request) -> Caller:
    """Return who sends a request, with its idempotency key if it has one."""
    found: Caller | None = request.get(CALLER)
    return found or Caller(caller_name(request))


def caller_name(request: web.Request) -> str:
    """Return who sends a request, as a job's row keeps it: `uid:1000 pid:4242`, or `token`."""
    peer = _socket(request)
    if peer.family != socket.AF_UNIX:
        return "token"
    pid, uid, _ = _peer_credentials(peer)
    return f"uid:{uid} pid:{pid}"


def set_audit_target(request: web.Request, *names: str) -> None:
    """Set what the audit log says a request is about, where that is not in its path."""
    request[_TARGET] = "/".join(names)


def audit_entry(request: web.Request, action: str, status: int, caller: str) -> AuditEntry:
    """Return the audit log's entry of a request; its target is at most 200 printable characters."""
    target = request.get(_TARGET) or "/".join(request.match_info.values())
    shown = "".join(sign for sign in target[:200] if sign.isprintable())
    return AuditEntry(caller, action, shown or None, status)


def audited(action: str, handler: Handler) -> Handler:
    """Return the handler with a record of each request and its status in the audit log."""

    async def record(request: web.Request) -> web.StreamResponse:
        caller, audit_log = caller_name(request), request.app[OPERATIONS].audit_log
        try:
            response = await handler(request)
        except BaseException as error:
            status = error.status if isinstance(error, LivChatError | web.HTTPException) else 500
            audit_log.record_soon(audit_entry(request, action, status, caller))
            raise
        entry = audit_entry(request, action, response.status, caller)
        if response.status == 202:
            # The job's row, which is on disk, names the caller: the entry need not be there yet.
            audit_log.record_soon(entry)
        else:
            await audit_log.record(entry)
        return response

    return record


def _socket(request: web.Request) -> socket.socket:
    peer: socket.socket | None = request.get_extra_info("socket")
    if peer is None:
        raise ConnectionResetError("the client is gone")
    return peer


def _peer_network(peer: socket.socket) -> str:
    """Return the address whose failed logins count together: in IPv6 a household's /64."""
    try:
        address = ipaddress.ip_address(peer.getpeername()[0].partition("%")[0])
    except (OSError, ValueError):
        raise ConnectionResetError("the client is gone") from None
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or ipaddress.ip_network(f"{address}/64", strict=False)[0]
    return str(address)


def _peer_credentials(peer: socket.socket) -> tuple[int, int, int]:
    """Return process, user and group of the other end at the time when it connected."""
    packed = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(packed)
    return pid, uid, gid


def _host_name(host: str) -> str:
    """Return a Host header without its port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
