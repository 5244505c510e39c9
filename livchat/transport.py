"""HTTP over a Unix socket, for http.client."""

from __future__ import annotations

import http.client
import socket
import struct

QUEUE_SECONDS = 10
"""Seconds for which a daemon with a full queue of callers is waited for."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path. A queue of callers that is full is waited for."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A blocking connect waits for its place; one with a time-out is refused at once (EAGAIN).
        patience = struct.pack("ll", QUEUE_SECONDS, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise
        self.sock.settimeout(self.timeout)
