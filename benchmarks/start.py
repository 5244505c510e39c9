"""From a process's start to its first answer, what it takes up after kill -9, its idle memory."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, perf_counter, sleep  # noqa: TID251 - waits for processes

from rig import tables
from rig.measure import RIG, ROOT, Figure, folder, main, median
from rig.talking import Asker

LIMIT = 60.0
INTERRUPTED = 1000
STEPLESS = (
    "import gc; gc.disable(); from rig import stepless_daemon; gc.freeze(); gc.enable(); "
    "stepless_daemon.main()"
)
"""It is loaded as the daemon is: with the collector at rest."""


def run(*, quick: bool) -> list[Figure]:
    """Rounds by turns: bare aiohttp, an empty home, one with 100,000 jobs."""
    jobs, rounds = (5_000, 3) if quick else (tables.JOBS, 9)
    with folder() as empty, folder() as full, folder() as other:
        tables.put(full, jobs)
        times: dict[str, list[float]] = {"bare": [], "empty": [], "jobs": [], "full": []}
        for turn in range(rounds + 1):
            found = {
                "bare": _started(_bare(other), other / "bare.sock", "/tiny"),
                "empty": _started(_daemon(empty), _socket(empty), "/health"),
                "jobs": _started(_daemon(empty), _socket(empty), "/api/jobs?limit=1"),
                "full": _started(_daemon(full), _socket(full), "/health"),
            }
            # The first round writes byte code and fills the page cache.
            for name, seconds in found.items() if turn else ():
                times[name].append(seconds)
        memory = _idle(empty, 3 if quick else 10)
    again = [_again() for _ in range(1 if quick else 3)]
    return [*_starts({name: median(v) for name, v in times.items()}, jobs), memory, _taken(again)]


def _starts(at: dict[str, float], jobs: int) -> list[Figure]:
    grown = at["full"] / at["empty"]
    return [
        Figure(
            "start to first answer", f"{at['empty']:.3f} s; to the list of jobs {at['jobs']:.3f} s",
            f"bare aiohttp {at['bare']:.3f} s", "0.6 s", at["empty"] <= 0.6,
        ),
        Figure(
            f"start to first answer, {jobs:,} jobs", f"{at['full']:.3f} s, {grown:.2f} times",
            f"empty table {at['empty']:.3f} s", "1.1 times the empty table's", grown <= 1.1,
        ),
    ]  # fmt: skip


def _taken(found: list[tuple[float, float]]) -> Figure:
    up, ended = (median(values) for values in zip(*found, strict=True))
    return Figure(
        f"{INTERRUPTED:,} interrupted jobs after kill -9",
        f"taken up {up:.3f} s after the start; all ended {ended:.3f} s",
        "start included", "0.5 s", up <= 0.5,
    )  # fmt: skip


def _bare(home: Path) -> Callable[[], subprocess.Popen[bytes]]:
    return lambda: _spawn([str(RIG / "bare.py"), str(home / "bare.sock")], home)


def _daemon(home: Path) -> Callable[[], subprocess.Popen[bytes]]:
    return lambda: _spawn(["-m", "livchatd", "--log-level", "warning"], home)


def _socket(home: Path) -> Path:
    return home / "run" / "livchatd.sock"


def _spawn(command: list[str], home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        env={**os.environ, "LIVCHAT_HOME": str(home), "PYTHONPATH": os.environ["PYTHONPATH"]},
    )  # fmt: skip


def _started(spawn: Callable[[], subprocess.Popen[bytes]], path: Path, target: str) -> float:
    """Seconds from the spawn to the first answer; the process is ended."""
    path.unlink(missing_ok=True)
    began = perf_counter()
    child = spawn()
    try:
        _answered(path, target, child)
        return perf_counter() - began
    finally:
        child.terminate()
        child.wait(20)


def _answered(path: Path, target: str, child: subprocess.Popen[bytes]) -> bytes:
    deadline = monotonic() + LIMIT
    while monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return Asker(path).ask("GET", target)[1]
        sleep(0.002)
    raise RuntimeError(f"{path} does not answer")


def _idle(home: Path, seconds: float) -> Figure:
    child = _daemon(home)()
    try:
        _answered(_socket(home), "/api/jobs?limit=1", child)
        sleep(seconds)
        rss = _kilobytes(Path(f"/proc/{child.pid}/status"), "VmRSS:") / 1024
        pss = _kilobytes(Path(f"/proc/{child.pid}/smaps_rollup"), "Pss:") / 1024
    finally:
        child.terminate()
        child.wait(20)
    value = f"{rss:.1f} MB resident, {pss:.1f} MB of its own share"
    return Figure(f"idle memory after {seconds:g} s", value, "", "60 MB", rss <= 60)


def _kilobytes(file: Path, name: str) -> float:
    text = file.read_text()
    return float(text.partition(f"\n{name}")[2].split(maxsplit=1)[0])


def _again() -> tuple[float, float]:
    """Kill a daemon with 1,000 running jobs; seconds until the next one took up and ended all.

    A step that was running is begun again, which counts one attempt more: that is what shows it.
    """
    with folder() as home:
        script = ["-c", STEPLESS, str(home)]
        child = _spawn(script, home)
        try:
            _answered(home / "daemon.sock", "/health", child)
            asker = Asker(home / "daemon.sock")
            for number in range(INTERRUPTED):
                order = {"name": f"say-{number}", "provider": "sandbox"}
                asker.ask("POST", "/api/servers", order)
            _until(lambda: _running(asker) >= min(INTERRUPTED, 256))
        finally:
            child.kill()
            child.wait(20)
        for number in range(INTERRUPTED):
            (home / f"say-{number}.go").write_text("1 0")
        began = perf_counter()
        child = _spawn(script, home)
        try:
            path = home / "daemon.sock"
            _answered(path, "/api/jobs?limit=1", child)
            up = perf_counter() - began
            _until(
                lambda: not sum(json.loads(Asker(path).ask("GET", "/health")[1])["jobs"].values())
            )
            ended = perf_counter() - began
        finally:
            child.terminate()
            child.wait(20)
        _check(home)
        return up, ended


def _check(home: Path) -> None:
    """Every job has ended well, and those that had begun were begun again."""
    connection = sqlite3.connect(home / "state" / "livchat.db")
    done = connection.execute("SELECT count(*) FROM jobs WHERE status = 'completed'").fetchone()[0]
    connection.close()
    if done != INTERRUPTED:
        raise RuntimeError(f"{done} of {INTERRUPTED} jobs have completed")


def _running(asker: Asker) -> int:
    count: int = json.loads(asker.ask("GET", "/health")[1])["jobs"]["running"]
    return count


def _until(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + LIMIT
    while not holds():
        if monotonic() > deadline:
            raise RuntimeError("it takes too long")
        sleep(0.005)


if __name__ == "__main__":
    main(run)
