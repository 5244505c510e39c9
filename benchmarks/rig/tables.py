"""Tables full of ended jobs, as a busy year leaves them: rows, steps and events."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rig import measure

from livchatd.storage.database import Database

JOBS = 100_000
GIVEN = "LIVCHAT_BENCH_TABLE"
"""Names a table that was built already, to be copied."""
STEPS = {
    "create_server": ("Reserve the name", "Order machine", "Wait for the machine", "Wait for SSH"),
    "setup_server": ("Wait for the first boot to end", "Install the packages", "Start the swarm"),
    "deploy_app": ("Make the secrets", "Pull images", "Deploy n8n", "Answer over HTTPS"),
    "delete_app": ("Remove the stack", "Remove its names"),
    "delete_server": ("Remove its names", "Delete machine"),
}
STATUSES = ("completed",) * 17 + ("failed", "failed", "cancelled")
START = datetime(2026, 1, 1, tzinfo=UTC)
JOB = (
    "INSERT INTO jobs (n, job_id, type, status, summary, server, params, learnt, variant, "
    "progress, created_at, started_at, completed_at, result, error, error_code, rollback, origin, "
    "caller, owner, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
STEP = (
    "INSERT INTO steps (n, position, key, title, status, attempt, touched, expected, started_at, "
    "completed_at) VALUES (?, ?, ?, ?, ?, 1, 1, 4.2, ?, ?)"
)
EVENT = "INSERT INTO events (seq, n, type, body) VALUES (?, ?, ?, ?)"


def server(number: int) -> str:
    """The name of a server of the table; a few are busy, many are not."""
    return f"client-{number:03}"


def put(home: Path, jobs: int = JOBS) -> None:
    """Put a table of so many ended jobs into a daemon's home."""
    target = home / "state" / "livchat.db"
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    given = os.environ.get(GIVEN)
    if given and jobs == JOBS:
        shutil.copyfile(given, target)
    else:
        build(target, jobs)


def build(path: Path, jobs: int = JOBS) -> None:
    """Make the table. The same number gives the same rows."""
    asyncio.run(_schema(path))
    chance = random.Random(jobs)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    seq = 0
    for n in range(1, jobs + 1):
        row, titles = _job(n, chance)
        connection.execute(JOB, row)
        made, done = row[10], row[12]
        connection.executemany(
            STEP, [(n, i, f"step{i}", title, row[3], made, done) for i, title in enumerate(titles)]
        )
        events = list(_events(row, titles))
        connection.executemany(
            EVENT, [(seq + i, n, kind, body) for i, (kind, body) in enumerate(events, start=1)]
        )
        seq += len(events)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _schema(path: Path) -> None:
    await Database(path).close()


def _job(n: int, chance: random.Random) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    kind = chance.choice(list(STEPS))
    status = chance.choice(STATUSES)
    name = server(int(chance.paretovariate(1)) % 500)
    made = START + timedelta(minutes=5 * n)
    job_id = f"job_{made:%Y%m%d_%H%M%S}_{chance.getrandbits(48):012x}"
    params = json.dumps({"name": name, "provider": "hetzner", "zone_name": "example.com"})
    facts = json.dumps({"made": ["machine", "address"], "machine_id": str(n), "lines": {}})
    times = [_text(made), _text(made + timedelta(seconds=1)), _text(made + timedelta(seconds=95))]
    failed = status == "failed"
    summary = f"{kind.replace('_', ' ').capitalize()} {name}"
    row = (
        n, job_id, kind, status, summary, name, params, facts, "hetzner/cx22",
        100 if status == "completed" else 60, *times,
        params if status == "completed" else None,
        "Wait for SSH: no route to host" if failed else None, "timeout" if failed else None,
        None if status == "completed" else "clean", job_id, "uid:1000 pid:4242", "livchatd", "1",
    )  # fmt: skip
    return row, STEPS[kind]


def _events(row: tuple[Any, ...], titles: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    at, done = row[10], row[12]
    yield "job", json.dumps({"at": at, "job": {"status": "queued", "waiting_for": None}})
    for title in titles:
        step = {
            "name": title, "status": "completed", "attempt": 1, "progress": None,
            "started_at": at, "completed_at": done, "error": None, "expected_seconds": 4.2,
        }  # fmt: skip
        yield "step", json.dumps({"at": at, "step": step, "job": {"current_step": title}})
        line = {"timestamp": at, "level": "info", "step": title, "message": f"{title}: done"}
        yield "log", json.dumps({"at": at, "log": line})
    yield "end", json.dumps({"at": done, "job": {"status": row[3], "completed_at": done}})


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")[:-6] + "Z"


if __name__ == "__main__":
    build(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else JOBS)
    print(f"{measure.machine()}: {Path(sys.argv[1]).stat().st_size / 1e6:.0f} MB")
