"""Three ports behind which nobody answers: one refuses, one stays silent, one resets."""

from __future__ import annotations

import asyncio
import socket

from livchat_sandbox.net.listeners import LOOPBACK, refusing_socket
from livchat_sandbox.net.reset import reset_connection


class DeadPorts:
    """The numbers of the three ports while they are open; 0 before."""

    def __init__(self) -> None:
        self.refused = 0
        self.silent = 0
        self.reset = 0
        self._sockets: list[socket.socket] = []
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Open the ports on loopback."""
        refusing = refusing_socket()
        # The kernel accepts connections, and no program ever takes them.
        silent = socket.create_server((LOOPBACK, 0), backlog=128)
        self._sockets = [refusing, silent]
        self._server = await asyncio.start_server(_reset, LOOPBACK, 0)
        self.refused = refusing.getsockname()[1]
        self.silent = silent.getsockname()[1]
        self.reset = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Close the ports."""
        if self._server is not None:
            self._server.close()
        while self._sockets:
            self._sockets.pop().close()


async def _reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset_connection(writer.transport)
