"""The daemon as it is, with a meter of its loop beside it: how late a timer comes, and why.

A process of its own: `python metered.py FILE`; the rest is the daemon's environment. FILE is
written when the daemon ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

import measure

from livchat.paths import places
from livchatd import main as livchatd

BEAT = 0.005
FIRST = 3.0
"""Seconds after the start that are not counted: imports of what is needed first."""


class Meter:
    """Sleeps again and again; what is slept too long, the loop was busy or kept from the CPU."""

    def __init__(self) -> None:
        self.late: list[tuple[float, float, float]] = []
        self.collected: list[tuple[int, float]] = []
        self._began = 0.0
        self.beats = 0

    async def run(self) -> None:
        await asyncio.sleep(FIRST)
        gc.callbacks.append(self._gc)
        since = time.monotonic()
        while True:
            at, cpu = time.monotonic(), time.thread_time()
            await asyncio.sleep(BEAT)
            late = time.monotonic() - at - BEAT
            self.beats += 1
            if late > 0.02:
                # The loop's own CPU in that time: the rest is waiting for a core or for the GIL.
                self.late.append((at - since, late, time.thread_time() - cpu))

    def _gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            took = time.perf_counter() - self._began
            if took > 0.005:
                self.collected.append((info["generation"], took))

    def told(self) -> dict[str, Any]:
        status = Path("/proc/self/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return {
            "peak_mb": int(fields["VmHWM"].split()[0]) / 1024,
            "cpu": time.process_time(),
            "beats": self.beats,
            "late": self.late,
            "collected": self.collected,
            "gc": _gc_told(),
        }


def _gc_told() -> Any:
    counts, stats, n = gc.get_count(), gc.get_stats(), len(gc.get_objects())
    began = time.perf_counter()
    found = gc.collect()
    return [counts, stats, n, found, time.perf_counter() - began, len(gc.get_objects())]


async def _run(daemon: Any, kept: Path) -> None:
    meter = Meter()
    beating = asyncio.create_task(meter.run())
    import os

    if os.environ.get("GCT"):
        gc.set_threshold(*map(int, os.environ["GCT"].split(",")))
    try:
        if os.environ.get("SLOW"):
            exec(open("/tmp/w/f-slow.py").read(), globals())
        asyncio.get_running_loop().add_signal_handler(10, lambda: print(_gc_told(), flush=True))
        await daemon.run()
    finally:
        beating.cancel()
        if "tell" in globals():
            tell()
        kept.write_text(json.dumps(meter.told()))


def main() -> None:
    """The daemon's own start, with the meter on its loop."""
    kept = Path(sys.argv[1])
    options = livchatd._options(["--log-level", "warning"])
    daemon = livchatd._daemon()(places(), options)
    asyncio.new_event_loop().run_until_complete(_run(daemon, kept))


if __name__ == "__main__":
    assert measure.ROOT
    main()
