"""The peers of the engine: the same jobs in DBOS and in Huey, each on SQLite. Run by engine.py."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import sys
from pathlib import Path
from time import perf_counter

from rig.measure import folder

AT_ONCE = 32


def dbos(home: Path, jobs: int, steps: int, *, wal: bool) -> float:
    """Jobs a second in DBOS; `wal` sets its file to WAL before it is launched."""
    from dbos import DBOS

    if wal:
        connection = sqlite3.connect(home / "dbos.db")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{home}/dbos.db",
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )

    @DBOS.step()
    async def step(_number: int) -> None:
        return None

    @DBOS.workflow()
    async def work(count: int) -> None:
        for number in range(count):
            await step(number)

    async def client(count: int) -> None:
        for _ in range(count):
            handle = await DBOS.start_workflow_async(work, steps)
            await handle.get_result()

    async def all_of_it() -> float:
        await client(3)
        began = perf_counter()
        await asyncio.gather(*(client(jobs // AT_ONCE) for _ in range(AT_ONCE)))
        return jobs // AT_ONCE * AT_ONCE / (perf_counter() - began)

    DBOS.launch()
    try:
        return asyncio.run(all_of_it())
    finally:
        DBOS.destroy()


def huey(home: Path, jobs: int, steps: int) -> float:
    """Jobs a second in Huey: 8 worker threads in this process; a job of steps is a chain."""
    from huey import SqliteHuey

    logging.disable(logging.CRITICAL)
    queue = SqliteHuey(filename=str(home / "huey.db"), fsync=True)

    @queue.task()
    def work(_before: object = None) -> bool:
        return True

    consumer = queue.create_consumer(
        workers=8, periodic=False, initial_delay=0.001, backoff=1.1, max_delay=0.02
    )
    consumer.start()
    began = perf_counter()
    waiting = []
    for _ in range(jobs):
        chain = work.s()
        for _step in range(steps - 1):
            chain = chain.then(work)
        waiting.append(queue.enqueue(chain))
    for result in waiting:
        result.get(blocking=True, timeout=120, backoff=1.05, max_delay=0.02)
    took = perf_counter() - began
    consumer.stop(graceful=False)
    return jobs / took


def one(kind: str, jobs: int, steps: int) -> float:
    """One run of one peer."""
    with folder() as home:
        if kind == "huey":
            return huey(home, jobs, steps)
        return dbos(home, jobs, steps, wal=kind == "dbos-wal")


if __name__ == "__main__":
    _, _, name, count, length = sys.argv
    print(json.dumps(one(name, int(count), int(length))))
