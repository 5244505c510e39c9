"""Many watchers of one job: who comes and goes, who is slow, who never reads; and one key."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep  # noqa: TID251 - watchers leave at random instants

from tests.integration.daemon_process import DaemonProcess, UnixConnection, running

UP = {
    "apps": ["n8n"],
    "server": "demo",
    "provider": "sandbox",
    "zone_name": "livchat.localhost",
    "subdomain": "lab",
}
WATCHERS = 50
GROWTH = 30 * 1024
"""Kilobytes by which the daemon may grow for all of them."""


def resident(daemon: DaemonProcess) -> int:
    """The daemon's resident memory in kilobytes."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


class Watcher:
    """Reads a job's stream to its end, going away after a few events and coming back."""

    def __init__(self, daemon: DaemonProcess, job_id: str, stays: int, pause: float = 0) -> None:
        self.seen: list[str] = []
        self.visits = 0
        self._daemon = daemon
        self._path = f"/api/jobs/{job_id}/events"
        self._chance = random.Random(stays)  # noqa: S311 - the same in every run
        self._stays = stays
        self._pause = pause

    def watch(self) -> None:
        while not self.seen or json.loads(self.seen[-1])["event"] != "end":
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._visit()

    def _visit(self) -> None:
        self.visits += 1
        after = f"?after={json.loads(self.seen[-1])['id']}" if self.seen else ""
        connection = UnixConnection(self._daemon.socket)
        try:
            accept = {"Accept": "application/x-ndjson"}
            connection.request("GET", self._path + after, headers=accept)
            response = connection.getresponse()
            for _ in range(self._chance.randint(1, self._stays)):
                line = response.readline()
                if not line.endswith(b"\n"):
                    return
                if len(line) > 1:
                    self.seen.append(line.decode().strip())
                sleep(self._pause)
        finally:
            connection.close()


def test_fifty_watchers_that_come_and_go_see_the_same_and_cost_next_to_nothing(tmp_path):
    with running(tmp_path / "livchat", scale=0.02) as daemon:
        # What a daemon loads for its first job is no cost of watching.
        daemon.wait(daemon.submit("POST", "/api/up", {**UP, "server": "first", "subdomain": "a"}))
        before = resident(daemon)
        job_id = daemon.submit("POST", "/api/up", UP)
        deaf = UnixConnection(daemon.socket)
        deaf.request("GET", f"/api/jobs/{job_id}/events")
        slow = Watcher(daemon, job_id, 400, pause=0.01)
        watchers = [slow, *(Watcher(daemon, job_id, 4 + i) for i in range(WATCHERS - 1))]
        threads = [threading.Thread(target=one.watch, daemon=True) for one in watchers]
        for thread in threads:
            thread.start()
        job = daemon.wait(job_id)
        for thread in threads:
            thread.join(60)
        after = resident(daemon)
        assert not any(thread.is_alive() for thread in threads)
        assert job["status"] == "completed", job
        whole = Watcher(daemon, job_id, 100_000)
        whole.watch()
        assert [one.seen == whole.seen for one in watchers] == [True] * WATCHERS
        numbers = [int(json.loads(line)["data"]["seq"]) for line in whole.seen]
        assert numbers == sorted(set(numbers))
        assert sum(one.visits for one in watchers) > 2 * WATCHERS
        assert after - before < GROWTH, f"{before} kB before, {after} kB after"
        deaf.close()


def test_twenty_submits_at_once_with_one_key_make_one_job(daemon):
    body = {"name": "prod-01", "provider": "sandbox"}

    def submit(_: int):
        return daemon.request("POST", "/api/servers", body, {"Idempotency-Key": "the-same-key"})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(submit, range(20)))
    assert [answer.status for answer in answers] == [202] * 20, [a.raw for a in answers]
    assert len({answer.raw for answer in answers}) == 1
    replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
    assert sorted(map(str, replayed)) == ["None", *["true"] * 19]
    assert daemon.request("GET", "/api/jobs").json["total"] == 1
    daemon.wait(answers[0].json["job_id"])
    assert len(daemon.sandbox("status")["servers"]) == 1
