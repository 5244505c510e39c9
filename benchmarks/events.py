"""From a line that a step says to a watcher over HTTP, its commit included; 1 and 1,000 of them."""

from __future__ import annotations

import asyncio
import json
import resource
from itertools import pairwise
from pathlib import Path

from rig.measure import RIG, Figure, folder, main, median, ms, process, quantile
from rig.talking import Asker, Watcher, request, watchers

MANY = 1000


def run(*, quick: bool) -> list[Figure]:
    """One watcher, then many, each beside a bare fan-out in the same process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MANY if hard == resource.RLIM_INFINITY else min(4 * MANY, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    many = 100 if quick else MANY
    with folder() as home, process(str(RIG / "stepless_daemon.py"), str(home)):
        return asyncio.run(_all(home, many, 20 if quick else 60))


async def _all(home: Path, many: int, lines: int) -> list[Figure]:
    one_bare, one = await _bare(home, 1, 200, 0.005), await _ours(home, "say-1", 1, 200, 0.005)
    all_bare = await _bare(home, many, lines, 0.2)
    seen = await _ours(home, "say-2", many, lines, 0.2)
    whole = _whole([*one, *seen], lines)
    first, bare_first = _delays(one), _delays(one_bare)
    last, bare_last = _delays(seen), _delays(all_bare)
    slow = quantile(last, 0.99)
    return [
        Figure(
            "line to 1 watcher, p50", f"{ms(median(first))} (p99 {ms(quantile(first, 0.99))})",
            f"bare fan-out without a commit {ms(median(bare_first))}",
            "2 ms", median(first) <= 0.002,
        ),
        Figure(
            f"line to {many:,} watchers, p99", f"{ms(slow)} (p50 {ms(median(last))})",
            f"bare fan-out p99 {ms(quantile(bare_last, 0.99))}", "100 ms", slow <= 0.1,
        ),
        Figure(
            f"events missed or told twice, {many + 1:,} watchers", str(whole), "", "0", whole == 0
        ),
    ]  # fmt: skip


async def _ours(home: Path, name: str, count: int, lines: int, pause: float) -> list[Watcher]:
    asker = Asker(home / "daemon.sock")
    _, body = asker.ask("POST", "/api/servers", {"name": name, "provider": "sandbox"})
    target = f"/api/jobs/{json.loads(body)['job_id']}/events"
    made = await watchers(home / "daemon.sock", target, count)
    await asyncio.sleep(0.3)
    # Written whole before it has its name.
    fresh = home / f"{name}.new"
    fresh.write_text(f"{lines} {pause}")
    fresh.rename(home / f"{name}.go")
    while any(b"event: end" not in watcher.pieces[-1][1] for watcher in made):
        await asyncio.sleep(0.1)
    return made


async def _bare(home: Path, count: int, lines: int, pause: float) -> list[Watcher]:
    made = await watchers(home / "bare.sock", "/watch", count)
    await asyncio.sleep(0.3)
    asker, writer = await asyncio.open_unix_connection(str(home / "bare.sock"))
    for _ in range(lines):
        writer.write(request("POST", "/tell"))
        await asker.readuntil(b"\r\n\r\n")
        await asyncio.sleep(pause)
    await asyncio.sleep(0.3)
    writer.close()
    for watcher in made:
        watcher.transport.close()
    return made


def _delays(made: list[Watcher]) -> list[float]:
    return [delay for watcher in made for delay in watcher.delays()]


def _whole(made: list[Watcher], lines: int) -> int:
    """How many events were missed or told twice. Numbers of a job alone at work have no holes."""
    wrong = 0
    for watcher in made:
        numbers = watcher.numbers()
        span = range(numbers[0], numbers[-1] + 1)
        wrong += len(numbers) - len(set(numbers)) + len(set(span) - set(numbers))
        wrong += sum(1 for a, b in pairwise(numbers) if b < a)
        wrong += max(0, min(lines, 20) - len(watcher.delays()))
    return wrong


if __name__ == "__main__":
    main(run)
