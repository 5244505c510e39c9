"""The cells of the fault matrix: what is run, which call fails how, and what must come of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from livchat_sandbox.faults.registry import FAULTS
from tests.integration.daemon_process import DaemonProcess
from tests.integration.installation_folder import differences, holdings, twice

SERVER, APP, ZONE = "prod-01", "n8n", "livchat.localhost"
JOB_SECONDS = 90.0

Json = dict[str, Any]
Calls = dict[str, int]

UP: Json = {
    "apps": [APP],
    "server": SERVER,
    "provider": "sandbox",
    "zone_name": ZONE,
    "subdomain": "lab",
}
COMMANDS: dict[str, tuple[str, str, Json | None]] = {
    "up": ("POST", "/api/up", UP),
    "app delete": ("DELETE", f"/api/servers/{SERVER}/apps/{APP}", None),
    "server delete": ("DELETE", f"/api/servers/{SERVER}", None),
}
"""What a life is made of, in this order."""

AWAY = {"provider_unavailable", "rate_limited", "timeout"}
CODES: dict[str, set[str]] = {
    "wrong_token": {"unauthorized", "forbidden", "provider_error"},
    "readonly_token": {"unauthorized", "forbidden", "provider_error"},
    "permission": {"unauthorized", "forbidden", "provider_error"},
    "uniqueness_error": {"conflict"},
    "resource_limit_exceeded": {"provider_error"},
    "resource_unavailable": {"sold_out"},
    "placement_error": {"sold_out"},
    "type_retired": {"invalid", "sold_out"},
    "action_failed": {"provider_error"},
    "start_failed": {"provider_error"},
    "zone_pending": {"invalid", "provider_error"},
    "host_key_changed": {"host_key_changed"},
    "auth_refused": {"provider_error"},
    "command_fails": {"command_failed", "provider_error", *AWAY},
    "disk_full": {"command_failed", "provider_error", *AWAY},
}
"""The codes with which a job may fail under a fault that does not pass; all others are AWAY."""
LAST = {"lost", "unavailable"}
"""Faults that also come at the last call of a route."""
ALWAYS = {"unavailable", "refused"}
"""Passing faults that also come at every call, until they are cleared."""
WAITED_FOR = {"up: portainer GET /system/status", "up: ssh connect", "up: ssh true"}
"""What a step waits for by itself, for minutes: at every call, its failure would take as long."""
COST = ("server ", "address ", "the key of ", "key ")
REMEMBERED = {"GET /server_types", "GET /images", "GET /pricing", "GET /locations"}
"""Hetzner's calls whose answers the daemon keeps for a minute: only a fresh one makes them."""


@dataclass(frozen=True)
class Cell:
    """A fault in one command: at the `first` or `last` call of a route, or `always`."""

    command: str
    service: str
    route: str
    fault: str
    place: str
    calls: int

    @property
    def fresh(self) -> bool:
        """Whether it needs a daemon that has asked for nothing yet."""
        return self.route in REMEMBERED

    @property
    def row(self) -> str:
        """Whose call fails."""
        return f"{self.command}: {self.service} {self.route}"

    @property
    def column(self) -> str:
        """How it fails."""
        return self.fault if self.place == "first" else f"{self.fault} {self.place}"

    def rules(self, after: int | None = None) -> list[Json]:
        """What the sandbox is told."""
        spared = self.calls - 1 if self.place == "last" else 0
        rule: Json = {"service": self.service, "route": self.route, "fault": self.fault}
        rule |= {"after": spared if after is None else after}
        rule |= {"times": None if self.place == "always" else 1}
        return [rule]


@dataclass
class Outcome:
    """What came of a cell. `word` is what the matrix shows."""

    cell: Cell
    word: str = "ok"
    code: str | None = None
    broken: list[str] = field(default_factory=list)


def cells(command: str, calls: Calls) -> Iterator[Cell]:
    """The cells of one command, from the calls of a clean run."""
    for name, count in sorted(calls.items()):
        service, _, route = name.partition(" ")
        for fault, kind in FAULTS[service].items():
            if not kind.applies(route):
                continue
            places = ["first"] if kind.transient or fault == "command_fails" else ["always"]
            if kind.transient and fault in LAST and count > 1:
                places.append("last")
            waited = f"{command}: {name}" in WAITED_FOR
            if kind.transient and fault in ALWAYS and not waited:
                places.append("always")
            for place in places:
                yield Cell(command, service, route, fault, place, count)


def wake(daemon: DaemonProcess) -> None:
    """Start the sandbox by a question whose answer, kept for a minute, is of use to no command."""
    daemon.request("GET", "/api/providers/locations?provider=sandbox")


class Lives:
    """One daemon with its sandbox, in which one life after the other is lived."""

    def __init__(self, daemon: DaemonProcess, chance: random.Random) -> None:
        self._daemon = daemon
        self._chance = chance
        wake(daemon)

    def record(self) -> dict[str, Calls]:
        """The calls of each command of a clean life, by service and route."""
        found: dict[str, Calls] = {}
        before: Calls = {}
        for command in COMMANDS:
            job = self._run(command)
            if job["status"] != "completed":
                raise AssertionError(f"{command} fails without any fault: {job}")
            calls: Calls = self._daemon.sandbox("status")["calls"]
            fresh = {name: count - before.get(name, 0) for name, count in calls.items()}
            found[command] = {name: count for name, count in fresh.items() if count}
            before = calls
        return found

    def live(self, chosen: dict[str, Cell]) -> list[Outcome]:
        """A life, in which commands may have a cell each."""
        return [
            outcome
            for command in COMMANDS
            if (outcome := self._command(command, chosen.get(command))) is not None
        ]

    def _command(self, command: str, cell: Cell | None) -> Outcome | None:
        if cell is None:
            job = self._run(command)
            if job["status"] != "completed":
                raise AssertionError(f"{command} fails after all faults are over: {job}")
            return None
        outcome = Outcome(cell)
        job, told = self._suffer(cell, cell.rules())
        if not told["fired"]:
            # How often something is looked at differs from run to run.
            outcome.word = "not met"
        if job["status"] == "completed":
            tries = sum(max(0, step["attempt"] - 1) for step in job["steps"])
            if told["fired"]:
                outcome.word = f"ok, {tries} more" if tries else "ok"
        else:
            self._failed(command, job, outcome)
        outcome.broken += self._wrong(command)
        return outcome

    def _suffer(self, cell: Cell, rules: list[Json]) -> tuple[Json, Json]:
        self._daemon.sandbox("faults", "PUT", {"faults": rules})
        try:
            job = self._run(cell.command)
        finally:
            told: Json = self._daemon.sandbox("faults", "DELETE")
        return job, told["faults"][0]

    def _failed(self, command: str, job: Json, outcome: Outcome) -> None:
        """A failure must say what and why, forget nothing that costs, and be made good."""
        code, fault = job["error_code"], outcome.cell.fault
        outcome.word, outcome.code = f"failed {code}", code
        if code not in CODES.get(fault, AWAY):
            outcome.broken.append(f"fails with {code}: {job['error']}")
        if not job["hint"]:
            outcome.broken.append(f"{code} has no hint: {job['error']}")
        outcome.broken += self._forgotten()
        again = self._again(command, job)
        if again["status"] != "completed":
            outcome.broken.append(
                f"after {code} ({job['error']}) a re-run ends {again['status']}: "
                f"{again['error_code']}: {again['error']}"
            )

    def _forgotten(self) -> list[str]:
        """What costs money and is not known; by a server that is known, all that is its own is."""
        if self._daemon.request("GET", "/api/servers").json["total"]:
            return twice(self._daemon.sandbox("status"))
        return [words for words in differences(self._daemon) if words.startswith(COST)]

    def _again(self, command: str, job: Json) -> Json:
        """The same once more: by a retry of the job, or by the same command."""
        if job["job_id"] is not None and self._chance.random() < 0.5:
            job_id = self._daemon.submit("POST", f"/api/jobs/{job['job_id']}/retry")
            return self._daemon.wait(job_id, JOB_SECONDS)
        if (
            command == "server delete"
            and not self._daemon.request("GET", "/api/servers").json["total"]
        ):
            return {"status": "completed", "error_code": None, "error": None}
        return self._run(command)

    def _run(self, command: str) -> Json:
        """Its job once it has ended; or its refusal, as a job that failed."""
        method, path, body = COMMANDS[command]
        answer = self._daemon.request(method, path, body, timeout=60)
        if answer.status == 202:
            return self._daemon.wait(answer.json["job_id"], JOB_SECONDS)
        told = answer.json
        return {
            "status": "failed",
            "job_id": None,
            "error": told["error"],
            "error_code": told["code"],
            "hint": told["hint"],
            "steps": [],
        }

    def _wrong(self, command: str) -> list[str]:
        """What is not as it must be once the command has done its work."""
        found = differences(self._daemon)
        if command == "server delete":
            found += [
                f"left: {kind} {names}" for kind, names in holdings(self._daemon).items() if names
            ]
            bill = self._daemon.sandbox("status")["bill_monthly"]
            found += [f"the bill is {bill}"] if bill != "0.00" else []
        return found
