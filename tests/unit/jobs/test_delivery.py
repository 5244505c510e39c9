"""What is written is told in the order of commits, however much of it comes at once."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

from livchatd.storage.database import SLICE, Database, Transaction


async def test_many_writes_are_answered_in_order_with_their_consequences(tmp_path: Path) -> None:
    database = Database(tmp_path / "livchat.db")
    told: list[int] = []
    answered: list[int] = []

    def write(number: int) -> None:
        def run(tx: Transaction) -> int:
            tx.after.append(lambda: told.append(number))
            return number

        done = database.write(run)
        done.add_done_callback(lambda done: answered.append(done.result()))

    count = 5 * SLICE + 3
    for number in range(count):
        write(number)
    await database.close()
    assert told == list(range(count))
    await asyncio.sleep(0)
    assert answered == list(range(count))


async def test_others_have_the_loop_between_slices(tmp_path: Path) -> None:
    database = Database(tmp_path / "livchat.db")
    turns: list[int] = []
    woken = 0
    stopped = asyncio.Event()

    async def other() -> None:
        while not stopped.is_set():
            turns.append(woken)
            await asyncio.sleep(0)

    async def writer() -> None:
        nonlocal woken
        await database.write(lambda tx: None)
        woken += 1

    beside = asyncio.create_task(other())
    await asyncio.gather(*(writer() for _ in range(10 * SLICE)))
    stopped.set()
    await beside
    await database.close()
    steps = [after - before for before, after in itertools.pairwise(turns)]
    assert max(steps) <= SLICE


async def test_a_consequence_that_breaks_does_not_stop_what_follows(tmp_path: Path) -> None:
    database = Database(tmp_path / "livchat.db")
    broken: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: broken.append(str(context["exception"]))
    )

    def breaks(tx: Transaction) -> None:
        tx.after.append(lambda: [][0])

    writes = [database.write(breaks), *(database.write(lambda tx: None) for _ in range(3 * SLICE))]
    await asyncio.gather(*writes)
    await database.write(lambda tx: None)
    await database.close()
    assert broken == ["list index out of range"]
