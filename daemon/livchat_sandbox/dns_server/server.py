"""The name server's listeners: UDP and TCP on one loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import Any

from dns.exception import DNSException
from dns.rcode import Rcode

from livchat_sandbox.cloud.world import World
from livchat_sandbox.dns_server.messages import MalformedQuery, encode_response, parse_query
from livchat_sandbox.dns_server.zones import Zones
from livchat_sandbox.net.listeners import LOOPBACK, bind

IDLE_SECONDS = 10.0
"""Seconds without a query after which a TCP connection is closed."""


class NameServer(asyncio.DatagramProtocol):
    """Listens for queries, and answers them."""

    def __init__(self, world: World) -> None:
        self._zones = Zones(world)
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    async def serve(self, preferred_port: int) -> int:
        """Listen on UDP and TCP, and return the port: the preferred one if both are free there.

        Raises `OSError` if no port is free for both.
        """
        loop = asyncio.get_running_loop()
        for port in (preferred_port, *[0] * 5):
            listener = bind(port)
            number: int = listener.getsockname()[1]
            try:
                await loop.create_datagram_endpoint(lambda: self, local_addr=(LOOPBACK, number))
            except OSError:
                listener.close()  # The port is taken on UDP.
                continue
            self._server = await asyncio.start_server(self._serve_connection, sock=listener)
            return number
        raise OSError("no port is free on loopback for both UDP and TCP")

    async def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()

    def connection_made(self, transport: Any) -> None:
        """Keep the transport that answers are sent by."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a query in a datagram."""
        response = self._respond(data, datagram=True)
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)

    async def _serve_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer the queries of one TCP connection, until it is closed or idle."""
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    query = await reader.readexactly(length)
                response = self._respond(query, datagram=False)
                if response is None:
                    break
                writer.write(struct.pack("!H", len(response)) + response)
                await writer.drain()
        writer.close()

    def _respond(self, wire: bytes, *, datagram: bool) -> bytes | None:
        """Return the answer to a message, None if it cannot be answered."""
        try:
            query = parse_query(wire)
        except MalformedQuery as error:
            return error.response
        response = self._zones.respond(query)
        try:
            return encode_response(
                query, response.code, response.answers, response.authority, datagram=datagram
            )
        except (ValueError, KeyError, DNSException):
            # The API accepted a record that cannot be encoded.
            return encode_response(query, Rcode.FORMERR, datagram=datagram)
