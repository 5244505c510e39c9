"""Portainer's API on a server, reached through the SSH connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class StackState(StrEnum):
    """Portainer's status of a stack, by name (1 active, 2 inactive, 3 deploying, 4 error)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DEPLOYING = "deploying"
    ERROR = "error"


@dataclass(frozen=True)
class Stack:
    """A stack that Portainer knows. `message` is its last deployment's error, if any."""

    id: int
    name: str
    state: StackState
    message: str | None = None


class Portainer(Protocol):
    """One Portainer. Logs in by user and password when first needed, again when a token ends."""

    async def ready(self) -> bool:
        """Whether it answers (`GET /api/system/status`)."""

    async def endpoint(self) -> int:
        """The id of the local environment, made if there is none."""

    async def stack(self, name: str) -> Stack | None:
        """A stack by name, or None."""

    async def stack_file(self, stack_id: int) -> str:
        """The Compose file that a stack was deployed with last."""

    async def deploy(self, name: str, compose: str, env: Mapping[str, str] | None = None) -> Stack:
        """Create the stack, or update it in place. Answers while it is still deploying."""

    async def delete(self, name: str) -> None:
        """Remove a stack; one that is gone already is fine."""

    async def close(self) -> None:
        """Close the connection."""
