"""Kill the daemon at random instants while jobs are at work, and see that nothing is lost.

One command: `python benchmarks/crashes.py --seed 1 --kills 200`. Several servers live their lives
at once (create, set up, deploy, delete, with cancels and retries in between) in the sandbox, each
job watched all the time. At the end it prints the counts; it ends with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import random
import signal
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - kills happen at random instants
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "daemon")]

from benchmarks.rig.crash_lives import Life, Log, whole_story  # noqa: E402
from tests.integration.daemon_process import DaemonProcess, UnixConnection  # noqa: E402
from tests.integration.installation_folder import differences, twice  # noqa: E402

PATIENCE = 180.0
"""Seconds that lives and watchers have to end once nobody kills any more."""
PROMISED_STOP = 3.0
LONGEST = 1.2
"""Seconds at most between a start and the next kill."""
TERM_EVERY = 10
"""After so many kills the daemon is also asked to stop."""


@dataclass
class Tally:
    """What happened, and which promises were broken."""

    kills: int = 0
    stops: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def crash(home: Path, seed: int, kills: int, lives: int, scale: float) -> tuple[Tally, Log]:
    """The whole torture; what came of it."""
    chance, tally, log = random.Random(seed), Tally(), Log()
    daemon = DaemonProcess(home, scale=scale)
    try:
        daemon.start()
        everything = Everything(daemon)
        going = [Life(f"s{i}", random.Random(f"{seed}/{i}"), home, log) for i in range(lives)]
        threads = [threading.Thread(target=life.live, daemon=True) for life in going]
        for thread in (*threads, everything.thread):
            thread.start()
        while tally.kills < kills:
            # On a busy machine a daemon takes longer to get to work again.
            sleep(chance.uniform(0, max(LONGEST, 2 * tally.starts[-1] if tally.starts else 0)))
            _strike(daemon, tally)
        for life in going:
            life.last = True
        _wait(threads, tally, "life")
        _wait(log.watchers, tally, "watcher")
        _judge(daemon, log, everything, tally)
    finally:
        daemon.end()
    return tally, log


def _strike(daemon: DaemonProcess, tally: Tally) -> None:
    """Kill it, look at the world while nobody changes it, and start it again."""
    if tally.kills % TERM_EVERY == TERM_EVERY - 1:
        began = monotonic()
        daemon.stop(signal.SIGTERM)
        tally.stops.append(monotonic() - began)
        _start(daemon, tally)
        sleep(0.1)
    daemon.kill()
    tally.kills += 1
    # Before its first use there is no sandbox.
    with contextlib.suppress(OSError, ValueError):
        tally.broken += twice(daemon.sandbox("status"))
    _start(daemon, tally)


def _start(daemon: DaemonProcess, tally: Tally) -> None:
    began = monotonic()
    daemon.start()
    tally.starts.append(monotonic() - began)


def _wait(threads: list[threading.Thread], tally: Tally, what: str) -> None:
    deadline = monotonic() + PATIENCE
    for thread in list(threads):
        thread.join(max(0.1, deadline - monotonic()))
    late = sum(thread.is_alive() for thread in threads)
    if late:
        tally.broken.append(f"{late} {what}s have not ended in {PATIENCE:g} s")


def _judge(daemon: DaemonProcess, log: Log, everything: Everything, tally: Tally) -> None:
    jobs = _all_jobs(daemon)
    tally.broken += log.broken
    tally.broken += [
        f"{job['job_id']} ({job['summary']}) is {job['status']}: {job['error']}"
        for job in jobs
        if job["status"] not in {"completed", "cancelled"}
    ]
    tally.broken += differences(daemon)
    whole: list[tuple[str, str]] = []
    for job in jobs:
        told = whole_story(daemon.client, job["job_id"])
        whole += told
        for seen in log.seen.get(job["job_id"], []):
            if seen != told:
                tally.broken.append(f"a watcher of {job['job_id']} saw {_difference(seen, told)}")
        tally.broken += _again(job, daemon)
    whole.sort(key=lambda event: _number(event[0]))
    everything.until(_number(whole[-1][0]))
    if everything.seen != whole[-len(everything.seen) :]:
        tally.broken.append(f"the watcher of all saw {_difference(everything.seen, whole)}")
    numbers = [_number(cursor) for cursor, _ in whole]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        tally.broken.append("the numbers of events have holes")
    log.counts["events"] = len(whole)


def _all_jobs(daemon: DaemonProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = daemon.request("GET", f"/api/jobs?limit=500{after}").json
        found += page["jobs"]
        if page["next_cursor"] is None:
            return found
        after = f"&cursor={page['next_cursor']}"


def _again(job: dict[str, Any], daemon: DaemonProcess) -> list[str]:
    """Lines of a unit that a job's log has twice."""
    path = f"/api/jobs/{job['job_id']}/logs?tail=10000&step=Install%20the%20packages"
    lines = daemon.request("GET", path).json.get("logs", [])
    counted = Counter(
        line["message"] for line in lines if line["message"].startswith(("Setting up", "Unpacking"))
    )
    return [f"{job['job_id']} logs twice: {text}" for text, n in counted.items() if n > 1]


def _number(cursor: str) -> int:
    return int(cursor.rsplit("-", 1)[1])


def _difference(seen: list[tuple[str, str]], told: list[tuple[str, str]]) -> str:
    missing, extra = len(set(told) - set(seen)), len(set(seen) - set(told))
    again = len(seen) - len(set(seen))
    return f"{len(seen)} of {len(told)}: {missing} missing, {extra} of its own, {again} again"


class Everything:
    """A watcher of the stream of all jobs, which goes on by its cursor after each kill."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.seen: list[tuple[str, str]] = []
        self._daemon = daemon
        self._end: int | None = None
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def until(self, number: int) -> None:
        """Wait until it has seen this event, for a while."""
        self._end = number
        self.thread.join(30)

    def _ended(self) -> bool:
        return self._end is not None and bool(self.seen) and _number(self.seen[-1][0]) >= self._end

    def _watch(self) -> None:
        while not self._ended():
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._episode()
            sleep(0.05)

    def _episode(self) -> None:
        after = f"?after={self.seen[-1][0]}" if self.seen else ""
        connection = UnixConnection(self._daemon.socket, timeout=2)
        try:
            accept = {"Accept": "application/x-ndjson"}
            connection.request("GET", f"/api/events{after}", headers=accept)
            response = connection.getresponse()
            while response.status == 200 and (line := response.readline()).endswith(b"\n"):
                if len(line) > 1:
                    text = line.decode().strip()
                    self.seen.append((json.loads(text)["id"], text))
                if self._ended():
                    return
        finally:
            connection.close()


def main() -> int:
    """Run it and print the counts."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--lives", type=int, default=4, help="servers that live at once")
    options.add_argument("--scale", type=float, default=0.015, help="of simulated durations")
    given = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="livchat-crashes-"))
    began = monotonic()
    tally, log = crash(home, given.seed, given.kills, given.lives, given.scale)
    print(f"seed {given.seed}, {monotonic() - began:.0f} s, home {home}")
    print(f"kill -9          {tally.kills}")
    print(f"starts           {len(tally.starts)}, slowest {max(tally.starts, default=0):.2f} s")
    slowest = max(tally.stops, default=0)
    print(f"SIGTERM          {len(tally.stops)}, slowest {slowest:.2f} s of {PROMISED_STOP:g} s")
    for name, count in sorted(log.counts.items()):
        print(f"{name:<16} {count}")
    if slowest > PROMISED_STOP:
        tally.broken.append(f"a SIGTERM took {slowest:.2f} s")
    print(f"promises broken  {len(tally.broken)}")
    for words in tally.broken:
        print(f"  {words}")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
