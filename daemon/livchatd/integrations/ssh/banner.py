"""Whether an SSH server takes a new connection: its greeting, without a login."""

from __future__ import annotations

import asyncio

WITHIN = 5.0
"""Seconds until its first words."""


async def speaks_ssh(host: str, port: int) -> bool:
    """Whether something that speaks SSH greets whoever connects there."""
    try:
        async with asyncio.timeout(WITHIN):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                return (await reader.readexactly(4)) == b"SSH-"
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False
