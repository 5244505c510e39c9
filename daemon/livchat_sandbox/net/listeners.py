"""Listeners on loopback that keep their ports when the sandbox comes back."""

from __future__ import annotations

import socket

from aiohttp import web

LOOPBACK = "127.0.0.1"


def bind(*wanted: int) -> socket.socket:
    """A socket on the first of these ports that is free, else on any; it does not listen yet."""
    for port in (*wanted, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Connections of the sandbox before us may linger on its port: they are not in the way.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            listener.close()
        else:
            return listener
    raise OSError("no port is free on loopback")


def refusing() -> socket.socket:
    """A socket that never listens: whoever connects to its port is refused while it lives."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.bind((LOOPBACK, 0))
    return door


class Listeners:
    """Applications served on sockets of their own."""

    def __init__(self) -> None:
        self._runners: list[web.AppRunner] = []

    async def serve(self, app: web.Application, *wanted: int) -> int:
        """Serve an application; the port."""
        # Answers in progress are given a moment at the end, connections that idle are not.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, keepalive_timeout=30)
        await runner.setup()
        self._runners.append(runner)
        for attempt in (wanted, ()):
            listener = bind(*attempt)
            try:
                await web.SockSite(runner, listener, backlog=1024).start()
            except OSError:
                # Bound by another in the same instant, and listening before us.
                listener.close()
            else:
                port: int = listener.getsockname()[1]
                return port
        raise OSError("no port is free on loopback")

    async def close(self) -> None:
        """Stop listening."""
        while self._runners:
            await self._runners.pop().cleanup()
