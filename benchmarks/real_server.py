"""A bare Debian to PostgreSQL and a web app: seconds for each step, and what SSH carried."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rig.measure import ROOT, Figure, folder, main

sys.path.insert(0, str(ROOT))

from tests.e2e import images, machine
from tests.e2e.house import House, looking_after

VERBOSE = "/etc/ssh/sshd_config.d/benchmark.conf"
AGAIN = 5.0
"""Seconds that a second set-up may take."""
INSTALLATION = "Install the packages"


@dataclass(frozen=True)
class Part:
    """A job that has been completed, and what SSH carried for it.

    A command costs two round trips: to open its channel, and to run it.
    """

    name: str
    job: dict[str, Any]
    connections: int
    commands: int

    @property
    def seconds(self) -> float:
        """From its start to its end."""
        return _seconds(self.job)


def run(*, quick: bool) -> list[Figure]:
    """Add, set up twice, and deploy; `quick` leaves the apps out."""
    made = images.Images().provide()
    with (
        folder() as place,
        images.registry(made.registry) as registry,
        machine.running(made, registry, place) as box,
        looking_after(box, registry, place / "house") as house,
    ):
        box.write(VERBOSE, "LogLevel VERBOSE\n", "0644")
        box.run("systemctl", "reload", "ssh")
        parts = list(_parts(house, () if quick else ("postgres", "redis", "umami", "miniflux")))
    print("\n".join(_table(parts)), end="\n\n")
    add, first, again = parts[:3]
    beyond = first.seconds - sum(
        _seconds(step) for step in first.job["steps"] if step["name"] == INSTALLATION
    )
    connections = sum(part.connections for part in parts)
    return [
        Figure("SSH connections, all of it", str(connections), promise="1", kept=connections == 1),
        Figure("commands to add and set up", str(add.commands + first.commands)),
        Figure("set-up, without installing Docker", f"{beyond:.2f} s", "image pulls included"),
        Figure(
            "set-up again", f"{again.seconds:.2f} s", f"{again.commands} commands",
            promise=f"< {AGAIN:g} s", kept=again.seconds < AGAIN,
        ),
        *(Figure(part.name, f"{part.seconds:.2f} s") for part in (first, *parts[3:])),
    ]  # fmt: skip


def _parts(house: House, apps: tuple[str, ...]) -> Iterator[Part]:
    jobs: dict[str, Callable[[], dict[str, Any]]] = {
        "server add": house.add,
        "set-up": house.set_up,
        "set-up again": house.set_up,
    }
    jobs |= {f"deploy {app}": lambda app=app: house.deploy(app) for app in apps}
    before = (0, 0)
    for name, do in jobs.items():
        job = do()
        if job["status"] != "completed":
            raise SystemExit(f"{name}: {job['error']}")
        now = _traffic(house.machine)
        yield Part(name, job, now[0] - before[0], now[1] - before[1])
        before = now


def _traffic(box: machine.Machine) -> tuple[int, int]:
    """Connections that logged in, and commands run, since SSH was told to log them."""
    lines = box.run("journalctl", "-o", "cat", "--no-pager").splitlines()
    return (
        sum(line.startswith("Accepted publickey") for line in lines),
        sum(line.startswith("Starting session") for line in lines),
    )


def _table(parts: list[Part]) -> Iterator[str]:
    """Every step that took a tenth of a second, in Markdown."""
    yield f"Load average {os.getloadavg()[0]:.1f}. Steps overlap: their sum is more than the job."
    yield ""
    yield "| job and step | seconds | SSH connections | commands |"
    yield "|---|---|---|---|"
    for part in parts:
        yield f"| **{part.name}** | {part.seconds:.2f} | {part.connections} | {part.commands} |"
        for step in part.job["steps"]:
            if _seconds(step) >= 0.1:
                yield f"| {step['name']} | {_seconds(step):.2f} | | |"


def _seconds(timed: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(timed[key]) for key in ("started_at", "completed_at"))
    return (ended - began).total_seconds()


if __name__ == "__main__":
    main(run)
