"""Turns: never more than so many at once, none lost by a cancel, none held by what takes long."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livchatd.integrations.ssh.shells import CommandThrottle

LONG = 3_600.0


@given(
    at_once=st.integers(1, 5),
    work=st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30),
)
def test_never_more_than_so_many_hold_a_turn_and_all_come_to_theirs(
    at_once: int, work: list[tuple[int, bool]]
) -> None:
    async def play() -> tuple[int, int]:
        turns, held, most, done = CommandThrottle(at_once, LONG), 0, 0, 0

        async def one(rounds: int) -> None:
            nonlocal held, most, done
            async with turns.slot():
                held += 1
                most = max(most, held)
                try:
                    for _ in range(rounds):
                        await asyncio.sleep(0)
                finally:
                    held -= 1
            done += 1

        tasks = [asyncio.create_task(one(rounds)) for rounds, _ in work]
        await asyncio.sleep(0)
        for task, (_, cancelled) in zip(tasks, work, strict=True):
            if cancelled:
                task.cancel()
        await asyncio.wait(tasks)
        # Whatever was cancelled, all turns are there again.
        for _ in range(at_once):
            await asyncio.wait_for(turns.slot().__aenter__(), 5)
        return most, done

    most, done = asyncio.run(play())
    assert most <= at_once
    assert done >= sum(1 for _, cancelled in work if not cancelled)


async def test_what_takes_long_holds_nobody_up_and_gives_back_once() -> None:
    turns = CommandThrottle(1, 0.0)
    async with turns.slot(), asyncio.timeout(5), turns.slot():
        pass
    turns = CommandThrottle(1, LONG)
    async with turns.slot():
        waiting = asyncio.create_task(turns.slot().__aenter__())
        await asyncio.sleep(0)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 5)


async def test_an_error_gives_the_turn_back() -> None:
    turns = CommandThrottle(1, LONG)
    with pytest.raises(ValueError, match="broken"):
        async with turns.slot():
            raise ValueError("broken")
    async with asyncio.timeout(5), turns.slot():
        pass
