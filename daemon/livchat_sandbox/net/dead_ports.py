"""Ports where nobody is at home: one refuses, one never answers, one hangs up at once."""

from __future__ import annotations

import asyncio
import socket

from livchat_sandbox.faults.http import hang_up
from livchat_sandbox.net.listeners import LOOPBACK, refusing


class Doors:
    """The three ports, while they are open; 0 before."""

    def __init__(self) -> None:
        self.refused = 0
        self.silent = 0
        self.reset = 0
        self._sockets: list[socket.socket] = []
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Open them."""
        closed = refusing()
        # The kernel lets callers in, and nobody ever takes them.
        quiet = socket.create_server((LOOPBACK, 0), backlog=128)
        self._sockets = [closed, quiet]
        self._server = await asyncio.start_server(_hang_up, LOOPBACK, 0)
        self.refused = closed.getsockname()[1]
        self.silent = quiet.getsockname()[1]
        self.reset = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Close them."""
        if self._server is not None:
            self._server.close()
        while self._sockets:
            self._sockets.pop().close()


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    hang_up(writer.transport)
