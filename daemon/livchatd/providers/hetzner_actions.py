"""Watching actions: one request tells about many, whoever asks while another is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from livchat.errors import NotFound
from livchatd.providers.base import ActionState

AT_ONCE = 50
"""Actions that one request may ask for (Hetzner's largest page)."""

Action = Mapping[str, Any]


class ActionWatch:
    """Asks for the actions of all jobs together: Hetzner grants one request a second."""

    def __init__(self, ask: Callable[[Sequence[str]], Awaitable[list[Action]]]) -> None:
        self._ask = ask
        self._wanted: set[str] = set()
        self._next: asyncio.Task[dict[str, Action]] | None = None
        self._flying = asyncio.Lock()

    async def state(self, actions: Sequence[str]) -> ActionState:
        """How far these actions are; `NotFound` if one is not known any more."""
        if not actions:
            return ActionState(100.0, done=True)
        self._wanted.update(actions)
        if self._next is None:
            self._next = asyncio.create_task(self._look())
            self._next.add_done_callback(_seen)
        found = await asyncio.shield(self._next)
        missing = [action for action in actions if action not in found]
        if missing:
            raise NotFound(f"hetzner does not know action {missing[0]}")
        return together([found[action] for action in actions])

    async def _look(self) -> dict[str, Action]:
        """What is wanted once the request before this one has been answered."""
        async with self._flying:
            wanted, self._wanted, self._next = sorted(self._wanted), set(), None
            found: dict[str, Action] = {}
            for start in range(0, len(wanted), AT_ONCE):
                for action in await self._ask(wanted[start : start + AT_ONCE]):
                    found[str(action["id"])] = action
            return found


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


def _seen(task: asyncio.Task[dict[str, Action]]) -> None:
    """Take the outcome of a request that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
