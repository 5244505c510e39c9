"""Jobs a second in the engine, beside bare SQLite commits, DBOS and Huey in the same run."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from pydantic import BaseModel
from rig.measure import HERE, RIG, Figure, answer_of, folder, main, median, rate

from livchatd.jobs.engine import Engine, Submission
from livchatd.jobs.step import Facts, Step, Workflow
from livchatd.storage.database import Database

AT_ONCE = 32
STEPS = 6
PEERS = {"dbos-wal": "DBOS (WAL)", "dbos": "DBOS (as shipped)", "huey": "Huey (fsync)"}


class Order(BaseModel):
    steps: int = 0


@dataclass(frozen=True, kw_only=True)
class Nothing(Step[Facts]):
    @property
    def title(self) -> str:
        return f"Step {self.key}"


def _steps(order: Order) -> list[Step[Facts]]:
    return [Nothing(key=str(i), after=(str(i - 1),) if i else ()) for i in range(order.steps)]


WORKFLOW = Workflow("nothing", Order, Facts, _steps, lambda _order, _learnt: None)


async def ours(table: Path, jobs: int, steps: int) -> float:
    """Jobs a second: 32 at once, each from its submit to its end on disk and told."""
    database = Database(table)
    engine = Engine(database, [WORKFLOW])
    await engine.start()
    ends: dict[str, asyncio.Future[None]] = {}

    def ended(job_id: str) -> asyncio.Future[None]:
        return ends.setdefault(job_id, asyncio.get_running_loop().create_future())

    async def hear() -> None:
        async for batch in engine.follow(None, None):
            for event in batch:
                if event.type == "end":
                    ended(event.job_id).set_result(None)

    async def client(count: int) -> None:
        for _ in range(count):
            found = await engine.submit(
                Submission(workflow="nothing", params=Order(steps=steps), summary="Nothing")
            )
            await ended(found.job_id)
            del ends[found.job_id]

    hearing = asyncio.create_task(hear())
    await client(20)
    began = perf_counter()
    await asyncio.gather(*(client(jobs // AT_ONCE) for _ in range(AT_ONCE)))
    took = perf_counter() - began
    hearing.cancel()
    await engine.stop()
    await database.close()
    return jobs // AT_ONCE * AT_ONCE / took


def commits(table: Path, count: int, together: int) -> float:
    """Bare SQLite: a job row and an event row for each of `together` in a durable commit."""
    connection = sqlite3.connect(table, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE jobs (n INTEGER PRIMARY KEY, job_id TEXT UNIQUE, body TEXT)")
    connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, n INTEGER, body TEXT)")
    body = "x" * 200
    began = perf_counter()
    for first in range(0, count, together):
        connection.execute("BEGIN IMMEDIATE")
        for i in range(first, first + together):
            connection.execute("INSERT INTO jobs VALUES (NULL, ?, ?)", (f"job-{i}", body))
            connection.execute("INSERT INTO events VALUES (NULL, ?, ?)", (i, body))
        connection.execute("COMMIT")
    return count / (perf_counter() - began)


def one(kind: str, jobs: int, steps: int) -> float:
    """One run of one kind, in this process."""
    with folder() as home:
        if kind == "ours":
            return asyncio.run(ours(home / "table.db", jobs, steps))
        return commits(home / "table.db", jobs, 32 if kind == "commits-32" else 1)


def run(*, quick: bool) -> list[Figure]:
    """Interleaved rounds, each in a process of its own; medians."""
    rounds = 2 if quick else 5
    peers = [name for name in PEERS if importlib.util.find_spec(name.partition("-")[0])]
    for name in sorted({*PEERS} - {*peers}):
        print(f"{PEERS[name]} is not installed: pip install '.[bench]'")
    found: dict[tuple[str, int], list[float]] = {}

    def measure(kind: str, jobs: int, steps: int) -> None:
        ours = kind in {"ours", "commits", "commits-32"}
        script = HERE / "engine.py" if ours else RIG / "peers.py"
        value = answer_of(str(script), "--one", kind, str(jobs), str(steps))
        found.setdefault((kind, steps), []).append(value)

    for turn in range(rounds):
        measure("ours", 1600 if quick else 8000, 0)
        measure("ours", 480 if quick else 2400, STEPS)
        measure("commits", 1000, 0)
        measure("commits-32", 9600, 0)
        for name in peers if turn < 3 else ():
            measure(name, 96 if quick else 320, 0)
            measure(name, 32 if quick else 96, STEPS)
    at = {key: median(values) for key, values in found.items()}
    bare = f"bare commits {rate(at['commits', 0])}, 32 in one {rate(at['commits-32', 0])}"
    return [
        _figure("no-op jobs", at, 0, 4000, bare, peers),
        _figure("six-step jobs", at, STEPS, 800, bare, peers),
    ]


def _figure(
    what: str, at: dict[tuple[str, int], float], steps: int, promise: float, bare: str,
    peers: list[str],
) -> Figure:  # fmt: skip
    others = [f"{PEERS[name]} {rate(at[name, steps])}" for name in peers]
    value = at["ours", steps]
    return Figure(
        f"{what}, {AT_ONCE} at once", rate(value), "; ".join([bare, *others]),
        f"{promise:,.0f}/s", value >= promise,
    )  # fmt: skip


def _one(arguments: list[Any]) -> None:
    kind, jobs, steps = arguments
    print(json.dumps(one(kind, int(jobs), int(steps))))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _one(sys.argv[2:])
    else:
        main(run)
