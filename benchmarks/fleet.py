"""A thousand servers at once in the sandbox: created and set up, within Hetzner's limit of calls.

All jobs are submitted at once over HTTP. The sandbox runs at a hundredth of real time, its limit of
3,600 calls an hour too: 3,600 calls in 36 s. It is nicer than the daemon by 5: on two cores it
would else take the daemon's, and nobody runs a cloud of a thousand machines beside a daemon.
A stall is told twice: as it was (other processes may have had the core), and how much of it the
daemon's loop itself was at work. `python benchmarks/fleet.py --servers 200` is a shorter look.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - processes are waited for, in bounded loops
from typing import Any

from rig.measure import RIG, Figure, folder, line, machine
from rig.talking import Asker

from tests.contract.sandbox_process import SandboxProcess

SCALE = 0.01
NICER = 5
LINES = 32
LONGEST = 3_600.0
MEMORY_MB, STALL = 400, 0.1


def run(servers: int, scale: float) -> list[Figure]:
    """Submit, wait for the last, count."""
    with folder() as home, _sandbox(home, scale) as sandbox, _daemon(home, scale) as daemon:
        asker = Asker(home / "run" / "livchatd.sock")
        _ready(asker)
        asker.ask("GET", "/api/providers/server-types?provider=sandbox")
        asker.ask("GET", "/api/providers/images?provider=sandbox")
        before = Counter(sandbox.status()["calls"])
        began = monotonic()
        jobs = _submitted(home / "run" / "livchatd.sock", servers)
        submitted = monotonic() - began
        _wait(asker, began)
        took = monotonic() - began
        ended = Counter(_job(asker, job)["status"] for job in jobs)
        calls = Counter(sandbox.status()["calls"]) - before
        peak = _peak(sandbox.process.pid)
        daemon.terminate()
        daemon.wait(30)
        told = json.loads((home / "meter.json").read_text())
    hetzner = {key.split(" ", 1)[1]: n for key, n in calls.items() if key.startswith("hetzner")}
    routes = ", ".join(f"{key} {n}" for key, n in sorted(hetzner.items(), key=lambda kv: -kv[1]))
    late = [(lag, cpu) for _, lag, cpu in told["late"]]
    worst = max(late, default=(0.0, 0.0))
    own = [cpu for _, cpu in late]
    completed = ended["completed"]
    return [
        Figure(
            f"{servers:,} servers created and set up at once, completed",
            f"{completed:,} of {len(jobs):,} jobs, {took:.1f} s (submitted in {submitted:.1f} s)",
            f"time scale {scale:g}", "all", completed == len(jobs),
        ),
        Figure(
            "calls to Hetzner", f"{sum(hetzner.values()):,}",
            f"{sum(hetzner.values()) / servers:.2f} a server: {routes}",
        ),
        Figure(
            "the daemon's memory at most", f"{told['peak_mb']:.0f} MB resident",
            f"the sandbox's {peak:.0f} MB; the daemon's CPU {told['cpu']:.1f} s",
            f"{MEMORY_MB} MB", told["peak_mb"] < MEMORY_MB,
        ),
        Figure(
            "the daemon's loop stalls at most",
            f"{worst[0] * 1000:.0f} ms, over 100 ms {sum(lag > STALL for lag, _ in late)} times, "
            f"over 50 ms {sum(lag > 0.05 for lag, _ in late)} times, of {told['beats']:,} beats",
            f"its own CPU in a stall at most {max(own, default=0) * 1000:.0f} ms, "
            f"over 100 ms {sum(cpu > STALL for cpu in own)} times; "
            f"garbage collected over 5 ms {len(told['collected'])} times, "
            f"at most {max((t for _, t in told['collected']), default=0) * 1000:.0f} ms",
            "100 ms", worst[0] <= STALL,
        ),
    ]  # fmt: skip


@contextlib.contextmanager
def _sandbox(home: Path, scale: float) -> Iterator[SandboxProcess]:
    place = home / "state" / "sandbox"
    for path in (home / "state", place):
        path.mkdir(mode=0o700)
    environment = {**os.environ, "LIVCHAT_SANDBOX_TIME_SCALE": str(scale)}
    command = ["nice", "-n", str(NICER), sys.executable, "-m", "livchat_sandbox"]
    process = subprocess.Popen([*command, "--folder", str(place)], env=environment)
    sandbox = SandboxProcess(place, process)
    try:
        sandbox.wait_until_it_listens()
        yield sandbox
    finally:
        sandbox.end()


@contextlib.contextmanager
def _daemon(home: Path, scale: float) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "LIVCHAT_HOME": str(home),
        "LIVCHAT_SANDBOX_TIME_SCALE": str(scale),
    }
    command = [sys.executable, str(RIG / "metered.py"), str(home / "meter.json")]
    process = subprocess.Popen(command, env=environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def _ready(asker: Asker) -> None:
    deadline = monotonic() + 30
    while monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException, RuntimeError):
            asker.ask("GET", "/api/jobs?limit=1")
            return
        asker.close()
        sleep(0.05)
    raise RuntimeError("the daemon does not answer")


def _submitted(path: Path, servers: int) -> list[str]:
    """Both jobs of each server, over many connections at once."""
    spread = [range(first, servers, LINES) for first in range(LINES)]
    with ThreadPoolExecutor(LINES) as lines:
        made = lines.map(lambda numbers: [*_submit(Asker(path), numbers)], spread)
        return [job for jobs in made for job in jobs]


def _submit(asker: Asker, numbers: range) -> Iterator[str]:
    """The set-up waits for the creation: both are jobs on the same server."""
    setup = {"zone_name": "livchat.localhost", "ssl_email": "ops@example.com"}
    for number in numbers:
        name = f"fleet-{number:04}"
        order = {"name": name, "provider": "sandbox"}
        yield json.loads(asker.ask("POST", "/api/servers", order)[1])["job_id"]
        yield json.loads(asker.ask("POST", f"/api/servers/{name}/setup", setup)[1])["job_id"]


def _wait(asker: Asker, began: float) -> None:
    told = began
    while monotonic() - began < LONGEST:
        counts = json.loads(asker.ask("GET", "/health")[1])["jobs"]
        if not sum(counts.values()):
            return
        if monotonic() - told > 10:
            told = monotonic()
            print(f"{told - began:.0f} s: {counts}", file=sys.stderr, flush=True)
        sleep(0.25)
    raise RuntimeError(f"not all jobs ended within {LONGEST:g} s")


def _job(asker: Asker, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asker.ask("GET", f"/api/jobs/{job_id}")[1])
    return found


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(each.split(":", 1) for each in status.splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024


def main() -> None:
    """Run it and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=1_000)
    parser.add_argument("--scale", type=float, default=SCALE, help="the sandbox's time scale")
    options = parser.parse_args()
    figures = run(options.servers, options.scale)
    print(machine())
    for figure in figures:
        print(line(figure))


if __name__ == "__main__":
    main()
