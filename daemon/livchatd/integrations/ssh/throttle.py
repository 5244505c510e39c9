"""Turns to send commands: so many at once over all servers, so that the loop is free for others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """At most `at_once` commands are within their first `longest` seconds.

    Encryption, and what follows an answer, are work of the loop: with answers of two hundred
    servers in one of its rounds nobody else is served for a quarter of a second. A command that
    takes longer makes no work here meanwhile, so it holds nobody up.
    """

    def __init__(self, at_once: int, longest: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._longest = longest

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, in order of asking; it is given back at the end, or when it is over."""
        await self._free.acquire()
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                self._free.release()

        timer = asyncio.get_running_loop().call_later(self._longest, give_back)
        try:
            yield
        finally:
            timer.cancel()
            give_back()
