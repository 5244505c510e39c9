"""POST /api/servers over the Unix socket, durable before its answer, beside a bare aiohttp GET."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from rig import tables
from rig.measure import RIG, Figure, folder, main, median, ms, process, quantile, rate
from rig.talking import Asker, crowd, request

AT_ONCE = 32
BLOCK = 25
NAMES = count()


def run(*, quick: bool) -> list[Figure]:
    """Two daemons, one with an empty table and one with 100,000 jobs; blocks by turns."""
    jobs, blocks = (5_000, 8) if quick else (tables.JOBS, 40)
    with folder() as small, folder() as large:
        tables.put(large, jobs)
        daemon = str(RIG / "stepless_daemon.py")
        with process(daemon, str(small)), process(daemon, str(large)):
            times = _alone(small, large, blocks)
            rates, slow = asyncio.run(_together(small, 3 if quick else 7))
    return [*_one(times, jobs), _many(rates, slow)]


def _alone(small: Path, large: Path, blocks: int) -> dict[str, list[float]]:
    """Seconds of each answer, one connection at a time; blocks by turns."""
    bare, empty, full = (
        Asker(path) for path in (small / "bare.sock", small / "daemon.sock", large / "daemon.sock")
    )
    times: dict[str, list[float]] = {"bare": [], "echo": [], "empty": [], "full": []}
    for block in range(blocks + 1):
        for _ in range(BLOCK):
            body = _order()
            took = {
                "bare": bare.ask("GET", "/tiny")[0],
                "echo": bare.ask("POST", "/echo", body)[0],
                "empty": empty.ask("POST", "/api/servers", body)[0],
                "full": full.ask("POST", "/api/servers", body)[0],
            }
            # The first block warms everything up.
            for name, seconds in took.items() if block else ():
                times[name].append(seconds)
    return times


async def _together(home: Path, rounds: int) -> tuple[dict[str, float], float]:
    """Submits and bare requests a second over 32 connections; and the p99 of the submits."""
    rates: dict[str, list[float]] = {"submit": [], "bare": []}
    slow = []
    for _ in range(rounds):
        orders = [request("POST", "/api/servers", _order()) for _ in range(1600)]
        found, took = await crowd(home / "daemon.sock", orders, AT_ONCE)
        rates["submit"].append(found)
        slow.append(quantile(took, 0.99))
        gets = [request("GET", "/tiny")] * 3200
        rates["bare"].append((await crowd(home / "bare.sock", gets, AT_ONCE))[0])
    return {name: median(values) for name, values in rates.items()}, median(slow)


def _order() -> dict[str, str]:
    return {"name": f"server-{next(NAMES)}", "provider": "sandbox"}


def _one(times: dict[str, list[float]], jobs: int) -> list[Figure]:
    at = {name: median(values) for name, values in times.items()}
    p99 = {name: ms(quantile(values, 0.99)) for name, values in times.items()}
    against, grown = at["empty"] / at["bare"], at["full"] / at["empty"]
    return [
        Figure(
            "submit, p50", f"{ms(at['empty'])} (p99 {p99['empty']}), {against:.2f} times",
            f"bare GET {ms(at['bare'])} (p99 {p99['bare']}), bare POST {ms(at['echo'])}",
            "2.5 times a bare GET", against <= 2.5,
        ),
        Figure(
            f"submit, p50 with {jobs:,} jobs", f"{ms(at['full'])}, {grown:.2f} times",
            f"empty table {ms(at['empty'])}", "1.2 times the empty table's", grown <= 1.2,
        ),
    ]  # fmt: skip


def _many(rates: dict[str, float], slow: float) -> Figure:
    return Figure(
        f"submits over {AT_ONCE} connections", f"{rate(rates['submit'])} (p99 {ms(slow)})",
        f"bare GET {rate(rates['bare'])}", "2,000/s", rates["submit"] >= 2000,
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
