"""What this conversation has asked for: an assistant that repeats itself makes nothing twice."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from livchat.wire.base import Request

Json = dict[str, Any]

UNCERTAIN = 600.0
"""Seconds for which a call without an answer is taken up again by the same call."""


@dataclass
class Asked:
    """A change that was asked for, with the idempotency key that it always travels with."""

    order: Request
    server: str
    key: str = field(default_factory=lambda: os.urandom(16).hex())
    answer: Json | None = None
    at: float = field(default_factory=monotonic)


class Memory:
    """The changes of one conversation, by tool and arguments."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], Asked] = {}

    def find(self, tool: str, arguments: Json) -> Asked | None:
        """What the same call has asked for before, unless that is too long ago to be the same."""
        asked = self._asked.get(_name(tool, arguments))
        if asked is not None and asked.answer is None and monotonic() - asked.at > UNCERTAIN:
            self.forget(tool, arguments)
            return None
        return asked

    def keep(self, tool: str, arguments: Json, asked: Asked) -> Asked:
        """Remember a call before it is made; the same call under way is the one that counts."""
        return self._asked.setdefault(_name(tool, arguments), asked)

    def forget(self, tool: str, arguments: Json) -> None:
        """Let the same call be a new one."""
        self._asked.pop(_name(tool, arguments), None)

    def touched(self, server: str) -> None:
        """A command has changed who knows what: what was done on this server may be done again."""
        for name, asked in list(self._asked.items()):
            if asked.server == server and asked.answer is not None:
                del self._asked[name]


def _name(tool: str, arguments: Json) -> tuple[str, str]:
    meant = {key: value for key, value in arguments.items() if key != "confirmar"}
    return tool, json.dumps(meant, sort_keys=True)
