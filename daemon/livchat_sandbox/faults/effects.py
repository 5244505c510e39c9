"""What a fault does, as plain values that the simulated services turn into behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any


class Delivery(Enum):
    """What a caller over HTTP receives of an answer."""

    WHOLE = auto()
    LATE = auto()
    """The whole answer, after 20 simulated seconds, and half a real second at least."""
    CUT = auto()
    """The first half of the body, under the status of the whole."""
    NEVER = auto()
    """Nothing, on a connection that stays open until the caller gives up."""
    RESET = auto()
    """Nothing: the connection is reset."""


@dataclass(frozen=True)
class NetworkEffect:
    """What a network does to a call over HTTP, whichever service is called.

    A call that is not `processed` changes nothing; its answer is 200 with the page of a proxy.
    """

    processed: bool
    delivery: Delivery


@dataclass(frozen=True)
class RateLimited:
    """The service refuses the call with 429, with the headers that say when to try again."""


@dataclass(frozen=True)
class HetznerRefusal:
    """An error answer of Hetzner's API; nothing is done."""

    status: int
    code: str
    message: str
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class FailedActions:
    """Hetzner takes the call, and its actions fail when they would end: all, or the last only."""

    last_only: bool


@dataclass(frozen=True)
class CloudflareRefusal:
    """An error answer of Cloudflare's API, in its envelope; nothing is done."""

    status: int
    code: int
    message: str


@dataclass(frozen=True)
class EdgePage:
    """A page of Cloudflare's edge in place of its API's answer; nothing is done."""

    status: int
    title: str


@dataclass(frozen=True)
class PendingZones:
    """The zones of the answer are shown as not active yet."""


@dataclass(frozen=True)
class PortainerRefusal:
    """An error answer of Portainer's API; nothing is done."""

    status: int
    message: str
    details: str


@dataclass(frozen=True)
class PortainerDown:
    """Portainer does not run: connections to it are refused."""


class ConnectEffect(Enum):
    """What becomes of a new connection to a machine's SSH port."""

    REFUSED = auto()
    SILENT = auto()
    """It is accepted, and nothing is ever sent."""
    RESET = auto()
    SLOW = auto()
    OTHER_HOST_KEY = auto()
    KEY_REJECTED = auto()
    """No client key is let in."""


class CommandEffect(Enum):
    """What becomes of a command over SSH."""

    SILENT = auto()
    """It does not run, and no answer ever comes."""
    RESET = auto()
    """It does not run, and the connection is reset."""
    LOST = auto()
    """It runs, and the connection is reset in place of its answer."""
    SLOW = auto()


@dataclass(frozen=True)
class CommandFailure:
    """A command ends with these last words on standard error and this exit status."""

    message: str
    exit_status: int


@dataclass(frozen=True)
class SshEffect:
    """What an SSH fault does to a new connection, and to a command on one that is open."""

    on_connect: ConnectEffect | None = None
    on_command: CommandEffect | CommandFailure | None = None


HetznerEffect = NetworkEffect | RateLimited | HetznerRefusal | FailedActions
CloudflareEffect = NetworkEffect | RateLimited | CloudflareRefusal | EdgePage | PendingZones
PortainerEffect = NetworkEffect | PortainerRefusal | PortainerDown
