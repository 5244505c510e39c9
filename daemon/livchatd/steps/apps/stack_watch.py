"""Looking at a stack until it runs; and saying why, when it is plain that it never will."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livchat.errors import ProviderError, ProviderUnavailable, TimedOut
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Run
from livchatd.steps.apps.task_failures import NO_NODE, Reason, reason
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger

SETTLED = 2
"""How many looks in a row must find all tasks running before a stack counts as up."""
LAST_WORDS = "10"
"""Lines of a failed program that are shown."""
ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
GIVEN_UP = 5
"""How many looks in a row must find no task of a failed service: Docker tries it no more."""
_DONE = re.compile(r"\((\d+)/(\d+) completed\)")


@dataclass
class Watch:
    """Looks at a stack until its services run and its jobs are done.

    Tasks that were there when the watch began are history: they say nothing of what was deployed
    since.
    """

    tools: Tools
    server: str
    stack: str
    before: frozenset[str] = frozenset()
    _failed: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    _homeless: dict[str, int] = field(default_factory=dict, repr=False)
    _over: dict[str, int] = field(default_factory=dict, repr=False)

    @classmethod
    async def begin(cls, tools: Tools, server: str, stack: str) -> Watch:
        """Take note of the tasks that are there."""
        tasks = await _rows(await tools.shell(server), "ps", stack)
        return cls(tools, server, stack, frozenset(str(task["ID"]) for task in tasks))

    async def until_up(
        self, run: Run[Ledger], services: Collection[str], jobs: Collection[str], within: float
    ) -> None:
        """Wait until `services` (short names) run and `jobs` are done; else `ProviderError`."""
        stay = frozenset(f"{self.stack}_{name}" for name in services)
        wanted = [*sorted(stay), *(f"{self.stack}_{name}" for name in jobs)]
        settled = 0
        async for _ in self.tools.looks(within, first=0.3):
            up = await self._up(wanted)
            run.progress(len(up), len(wanted), "services")
            settled = settled + 1 if len(up) == len(wanted) else 0
            if settled >= SETTLED and not await self._updating(wanted):
                return
            if not settled:
                await self.fail_early(run, stay, wanted)
        missing = sorted(set(wanted) - await self._up(wanted))
        raise ProviderError(
            f"{', '.join(missing) or self.stack} did not come up within {within:g} s"
            f"{await self._last_error(run, wanted)}",
            hint=f"livchat job logs {run.job_id}",
        )

    async def is_up(self, services: Sequence[str]) -> bool:
        """Whether all these services (short names) run now."""
        wanted = [f"{self.stack}_{name}" for name in services]
        return len(await self._up(wanted)) == len(wanted)

    async def fail_early(
        self, run: Run[Ledger], stay: Collection[str] = (), wanted: Sequence[str] = ()
    ) -> None:
        """Raise when it is plain that services (by full name; all if none) will not come up.

        Those that `stay` never end, not even well.
        """
        tasks = [
            task
            for task in await _rows(await self._shell(), "ps", self.stack)
            if not wanted or _service(task) in wanted
        ]
        self._count(tasks)
        for task in tasks:
            state, service = _state(task), _service(task)
            ended = state == "complete" and service in stay and task["DesiredState"] != "Remove"
            if task["ID"] not in self.before and (ended or state in {"failed", "rejected"}):
                failures = self._failed.setdefault(service, {})
                failures[str(task["ID"])] = str(task.get("Error") or "")
        for service, failures in self._failed.items():
            task_id, error = list(failures.items())[-1]
            why = reason(error, self.server, run.job_id)
            if len(failures) >= why.often or self._over.get(service, 0) >= GIVEN_UP:
                words = await self._last_words(run, service, task_id)
                raise _failure(service, why, words, list(failures.values()))
        for task in tasks:
            why = reason(str(task.get("Error") or ""), self.server, run.job_id)
            if self._homeless.get(_service(task), 0) >= why.often and _has_no_home(task):
                raise _failure(_service(task), why, "", [str(task["Error"])])

    def _count(self, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Count the looks in a row at which a service has no task, or one that no node takes.

        While an older task of it still runs, it may only be waiting for that one's place.
        """
        homed = {_service(task) for task in tasks if _state(task) == "running"}
        without = {_service(task) for task in tasks if _has_no_home(task)} - homed
        self._homeless = {name: self._homeless.get(name, 0) + 1 for name in without}
        alive = {_service(task) for task in tasks if _state(task) not in ENDED}
        over = {_service(task) for task in tasks} - alive
        self._over = {name: self._over.get(name, 0) + 1 for name in over}

    async def _shell(self) -> Shell:
        return await self.tools.shell(self.server)

    async def _up(self, wanted: Sequence[str]) -> set[str]:
        rows = await _rows(await self._shell(), "services", self.stack)
        return {
            str(row["Name"]) for row in rows if row["Name"] in wanted and _full(row["Replicas"])
        }

    async def _updating(self, wanted: Sequence[str]) -> bool:
        """Whether a rolling update is still on its way; raises if Docker gave it up."""
        shell = await self._shell()
        told = await shell.run("docker", "service", "inspect", *wanted)
        for service in json.loads(told.stdout):
            status = service.get("UpdateStatus") or {}
            state = status.get("State") or "completed"
            if state in {"paused", "rollback_paused", "rollback_completed"}:
                name = (service.get("Spec") or {}).get("Name", self.stack)
                raise ProviderError(f"Docker gave up the update of {name}: {status.get('Message')}")
            if state != "completed":
                return True
        return False

    async def _last_words(self, run: Run[Ledger], service: str, task_id: str) -> str:
        """The last line that a failed task printed; the lines before it go to the job's log."""
        shell = await self._shell()
        try:
            told = await shell.run(
                *("docker", "service", "logs", "--raw", "--tail", LAST_WORDS, task_id),
                timeout=20,
                check=False,
            )
        except TimedOut:
            return ""
        lines = [line.strip() for line in f"{told.stdout}\n{told.stderr}".splitlines()]
        lines = [line for line in lines if line] if told.exit_code == 0 else []
        for line in lines:
            run.log(f"{service}: {line}", "warning")
        return lines[-1][:200] if lines else ""

    async def _last_error(self, run: Run[Ledger], wanted: Sequence[str]) -> str:
        tasks = await _rows(await self._shell(), "ps", self.stack)
        found = [task for task in tasks if task.get("Error") and _service(task) in wanted]
        if not found:
            return ""
        why = reason(str(found[0]["Error"]), self.server, run.job_id)
        words = await self._last_words(run, _service(found[0]), str(found[0]["ID"]))
        return f": {why.text}" + (f": {words}" if words else "")


def _failure(service: str, why: Reason, words: str, errors: Sequence[str]) -> ProviderError:
    said = f": {words}" if words else ""
    return ProviderError(
        f"{service} does not come up: {why.text}{said}",
        hint=why.hint,
        details={"service": service, "errors": list(errors)},
    )


async def _rows(shell: Shell, what: str, stack: str) -> list[dict[str, Any]]:
    """One object a line; none for a stack that is not there."""
    whole = ("--no-trunc",) if what == "ps" else ()
    told = await shell.run(
        "docker", "stack", what, "--format", "{{json .}}", *whole, stack, check=False
    )
    if told.exit_code and "nothing found in stack" not in told.stderr.lower():
        raise ProviderUnavailable(
            f"Docker does not tell of the stack {stack}: {told.stderr.strip()}"
        )
    return [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]


def _full(replicas: object) -> bool:
    """Whether `1/1`, or `0/1 (1/1 completed)` of a job, says that nothing is missing."""
    done = _DONE.search(str(replicas))
    if done:
        return done[1] == done[2]
    running, _, wanted = str(replicas).split(" ")[0].partition("/")
    return wanted.isdigit() and int(wanted) > 0 and running == wanted


def _service(task: Mapping[str, Any]) -> str:
    """The service of a task called `n8n_editor.1`; a past one may be marked by `\\_`."""
    return str(task.get("Name", "")).replace("\\_", "").strip().rsplit(".", 1)[0]


def _state(task: Mapping[str, Any]) -> str:
    """`failed` of a task that `Failed 3 seconds ago`."""
    return str(task.get("CurrentState", "")).split(" ")[0].lower()


def _has_no_home(task: Mapping[str, Any]) -> bool:
    """Whether a task waits for a node that would take it."""
    return _state(task) == "pending" and str(task.get("Error", "")).strip('"').startswith(NO_NODE)
