"""Asking together: no answer is older than the question, and everyone is told what is his."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livchat.errors import ProviderUnavailable
from livchatd.providers.batching import AT_ONCE, Gathering, Search, covering


@dataclass(frozen=True)
class Thing:
    labels: Mapping[str, str]


class World:
    """What is there, and what was asked of it. An answer is what was there when it was asked."""

    def __init__(self) -> None:
        self.things: list[Thing] = []
        self.asked: list[Mapping[str, Sequence[str]]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def listed(self, wanted: Mapping[str, Sequence[str]]) -> list[Thing]:
        self.asked.append(wanted)
        found = [
            thing
            for thing in self.things
            if all(thing.labels.get(key) in values for key, values in wanted.items())
        ]
        await self.gate.wait()
        return found


def labels(server: str, job: str | None = None) -> dict[str, str]:
    found = {"livchat.managed": "true", "livchat.server": server}
    return found | {"livchat.job": job} if job else found


async def test_what_was_made_after_a_listing_began_is_found_by_who_asks_then() -> None:
    world = World()
    search = Search(world.listed)
    world.gate.clear()
    early = asyncio.create_task(search.first(labels("a", "1")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(world.asked) == 1
    made = Thing(labels("b", "2"))
    world.things.append(made)
    late = asyncio.create_task(search.first(labels("b", "2")))
    await asyncio.sleep(0)
    world.gate.set()
    assert await early is None
    assert await late is made
    assert len(world.asked) == 2


async def test_one_asker_asks_exactly_and_many_ask_together() -> None:
    world = World()
    world.things = [Thing(labels(f"s{n}", f"job{n}")) for n in range(120)]
    search = Search(world.listed)
    assert await search.first(labels("s7", "job7")) is world.things[7]
    assert world.asked == [{key: (value,) for key, value in labels("s7", "job7").items()}]
    found = await asyncio.gather(
        *(search.first(labels(f"s{n}", f"job{n}" if n % 2 else None)) for n in range(120)),
        search.first(labels("s3", "another job")),
        search.first(labels("nobody")),
    )
    assert list(found) == [*world.things, None, None]
    assert len(world.asked) - 1 == -(-122 // AT_ONCE)


async def test_a_failure_is_told_to_all_who_asked_and_not_to_the_next() -> None:
    failing = True

    async def ask(keys: Sequence[int]) -> dict[int, int]:
        if failing:
            raise ProviderUnavailable("away")
        return {key: key for key in keys}

    gathering = Gathering(ask)
    told = await asyncio.gather(*(gathering.found([n]) for n in range(3)), return_exceptions=True)
    assert [type(error) for error in told] == [ProviderUnavailable] * 3
    failing = False
    assert (await gathering.found([7]))[7] == 7


async def test_who_gives_up_holds_up_nobody() -> None:
    world = World()
    world.things = [Thing(labels("b"))]
    search = Search(world.listed)
    world.gate.clear()
    first = asyncio.create_task(search.first(labels("a")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(search.first(labels("b")))
    third = asyncio.create_task(search.first(labels("c")))
    await asyncio.sleep(0)
    first.cancel()
    third.cancel()
    world.gate.set()
    assert await second is world.things[0]
    with pytest.raises(asyncio.CancelledError):
        await first
    assert world.asked[-1]["livchat.server"] == ("b",)


_labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)


@given(st.lists(_labels, min_size=1, max_size=6))
def test_what_is_asked_for_covers_every_one(wanted: list[dict[str, str]]) -> None:
    asked = covering(wanted)
    assert all(one[key] in values for one in wanted for key, values in asked.items())
    assert sum(len(values) > 1 for values in asked.values()) <= 1
