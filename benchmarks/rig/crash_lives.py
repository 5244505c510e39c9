"""The lives of servers under kills: created, set up, given apps, deleted; with second thoughts."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - a cancel comes at a random instant
from typing import Any, cast

from livchat.client.client import Client
from livchat.errors import Conflict, DaemonUnreachable, LivChatError, ProviderUnavailable

ZONE = "livchat.localhost"
SECOND_THOUGHTS = 0.35
"""How often a job is cancelled."""
AWAY = 60.0
"""Seconds that the daemon may be away."""
LATEST = 1.5
"""Seconds at most from a job's submission to its cancel."""
APPS = ("redis", "postgres", "n8n")


@dataclass
class Log:
    """What all lives and watchers report."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    seen: dict[str, list[list[tuple[str, str]]]] = field(default_factory=lambda: defaultdict(list))
    watchers: list[threading.Thread] = field(default_factory=list)


class Life:
    """One name after the other lives a whole life, until this is to be the last."""

    def __init__(self, stem: str, chance: random.Random, home: Path, log: Log) -> None:
        self.last = False
        self._stem = stem
        self._chance = chance
        self._socket = str(home / "run" / "livchatd.sock")
        self._log = log
        self._client = Client(socket_path=self._socket)

    def live(self) -> None:
        """Live; what goes wrong is reported."""
        number = 0
        with closing(self._client):
            while not self.last:
                number += 1
                name = f"{self._stem}-{number}"
                try:
                    self._one(name)
                except (LivChatError, OSError) as error:
                    self._log.broken.append(f"{name}: {type(error).__name__}: {error}")

    def _one(self, name: str) -> None:
        client, chance = self._client, self._chance
        setup = {"zone_name": ZONE, "subdomain": name, "ssl_email": "ops@example.com"}
        order = {"name": name, "provider": "sandbox"}
        if not self._job("create", lambda: client.create_server(order)):
            return
        if self._job("set-up", lambda: client.setup_server(name, setup)):
            app = chance.choice(APPS)
            deployed = self._job("deploy", lambda: client.deploy_app(name, app, {}))
            if deployed and chance.random() < 0.4:
                self._job("delete app", lambda: client.delete_app(name, app))
        if chance.random() < 0.7:
            self._job("delete", lambda: client.delete_server(name))

    def _job(self, what: str, submit: Callable[[], Any]) -> bool:
        """Submit, maybe cancel, maybe retry; whether the last of them completed."""
        job_id = self._ask(submit)["job_id"]
        while True:
            job = self._ends(what, job_id)
            if job["status"] == "completed":
                return True
            if job["status"] == "failed" or self._chance.random() < 0.3:
                return False
            self._log.counts["retries"] += 1
            job_id = self._ask(partial(self._client.retry_job, job_id))["job_id"]

    def _ends(self, what: str, job_id: str) -> dict[str, Any]:
        self._log.counts[f"jobs: {what}"] += 1
        self._watch(job_id)
        asked = self._chance.random() < SECOND_THOUGHTS
        if asked:
            sleep(self._chance.uniform(0, LATEST))
            self._cancel(job_id)
        job = self._ask(lambda: self._client.wait(job_id, 5))
        while job["status"] in {"queued", "running"}:
            job = self._ask(lambda: self._client.wait(job_id, 5))
        self._log.counts[f"ended: {job['status']}"] += 1
        if job["status"] == "cancelled":
            if not asked:
                self._log.broken.append(f"{job_id} was cancelled, and nobody asked for it")
            self._log.counts[f"rollback: {job['rollback']}"] += 1
        return job

    def _ask(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Ask once the daemon is there: the client is patient with one that it has met only.

        One that was told to stop in the middle of a submission says so, and has begun nothing.
        """
        deadline = monotonic() + AWAY
        while True:
            try:
                self._client.open()
                return call()
            except (DaemonUnreachable, ProviderUnavailable) as error:
                if monotonic() > deadline:
                    raise
                if not isinstance(error, DaemonUnreachable) and "stopping" not in error.message:
                    raise
                sleep(0.05)

    def _cancel(self, job_id: str) -> None:
        try:
            self._ask(lambda: self._client.cancel_job(job_id))
            self._log.counts["cancels"] += 1
        except Conflict:
            self._log.counts["cancels too late"] += 1

    def _watch(self, job_id: str) -> None:
        for _ in range(2):
            seen: list[tuple[str, str]] = []
            self._log.seen[job_id].append(seen)
            thread = threading.Thread(target=self._follow, args=(job_id, seen), daemon=True)
            self._log.watchers.append(thread)
            thread.start()

    def _follow(self, job_id: str, seen: list[tuple[str, str]]) -> None:
        try:
            whole_story(Client(socket_path=self._socket), job_id, seen)
        except (LivChatError, OSError) as error:
            self._log.broken.append(f"a watcher of {job_id}: {error}")


def whole_story(
    client: Client, job_id: str, into: list[tuple[str, str]] | None = None
) -> list[tuple[str, str]]:
    """All events of a job to its end, each put `into` the list as it comes."""
    seen = [] if into is None else into
    with closing(client), closing(cast(Any, client.job_events(job_id))) as events:
        seen.extend((event.id, event.line) for event in events)
    return seen
