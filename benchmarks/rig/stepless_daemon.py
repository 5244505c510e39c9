"""The daemon's real stack with a workflow of no steps, and the bare site, on one loop.

A process of its own: `python stepless_daemon.py HOME`; its sockets are HOME/daemon.sock and
HOME/bare.sock.
Only what lies beyond the daemon is missing: a shop stands in for the provider, so that nothing but
the submit is measured.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Any

from aiohttp import web
from rig import bare, measure

from livchat.paths import Paths
from livchat.wire.providers import Image, Location, ServerType, TypeLocation
from livchatd.api.middleware.auth import RESUMED
from livchatd.api.routes import application
from livchatd.jobs.step import Step, StepContext
from livchatd.steps.facts import MachineFacts
from livchatd.steps.params import CreateServerParams
from livchatd.storage.database import Database
from livchatd.wiring import Components, build

HERE = TypeLocation(
    name="fsn1", available=True, price_monthly="4.51", price_hourly="0.007", currency="EUR"
)
TYPE = ServerType(
    name="cx22", cores=2, memory_gb=4, disk_gb=40, architecture="x86",
    locations=[HERE], deprecated=False,
)  # fmt: skip
IMAGE = Image(
    name="debian-12", description="Debian 12", os_flavor="debian", os_version="12",
    architecture="x86", deprecated=False,
)  # fmt: skip


class Shop:
    """A provider that answers at once and has one type; nothing can be bought."""

    name = "sandbox"

    async def server_types(self) -> list[ServerType]:
        return [TYPE]

    async def locations(self) -> list[Location]:
        return []

    async def images(self) -> list[Image]:
        return [IMAGE]

    async def close(self) -> None:
        return None


@dataclass(frozen=True, kw_only=True)
class Say(Step[MachineFacts]):
    """Says the time as often as HOME/NAME.go says: the lines whose way is measured."""

    go: Path

    @property
    def title(self) -> str:
        return "Say the time"

    async def apply(self, context: StepContext[MachineFacts]) -> None:
        while not self.go.exists():
            await asyncio.sleep(0.02)
        count, pause = self.go.read_text().split()
        for _ in range(int(count)):
            context.log(str(time_ns()))
            await asyncio.sleep(float(pause))


def _emptied(components: Components, home: Path) -> None:
    """Put the shop in the provider's place, and take the steps out of `create_server`."""

    def steps(order: CreateServerParams) -> list[Step[MachineFacts]]:
        return [Say(key="say", go=home / f"{order.name}.go")] if order.name[:3] == "say" else []

    shop: Any = Shop()
    components.registry.replace("sandbox", shop)
    workflow = components.workflows["create_server"]
    # The engine holds the same object; a frozen one is changed only here, in a benchmark.
    object.__setattr__(workflow, "steps", steps)
    object.__setattr__(workflow, "on_end", None)


async def _run(home: Path) -> None:
    for name in ("config", "state", "run"):
        (home / name).mkdir(mode=0o700, exist_ok=True)
    database = Database(home / "state" / "livchat.db")
    components = build(Paths(home / "config", home / "state", home / "run"), database)
    _emptied(components, home)
    app = application(components.operations, components.engine.responses)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(home / "daemon.sock"), backlog=1024).start()
    await bare.serve(home / "bare.sock")
    await components.start()
    app[RESUMED].set()
    print(f"ready on {measure.machine()}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until ended."""
    asyncio.run(_run(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
