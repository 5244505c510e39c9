"""Ends a TCP connection by a reset (RST) in place of a polite end (FIN)."""

from __future__ import annotations

import asyncio
import socket
import struct

_NO_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER switched on, with a time-out of 0 s: closing sends a reset."""


def reset_connection(transport: asyncio.BaseTransport | None) -> None:
    """Reset the connection of a transport; None is a connection that is gone already."""
    if not isinstance(transport, asyncio.Transport):
        return
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
