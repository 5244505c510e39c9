"""Who runs next: a line for each server, in the order of asking, and a limit for all together."""

from __future__ import annotations

from collections import deque

from livchatd.jobs.active import Live


class Lines:
    """Jobs that wait. The first of a server's line holds the server; slots are for all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: dict[str, deque[Live]] = {}
        self._ready: deque[Live] = deque()
        self._active: set[Live] = set()

    def join(self, live: Live) -> None:
        """Stand in line."""
        if live.server is None:
            self._ready.append(live)
            return
        line = self._lines.setdefault(live.server, deque())
        line.append(live)
        if line[0] is live:
            self._ready.append(live)

    def take(self) -> list[Live]:
        """Jobs that may begin now; they are at work from here on."""
        begun = []
        while self._ready and len(self._active) < self._limit:
            live = self._ready.popleft()
            self._active.add(live)
            begun.append(live)
        return begun

    def leave(self, live: Live) -> list[Live]:
        """A job has ended or was withdrawn; those behind it, whose turn or holder has changed."""
        self._active.discard(live)
        if live in self._ready:
            self._ready.remove(live)
        line = self._lines.get(live.server) if live.server is not None else None
        if line is None or live not in line:
            return []
        was_first = line[0] is live
        line.remove(live)
        if not line:
            del self._lines[live.server or ""]
            return []
        if was_first:
            self._ready.append(line[0])
            return list(line)
        return []

    def holder(self, server: str) -> Live | None:
        """The job that holds a server."""
        line = self._lines.get(server)
        return line[0] if line else None

    def holders(self) -> dict[str, str]:
        """The job that holds each server."""
        return {server: line[0].job_id for server, line in self._lines.items()}
