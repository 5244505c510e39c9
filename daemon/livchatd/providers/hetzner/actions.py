"""Watching actions: one request tells about those of many jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from livchat.errors import NotFound
from livchatd.providers.base import ActionState
from livchatd.providers.batching import Gathering

Action = Mapping[str, Any]


class ActionWatch:
    """Asks for the actions of all jobs together."""

    def __init__(self, ask: Callable[[Sequence[str]], Awaitable[list[Action]]]) -> None:
        self._ask = ask
        self._gathering = Gathering(self._look)

    async def state(self, actions: Sequence[str]) -> ActionState:
        """How far these actions are; `NotFound` if one is not known any more."""
        if not actions:
            return ActionState(100.0, done=True)
        found = await self._gathering.found(actions)
        missing = [action for action in actions if action not in found]
        if missing:
            raise NotFound(f"hetzner does not know action {missing[0]}")
        return together([found[action] for action in actions])

    async def _look(self, ids: Sequence[str]) -> dict[str, Action]:
        return {str(action["id"]): action for action in await self._ask(ids)}


def together(actions: Sequence[Action]) -> ActionState:
    """How far some actions are, all together; the first that failed is the error."""
    failed = next((action for action in actions if action["status"] == "error"), None)
    if failed is not None:
        error = failed.get("error") or {}
        reason = error.get("message") or error.get("code") or "no reason given"
        return ActionState(100.0, done=True, error=f"{failed['command']}: {reason}")
    done = all(action["status"] == "success" for action in actions)
    share = [100 if a["status"] == "success" else a.get("progress") or 0 for a in actions]
    return ActionState(sum(share) / len(share), done=done)
