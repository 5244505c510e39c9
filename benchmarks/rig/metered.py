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
from typing import TYPE_CHECKING, Any

from livchat.paths import paths
from livchatd import main as livchatd

if TYPE_CHECKING:
    from livchatd.daemon import Daemon

BEAT = 0.005
LATE = 0.02
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
            if late > LATE:
                # The loop's own CPU in that time: the rest is waiting for a core or for the GIL.
                self.late.append((at - since, late, time.thread_time() - cpu))

    def _gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        elif self._began:
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
        }


async def _run(daemon: Daemon, meter: Meter) -> None:
    beating = asyncio.create_task(meter.run())
    try:
        await daemon.run()
    finally:
        beating.cancel()


def main() -> None:
    """The daemon, begun as `livchatd` begins it, with the meter on its loop."""
    options = livchatd._options(["--log-level", "warning"])  # noqa: SLF001 - its own start
    daemon = livchatd._daemon()(paths(), options)  # noqa: SLF001 - its own start
    meter = Meter()
    asyncio.new_event_loop().run_until_complete(_run(daemon, meter))
    Path(sys.argv[1]).write_text(json.dumps(meter.told()))


if __name__ == "__main__":
    main()
