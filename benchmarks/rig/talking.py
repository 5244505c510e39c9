"""Small HTTP clients over Unix sockets: one that asks, many that ask, many that watch."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, time_ns
from typing import Any

SEQ = re.compile(rb"^id: [0-9a-z]+-(\d+)$", re.MULTILINE)
TOLD = re.compile(rb'(?:"message":"|^data: )(\d{19})', re.MULTILINE)


class Asker(http.client.HTTPConnection):
    """The standard library's client, kept alive."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

    def ask(self, method: str, target: str, body: Any = None) -> tuple[float, bytes]:
        """Seconds that an answer took, and its body; an error raises."""
        sent = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"} if sent else {}
        began = perf_counter()
        self.request(method, target, body=sent, headers=headers)
        answer = self.getresponse()
        told = answer.read()
        took = perf_counter() - began
        if answer.status >= 400:
            raise RuntimeError(f"{method} {target}: {answer.status} {told[:300]!r}")
        return took, told


class Line(asyncio.Protocol):
    """A connection that asks again as soon as it is answered; little more than a socket."""

    def __init__(self, requests: list[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._buffer = b""
        self._began = 0.0
        self.took: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, gap, body = self._buffer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if not gap or length is None or len(body) < int(length[1]):
            return
        if not head.startswith((b"HTTP/1.1 20",)):
            self._done.set_exception(RuntimeError(self._buffer[:300].decode()))
            return
        self.took.append(perf_counter() - self._began)
        self._buffer = b""
        self._next()

    def _next(self) -> None:
        if not self._requests:
            if not self._done.done():
                self._done.set_result(None)
            self._transport.close()
            return
        self._began = perf_counter()
        self._transport.write(self._requests.pop())


def request(method: str, target: str, body: Any = None) -> bytes:
    """A request as it is sent."""
    sent = json.dumps(body).encode() if body is not None else b""
    kind = f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n" if sent else ""
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n".encode() + sent


async def crowd(path: Path, requests: list[bytes], lines: int) -> tuple[float, list[float]]:
    """Send all requests over so many connections at once; requests a second, each one's time."""
    loop = asyncio.get_running_loop()
    done = [loop.create_future() for _ in range(lines)]
    count = len(requests)
    began = perf_counter()
    made = [
        await loop.create_unix_connection(lambda end=end: Line(requests, end), str(path))
        for end in done
    ]
    await asyncio.gather(*done)
    rate = count / (perf_counter() - began)
    return rate, [took for _, line in made for took in line.took]


class Watcher(asyncio.Protocol):
    """Reads a stream of events and notes when each piece came."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.pieces: list[tuple[int, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        # HTTP/1.0: the stream comes without chunks around it.
        transport.write(f"GET {self._target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self.pieces.append((time_ns(), data))

    @property
    def whole(self) -> bytes:
        return b"".join(data for _, data in self.pieces)

    def numbers(self) -> list[int]:
        """The numbers of all events, as they came."""
        return [int(found) for found in SEQ.findall(self.whole)]

    def delays(self) -> list[float]:
        """Seconds between the telling of each line and the piece that brought its end."""
        whole, found, ends, total = self.whole, [], [], 0
        for at, data in self.pieces:
            total += len(data)
            ends.append((total, at))
        piece = 0
        for match in TOLD.finditer(whole):
            while ends[piece][0] < match.end():
                piece += 1
            found.append((ends[piece][1] - int(match[1])) / 1e9)
        return found


async def watchers(path: Path, target: str, count: int) -> list[Watcher]:
    """So many watchers of one stream, each connected and answered."""
    loop = asyncio.get_running_loop()
    make: Callable[[], Watcher] = lambda: Watcher(target)  # noqa: E731
    made = [(await loop.create_unix_connection(make, str(path)))[1] for _ in range(count)]
    while any(b"200" not in watcher.whole[:16] for watcher in made):
        await asyncio.sleep(0.01)
    return made
