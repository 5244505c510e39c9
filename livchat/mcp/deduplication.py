"""The changes that a conversation has asked for: an assistant that repeats itself changes once."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from livchat.wire.base import Request

Json = dict[str, Any]

UNCERTAIN_SECONDS = 600.0
"""Seconds for which a call without a response is taken up again by the same call."""


@dataclass
class RecentCall:
    """A change that was asked for, with the idempotency key that it always travels with."""

    request: Request
    server: str
    key: str = field(default_factory=lambda: os.urandom(16).hex())
    response: Json | None = None
    at: float = field(default_factory=monotonic)


class RecentCalls:
    """The changes of one conversation, by tool and arguments."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], RecentCall] = {}

    def find(self, tool: str, arguments: Json) -> RecentCall | None:
        """The same call made before, unless it has no response and is too long ago."""
        call = self._calls.get(_identity(tool, arguments))
        if call is not None and call.response is None and monotonic() - call.at > UNCERTAIN_SECONDS:
            self.forget(tool, arguments)
            return None
        return call

    def keep(self, tool: str, arguments: Json, call: RecentCall) -> RecentCall:
        """Remember a call before it is made; returns the same call under way if there is one."""
        return self._calls.setdefault(_identity(tool, arguments), call)

    def forget(self, tool: str, arguments: Json) -> None:
        """Let the same call be a new one."""
        self._calls.pop(_identity(tool, arguments), None)

    def forget_done(self, server: str) -> None:
        """Let what was done on a server be done again: a command may have changed anything."""
        for identity, call in list(self._calls.items()):
            if call.server == server and call.response is not None:
                del self._calls[identity]


def _identity(tool: str, arguments: Json) -> tuple[str, str]:
    meant = {key: value for key, value in arguments.items() if key != "confirmar"}
    return tool, json.dumps(meant, sort_keys=True)
