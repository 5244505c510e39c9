"""Where faults come in: a plan says for each request whether it fails, and how. None by default."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# A fault answers instead of the handler, or calls it and then loses, delays or changes the answer.
Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


class Faults(Protocol):
    """A plan of faults."""

    def next(self, service: str, route: str) -> Fault | None:
        """The fault for this request, if it has one: `hetzner`, `POST /servers`."""


class NoFaults:
    """Nothing fails."""

    def next(self, service: str, route: str) -> Fault | None:  # noqa: ARG002 - the plan's signature
        """No fault, ever."""
        return None
