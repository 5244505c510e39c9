"""Listeners on loopback that keep their ports when the sandbox is started again."""

from __future__ import annotations

import socket

from aiohttp import web

LOOPBACK = "127.0.0.1"


def bind(*preferred_ports: int) -> socket.socket:
    """Return a TCP socket bound to the first free one of these ports, else to any.

    It does not listen yet. Raises `OSError` if no port of loopback is free.
    """
    for port in (*preferred_ports, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Connections of an earlier sandbox may linger on its port: they are not in the way.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            listener.close()
        else:
            return listener
    raise OSError("no port is free on loopback")


def refusing_socket() -> socket.socket:
    """Return a bound socket that never listens: connections to its port are refused."""
    refusing = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    refusing.bind((LOOPBACK, 0))
    return refusing


class Listeners:
    """HTTP applications, each served on a socket of its own."""

    def __init__(self) -> None:
        self._runners: list[web.AppRunner] = []

    async def serve(self, app: web.Application, *preferred_ports: int) -> int:
        """Serve an application and return its port: the first free one of these, else any.

        Raises `OSError` if no port of loopback is free.
        """
        # Answers in progress are given a moment at the end, idle connections are not.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, keepalive_timeout=30)
        await runner.setup()
        self._runners.append(runner)
        for ports in (preferred_ports, ()):
            listener = bind(*ports)
            try:
                await web.SockSite(runner, listener, backlog=1024).start()
            except OSError:
                # Another program bound the port in the same instant, and listened before us.
                listener.close()
            else:
                port: int = listener.getsockname()[1]
                return port
        raise OSError("no port is free on loopback")

    async def close(self) -> None:
        """Stop listening."""
        while self._runners:
            await self._runners.pop().cleanup()
