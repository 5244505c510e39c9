"""Writes are durable, and their results come in the order of commits, however many at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

from livchatd.storage.database import RESULTS_PER_TURN, Database, Transaction


async def test_many_writes_are_answered_in_order_with_their_consequences(tmp_path: Path) -> None:
    database = Database(tmp_path / "livchat.db")
    called: list[int] = []
    answered: list[int] = []

    def write(number: int) -> None:
        def run(tx: Transaction) -> int:
            tx.after.append(lambda: called.append(number))
            return number

        done = database.write(run)
        done.add_done_callback(lambda done: answered.append(done.result()))

    count = 5 * RESULTS_PER_TURN + 3
    for number in range(count):
        write(number)
    await database.close()
    assert called == list(range(count))
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
    await asyncio.gather(*(writer() for _ in range(10 * RESULTS_PER_TURN)))
    stopped.set()
    await beside
    await database.close()
    steps = [after - before for before, after in itertools.pairwise(turns)]
    assert max(steps) <= RESULTS_PER_TURN


async def test_a_consequence_that_breaks_does_not_stop_what_follows(tmp_path: Path) -> None:
    database = Database(tmp_path / "livchat.db")
    broken: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: broken.append(str(context["exception"]))
    )

    def breaks(tx: Transaction) -> None:
        tx.after.append(lambda: [][0])

    writes = [
        database.write(breaks),
        *(database.write(lambda tx: None) for _ in range(3 * RESULTS_PER_TURN)),
    ]
    await asyncio.gather(*writes)
    await database.write(lambda tx: None)
    await database.close()
    assert broken == ["list index out of range"]


async def test_each_commit_is_synced_to_the_disk(tmp_path: Path) -> None:
    """SQLite syncs the log of a database with `synchronous` FULL (2) before a commit returns."""
    database = Database(tmp_path / "livchat.db")

    def modes(tx: Transaction) -> tuple[str, int]:
        (journal,) = tx.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = tx.execute("PRAGMA synchronous").fetchone()
        return journal, synchronous

    assert await database.write(modes) == ("wal", 2)
    await database.close()


async def test_a_write_that_refuses_or_breaks_undoes_itself_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "livchat.db")

    def put(key: str, error: Exception | None = None) -> Callable[[Transaction], None]:
        def run(tx: Transaction) -> None:
            tx.execute("INSERT INTO meta VALUES (?, 'x')", (key,))
            if error is not None:
                raise error

        return run

    results = await asyncio.gather(
        database.write(put("a")),
        database.write(put("b", ValueError("broken"))),
        database.write(put("c")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), ValueError, type(None)]
    kept = dict(database.reader.execute("SELECT key, value FROM meta").fetchall())
    assert {"a", "b", "c"} & kept.keys() == {"a", "c"}
    await database.close()
