"""The table and the runner when things go wrong around them."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from livchat.errors import StorageFull
from livchatd.jobs.engine import Engine, Submission
from livchatd.jobs.maintenance import backup, run_maintenance
from livchatd.jobs.step import Facts, Recovery, Step, StepContext, Workflow
from livchatd.storage.database import Database, TableDamaged

from .conftest import MakeParams, World, begin, make_params, until


async def test_a_file_that_is_no_table_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "livchat.db"
    path.write_bytes(b"this is not a table, and it is precious" * 100)
    before = path.read_bytes()
    with pytest.raises(TableDamaged) as refused:
        Database(path)
    assert path.read_bytes() == before
    assert "mv" in (refused.value.hint or "")


async def test_a_table_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "livchat.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(TableDamaged, match="newer version"):
        Database(path)
    assert path.read_bytes() == before


async def test_a_copy_of_the_table_is_kept_and_can_take_its_place(start, tmp_path, world):
    engine = await start()
    job = await begin(engine, make_params("a"))
    await engine.wait(job, 10)
    kept = backup(engine._database)
    assert kept is not None
    assert kept.parent == tmp_path / "backups"
    again = Database(kept)
    try:
        row = again.reader.execute("SELECT status FROM jobs WHERE job_id = ?", (job,)).fetchone()
        assert row == ("completed",)
    finally:
        await again.close()
    assert backup(engine._database) is None


def fill(engine: Engine) -> None:
    """From now on the table may not grow: SQLite answers as on a full disk."""
    connection = engine._database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")


def free(engine: Engine) -> None:
    engine._database._connection.execute("PRAGMA max_page_count = 1000000")


async def until_refused(engine: Engine, accepted: list[str]) -> None:
    for _ in range(2000):
        job_id = await begin(engine, make_params("x" * 20))
        accepted += [job_id]


async def test_a_full_disk_refuses_new_work_and_loses_none(engine, world):
    world.gate("a")
    running = await begin(engine, make_params("a b"))
    await until(world, "begin a")
    fill(engine)
    accepted: list[str] = []
    with pytest.raises(StorageFull):
        await until_refused(engine, accepted)
    world.gate("a").set()
    free(engine)
    assert (await engine.wait(running, 20))["status"] == "completed"
    for job in accepted:
        assert (await engine.wait(job, 20))["status"] == "completed"
    assert (await engine.wait(await begin(engine, make_params("c")), 20))["status"] == "completed"


async def test_a_job_whose_result_breaks_ends_as_failed(start, workflows):
    def broken(params: MakeParams, facts: Any) -> None:
        raise RuntimeError("a fault of ours")

    workflows.append(Workflow("broken", MakeParams, Facts, lambda params: [], broken))
    engine = await start()
    made = await engine.submit(Submission(workflow="broken", params=MakeParams(), summary="x"))
    job = await engine.wait(made.job_id, 10)
    assert (job["status"], job["error_code"]) == ("failed", "internal")
    assert engine.counts() == {"queued": 0, "running": 0}


@dataclass(frozen=True, kw_only=True)
class Delicate(Step[Facts]):
    """A step of which nobody can tell whether it was done."""

    recovery = Recovery.MANUAL
    world: World

    @property
    def title(self) -> str:
        return "Send the letter"

    async def apply(self, context: StepContext[Facts]) -> None:
        self.world.done.append("begin letter")
        await self.world.gate("letter").wait()


async def test_a_step_that_only_a_person_can_judge_is_not_run_again(start, workflows, world):
    workflows.append(
        Workflow(
            "letter",
            MakeParams,
            Facts,
            lambda params: [Delicate(key="letter", world=world)],
            lambda params, facts: None,
        )
    )
    engine = await start()
    made = await engine.submit(Submission(workflow="letter", params=MakeParams(), summary="x"))
    await until(world, "begin letter")
    engine = await start()
    job = await engine.wait(made.job_id, 10)
    assert (job["status"], job["error_code"]) == ("failed", "needs_person")
    assert world.done == ["begin letter"]


async def test_a_second_cancel_with_force_abandons_and_says_what_is_left(engine, world):
    world.gate("b")
    job_id = await begin(engine, make_params("a b"))
    await until(world, "begin b")
    stuck = asyncio.Event()

    async def never(*_: Any) -> None:
        await stuck.wait()

    step_class = type(engine._active[job_id].definitions["b"])
    real = step_class.undo
    step_class.undo = never
    try:
        await engine.cancel(job_id)
        assert (await engine.wait(job_id, 0.3))["status"] == "running"
        await engine.cancel(job_id, force=True)
        job = await engine.wait(job_id, 10)
    finally:
        step_class.undo = real
    assert (job["status"], job["rollback"]) == ("cancelled", "partial")
    assert job["left_behind"] == ["a", "b"]


async def test_what_ended_long_ago_is_forgotten(engine, world, tmp_path: Path):
    job_id = await begin(engine, make_params("a"))
    await engine.wait(job_id, 10)
    assert await engine.prune(timedelta(days=90)) == 0
    await engine._database.write(
        lambda tx: (
            tx.execute("UPDATE jobs SET completed_at = '2020-01-01T00:00:00.000000Z'") and None
        )
    )
    await run_maintenance(engine._database, engine.responses, engine.prune)
    assert engine._database.reader.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    assert engine._database.reader.execute("SELECT count(*) FROM events").fetchone() == (0,)
