"""Gathering: who asks while a request is under way is told by the next one, together with others.

Hetzner grants one request a second. An answer is never older than the question: the request begins
after all had asked whom it answers, so that what was made just before is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

AT_ONCE = 50
"""What one request may ask for (Hetzner's largest page)."""
SLICE = 16
"""So many are told of an answer before others have the loop."""

_Told = asyncio.Future[Mapping[K, V]]


class Gathering(Generic[K, V]):
    """Asks for what many want, in requests of at most 50, one at a time.

    `ask` answers for some keys; one that it does not answer for is not there. Who waits is told
    some at a time: all at once they would hold up the loop.
    """

    def __init__(self, ask: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Sequence[K], _Told[K, V]]] = []
        self._looking: asyncio.Task[None] | None = None

    async def found(self, keys: Sequence[K]) -> Mapping[K, V]:
        """What is there of these keys, and of others that were asked for at the same time."""
        told: _Told[K, V] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, told))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await told

    async def _look(self) -> None:
        """Ask for what is wanted by now, again and again until nobody wants anything."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            wanted = list(
                dict.fromkeys(key for keys, told in waiting for key in keys if not told.done())
            )
            found: dict[K, V] = {}
            error: Exception | None = None
            try:
                for start in range(0, len(wanted), AT_ONCE):
                    found.update(await self._ask(wanted[start : start + AT_ONCE]))
            except Exception as failure:  # noqa: BLE001 - it belongs to whoever waits
                error = failure
            for number, (_, told) in enumerate(waiting, start=1):
                if told.done():
                    continue
                if error is None:
                    told.set_result(found)
                else:
                    told.set_exception(error)
                if number % SLICE == 0:
                    await asyncio.sleep(0)


class Labelled(Protocol):
    """What is found by its labels."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""


L = TypeVar("L", bound=Labelled)
Labels = frozenset[tuple[str, str]]


class Search(Generic[L]):
    """Finds by labels. `ask` lists what has, of each label, one of the values given."""

    def __init__(
        self, ask: Callable[[Mapping[str, Sequence[str]]], Awaitable[Sequence[L]]]
    ) -> None:
        self._ask = ask
        self._gathering = Gathering(self._look)

    async def first(self, labels: Mapping[str, str]) -> L | None:
        """The one that carries all these labels, or None."""
        wanted = frozenset(labels.items())
        return (await self._gathering.found([wanted])).get(wanted)

    async def _look(self, wanted: Sequence[Labels]) -> dict[Labels, L]:
        there = await self._ask(covering([dict(labels) for labels in wanted]))
        return {
            labels: found
            for found in reversed(there)
            for labels in wanted
            if labels <= found.labels.items()
        }


def covering(wanted: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """What covers all these sets of labels: what is the same in all, and the values of one key.

    That key is the one that tells most of them apart; more keys would only make it longer.
    """
    shared = sorted(set(wanted[0]).intersection(*wanted[1:]))
    values = {key: tuple(dict.fromkeys(labels[key] for labels in wanted)) for key in shared}
    apart = max(
        (key for key in shared if len(values[key]) > 1), key=lambda k: len(values[k]), default=""
    )
    return {key: found for key, found in values.items() if len(found) == 1 or key == apart}
