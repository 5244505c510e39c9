"""The authoritative name server of the sandbox's zones: UDP and TCP on one loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from livchat_sandbox.cloud.world import HOPS, World
from livchat_sandbox.cloudflare.views import NAME_SERVERS
from livchat_sandbox.dns_wire import (
    ANY,
    FORMERR,
    KINDS,
    NOERROR,
    NOTIMP,
    NXDOMAIN,
    REFUSED,
    Answer,
    Malformed,
    Question,
    read,
    refuse,
    write,
)
from livchat_sandbox.net.listeners import LOOPBACK, bind
from livchat_sandbox.storage.state import Record, Zone

# Simulated seconds from a record's change at the API to its answer here.
PROPAGATION = 2.0
# What a proxied name answers in place of its content: it is Cloudflare that is spoken to.
EDGE = {"A": "104.21.0.1", "AAAA": "2606:4700::6815:1"}
IDLE = 10.0
_WORDS = {number: kind for kind, number in KINDS.items()}


class Zones:
    """Answers from the account's records, each a moment after it was changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shown: dict[str, Record] = {}

    def answer(self, question: Question) -> tuple[int, list[Answer], list[Answer]]:
        """The code, the answers and the authority for a question."""
        if not question.standard:
            return NOTIMP, [], []
        zone = self._zone(question.name)
        if zone is None:
            return REFUSED, [], []
        records = self._records()
        found: list[Answer] = []
        name, exists = question.name, True
        for _ in range(HOPS):
            here, exists = _at(name, zone, records)
            alias = next((one for one in here if one.kind == "CNAME"), None)
            if alias is None or question.kind in {KINDS["CNAME"], ANY}:
                found += [one for one in here if question.kind in {KINDS[one.kind], ANY}]
                break
            found.append(alias)
            name = alias.content.rstrip(".").lower()
            further = self._zone(name)
            if further is None:
                return NOERROR, found, []
            zone = further
        if found or question.kind == KINDS["SOA"]:
            return NOERROR, found, []
        return (NOERROR if exists else NXDOMAIN), [], [_start(zone)]

    def _zone(self, name: str) -> Zone | None:
        """The zone that a name is in, the smallest one."""
        zones = self._world.state.zones.values()
        inside = [zone for zone in zones if name == zone.name or name.endswith(f".{zone.name}")]
        return max(inside, key=lambda zone: len(zone.name), default=None)

    def _records(self) -> list[Record]:
        """The records as they are known here: what was just changed is still as it was."""
        clock, there = self._world.clock, self._world.state.records
        visible_since = clock.now() - clock.scaled(PROPAGATION)
        for number, record in there.items():
            known = self._shown.get(number)
            if record.modified <= visible_since and (
                known is None or known.modified != record.modified
            ):
                self._shown[number] = replace(record)
        for number in self._shown.keys() - there.keys():
            del self._shown[number]
        return list(self._shown.values())


class NameServer(asyncio.DatagramProtocol):
    """Listens for questions."""

    def __init__(self, world: World) -> None:
        self._zones = Zones(world)
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    async def serve(self, wanted: int) -> int:
        """Listen on UDP and TCP, on the port wanted if both are free there; the port."""
        loop = asyncio.get_running_loop()
        for port in (wanted, *[0] * 5):
            listener = bind(port)
            number: int = listener.getsockname()[1]
            try:
                await loop.create_datagram_endpoint(lambda: self, local_addr=(LOOPBACK, number))
            except OSError:
                listener.close()  # taken by another on UDP
                continue
            self._server = await asyncio.start_server(self._talk, sock=listener)
            return number
        raise OSError("no port is free on loopback for both UDP and TCP")

    async def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()

    def connection_made(self, transport: Any) -> None:
        """Keep what answers are sent by."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """A question in a datagram."""
        told = self._told(data, stream=False)
        if told is not None and self._transport is not None:
            self._transport.sendto(told, addr)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Questions over one connection, until it is closed or idle."""
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            while True:
                async with asyncio.timeout(IDLE):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    told = self._told(await reader.readexactly(length), stream=True)
                if told is None:
                    break
                writer.write(struct.pack("!H", len(told)) + told)
                await writer.drain()
        writer.close()

    def _told(self, message: bytes, *, stream: bool) -> bytes | None:
        try:
            question = read(message)
        except Malformed as error:
            return None if error.number is None else refuse(error.number)
        try:
            code, answers, authority = self._zones.answer(question)
            return write(question, code, answers, authority, most=None if stream else question.most)
        except (ValueError, KeyError, struct.error):
            return write(question, FORMERR)  # a record that the API took and the wire cannot hold


def _at(name: str, zone: Zone, records: list[Record]) -> tuple[list[Answer], bool]:
    """What stands at a name, its wildcards looked at, and whether the name exists at all."""
    own = list(_of_zone(zone)) if name == zone.name else []
    exact = [_shown(record, name) for record in records if record.name == name]
    there = [one for one in exact if one is not None]
    if own or exact or _below(name, records):
        return [*own, *there], True
    parent = name
    while parent != zone.name:
        parent = parent.partition(".")[2]
        wild = [record for record in records if record.name == f"*.{parent}"]
        if wild:
            return [one for record in wild if (one := _shown(record, name)) is not None], True
        if _below(parent, records) or any(record.name == parent for record in records):
            break  # what exists is not covered by a wildcard further up
    return [], False


def _below(name: str, records: list[Record]) -> bool:
    return any(record.name.endswith(f".{name}") for record in records)


def _of_zone(zone: Zone) -> Iterator[Answer]:
    yield _start(zone)
    for server in NAME_SERVERS:
        yield Answer(zone.name, "NS", server, 86_400)


def _start(zone: Zone) -> Answer:
    content = f"{NAME_SERVERS[0]} dns.{zone.name} {int(zone.created)} 10000 2400 604800 1800"
    return Answer(zone.name, "SOA", content, 1800)


def _shown(record: Record, name: str) -> Answer | None:
    """A record as an answer for a name; None of a kind that is not spoken here."""
    if record.type not in KINDS:
        return None
    content = EDGE.get(record.type, record.content) if record.proxied else record.content
    ttl = 300 if record.ttl == 1 else record.ttl
    return Answer(name, record.type, content, ttl, record.priority, record.data)
