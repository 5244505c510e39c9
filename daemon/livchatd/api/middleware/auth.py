"""Who may ask: peer credentials on the Unix socket; token, Host and Origin on TCP."""

from __future__ import annotations

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

from livchat.errors import Forbidden, Unauthorized
from livchatd.api.middleware.auth_throttle import Attempts

_log = logging.getLogger("livchatd")
_CREDENTIALS = struct.Struct("3i")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Access(Enum):
    """Who a route is for."""

    OWNER = "owner"
    """On the Unix socket the user of the daemon and root; on TCP whoever has the token."""
    OPEN = "open"
    """On TCP without a token too: it tells nothing about this installation."""


@dataclass(frozen=True)
class Guard:
    """The rules of one daemon. `hosts` are the names that a request over TCP may be sent to.

    `token` gives the token for TCP as it is now; None lets nobody in.
    """

    token: Callable[[], str | None] = field(default=lambda: None, repr=False)
    hosts: frozenset[str] = LOOPBACK_NAMES
    open_paths: frozenset[str] = frozenset()
    uid: int = field(default_factory=os.getuid)
    attempts: Attempts = field(default_factory=Attempts)

    def admit(self, request: web.Request) -> None:
        """Let the request pass, or raise `Forbidden` or `Unauthorized`."""
        if "Origin" in request.headers:
            raise Forbidden(
                "a browser's page may not drive this daemon", hint="use livchat or curl"
            )
        peer = _socket(request)
        if peer.family == socket.AF_UNIX:
            _, uid, _ = _credentials(peer)
            if uid not in (self.uid, 0):
                raise Forbidden(
                    f"this daemon belongs to user {self.uid}, and you are user {uid}",
                    hint="run livchat as the user who started the daemon",
                )
            return
        self._admit_tcp(request, _peer(peer))

    def _admit_tcp(self, request: web.Request, peer: str) -> None:
        if _name(request.headers.get("Host", "")) not in self.hosts:
            raise Forbidden(
                "cannot take a request for this Host; the daemon knows "
                + ", ".join(sorted(self.hosts)),
                hint="livchatd --tcp HOST:PORT --allow-host NAME",
            )
        if request.path in self.open_paths:
            return
        self.attempts.check(peer)
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        known = self.token()
        if scheme.lower() != "bearer" or known is None:
            raise Unauthorized("a token is needed over TCP", hint="export LIVCHAT_TOKEN_FILE=PATH")
        if not hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), known.encode()
        ):
            if self.attempts.failed(peer):
                _log.warning("too many wrong tokens from %s", peer)
            raise Unauthorized(
                "the token is not this daemon's", hint="export LIVCHAT_TOKEN_FILE=PATH"
            )


def caller(request: web.Request) -> str:
    """Who asks, as a job's record keeps it: `uid:1000 pid:4242`, or `token`."""
    peer = _socket(request)
    if peer.family != socket.AF_UNIX:
        return "token"
    pid, uid, _ = _credentials(peer)
    return f"uid:{uid} pid:{pid}"


def _socket(request: web.Request) -> socket.socket:
    peer: socket.socket | None = request.get_extra_info("socket")
    if peer is None:
        raise ConnectionResetError("the client is gone")
    return peer


def _peer(peer: socket.socket) -> str:
    """Whose attempts count together: an address, or the network that one household has in IPv6."""
    try:
        address = ipaddress.ip_address(peer.getpeername()[0].partition("%")[0])
    except (OSError, ValueError):
        raise ConnectionResetError("the client is gone") from None
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or ipaddress.ip_network(f"{address}/64", strict=False)[0]
    return str(address)


def _credentials(peer: socket.socket) -> tuple[int, int, int]:
    """Process, user and group of the other end when it connected."""
    packed = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(packed)
    return pid, uid, gid


def _name(host: str) -> str:
    """A Host header without its port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
