"""A bare Debian to PostgreSQL and a web app: seconds for each step, and what SSH carried."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from measure import ROOT, Figure, folder, main

sys.path.insert(0, str(ROOT))

from tests.e2e import images, machine
from tests.e2e.house import looking_after

VERBOSE = "/etc/ssh/sshd_config.d/benchmark.conf"
AGAIN = 5.0
"""Seconds that a second set-up may take (issue 5)."""


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
        jobs = {"server add": house.add(), "set-up": house.set_up()}
        connections, commands = _traffic(box)
        jobs["set-up again"] = house.set_up()
        again = _traffic(box)[1] - commands
        for app in () if quick else ("postgres", "umami"):
            jobs[f"deploy {app}"] = house.deploy(app)
    one = connections == 1
    figures = [
        Figure("SSH connections, add and set-up", str(connections), promise="1", kept=one),
        Figure("commands over it", str(commands)),
        Figure("commands of a second set-up", str(again)),
    ]
    for name, job in jobs.items():
        if job["status"] != "completed":
            raise SystemExit(f"{name}: {job['error']}")
        figures += _steps(name, job)
    return figures


def _traffic(box: machine.Machine) -> tuple[int, int]:
    """Connections that logged in, and commands run, since SSH was told to log them."""
    lines = box.run("journalctl", "-o", "cat", "--no-pager").splitlines()
    return (
        sum(line.startswith("Accepted publickey") for line in lines),
        sum(line.startswith("Starting session") for line in lines),
    )


def _steps(name: str, job: dict[str, Any]) -> list[Figure]:
    whole = _seconds(job)
    kept = whole < AGAIN if name == "set-up again" else None
    promise = f"< {AGAIN:g} s" if kept is not None else ""
    found = [Figure(name, f"{whole:.2f} s", promise=promise, kept=kept)]
    slow = [step for step in job["steps"] if _seconds(step) >= 0.1]
    return found + [Figure(f"- {step['name']}", f"{_seconds(step):.2f} s") for step in slow]


def _seconds(timed: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(timed[key]) for key in ("started_at", "completed_at"))
    return (ended - began).total_seconds()


if __name__ == "__main__":
    main(run)
