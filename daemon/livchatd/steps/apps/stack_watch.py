"""A watch over a stack: until it is up, or until it is certain that it will not come up."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livchat.errors import ProviderError, TimedOut
from livchatd.integrations.ssh.interfaces import Shell, Shells
from livchatd.jobs.step import StepContext
from livchatd.steps.apps.stack_rows import (
    is_complete,
    is_unschedulable,
    service_of,
    stack_rows,
    state_of,
)
from livchatd.steps.apps.task_failures import TaskFailure, task_failure
from livchatd.steps.facts import JobFacts

LOOKS_UNTIL_UP = 2
"""How many looks in a row must find all services up before the stack counts as up."""
LAST_LINES = "10"
"""How many of the last lines of a failed program are logged."""
ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
"""The states of a task that does not run any more."""
LOOKS_UNTIL_GIVEN_UP = 5
"""How many looks in a row must find no task of a failed service: Docker tries it no more."""


@dataclass
class StackWatch:
    """Looks at a stack until its services are up and its jobs are complete.

    `before` are the ids of tasks that were there when the watch began: they say nothing of what
    was deployed since.
    """

    shells: Shells
    server: str
    stack: str
    before: frozenset[str] = frozenset()
    _failures: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    """The errors of failed tasks, by service and task."""
    _unschedulable: dict[str, int] = field(default_factory=dict, repr=False)
    """For how many looks in a row no node has taken a service."""
    _without_task: dict[str, int] = field(default_factory=dict, repr=False)
    """For how many looks in a row a service has had no task that runs or will run."""

    @classmethod
    async def begin(cls, shells: Shells, server: str, stack: str) -> StackWatch:
        """Return a watch over what is deployed from now on."""
        tasks = await stack_rows(await shells.on(server), "ps", stack)
        return cls(shells, server, stack, frozenset(str(task["ID"]) for task in tasks))

    async def until_up(
        self,
        context: StepContext[JobFacts],
        services: Collection[str],
        jobs: Collection[str],
        within: float,
    ) -> None:
        """Wait until services are up and jobs complete, both by their short names.

        Raises `ProviderError` as soon as it is certain that they will not be, and after `within`
        seconds.
        """
        lasting = frozenset(f"{self.stack}_{name}" for name in services)
        wanted = [*sorted(lasting), *(f"{self.stack}_{name}" for name in jobs)]
        looks_up = 0
        async for _ in context.poll(within, first=0.3):
            up = await self._up(wanted)
            context.progress(len(up), len(wanted), "services")
            looks_up = looks_up + 1 if len(up) == len(wanted) else 0
            if looks_up >= LOOKS_UNTIL_UP and not await self._updating(wanted):
                return
            if not looks_up:
                await self.fail_early(context, lasting, wanted)
        missing = sorted(set(wanted) - await self._up(wanted))
        raise ProviderError(
            f"{', '.join(missing) or self.stack} did not come up within {within:g} s"
            f"{await self._last_error(context, wanted)}",
            hint=f"livchat job logs {context.job_id}",
        )

    async def is_up(self, services: Sequence[str]) -> bool:
        """Whether all these services, by their short names, are up now."""
        wanted = [f"{self.stack}_{name}" for name in services]
        return len(await self._up(wanted)) == len(wanted)

    async def fail_early(
        self,
        context: StepContext[JobFacts],
        lasting: Collection[str] = (),
        wanted: Sequence[str] = (),
    ) -> None:
        """Raise `ProviderError` when it is certain that a service will not come up.

        `wanted` are the full names of services to look at, all without any; the tasks of `lasting`
        ones must not end, not even with status 0.
        """
        tasks = [
            task
            for task in await stack_rows(await self._shell(), "ps", self.stack)
            if not wanted or service_of(task) in wanted
        ]
        self._count(tasks)
        for task in tasks:
            state, service = state_of(task), service_of(task)
            ended = state == "complete" and service in lasting and task["DesiredState"] != "Remove"
            if task["ID"] not in self.before and (ended or state in {"failed", "rejected"}):
                failures = self._failures.setdefault(service, {})
                failures[str(task["ID"])] = str(task.get("Error") or "")
        for service, failures in self._failures.items():
            task_id, error = list(failures.items())[-1]
            failure = task_failure(error, self.server, context.job_id)
            given_up = self._without_task.get(service, 0) >= LOOKS_UNTIL_GIVEN_UP
            if len(failures) >= failure.failures_needed or given_up:
                last_line = await self._last_line(context, service, task_id)
                raise _error(service, failure, last_line, list(failures.values()))
        for task in tasks:
            failure = task_failure(str(task.get("Error") or ""), self.server, context.job_id)
            looks = self._unschedulable.get(service_of(task), 0)
            if looks >= failure.failures_needed and is_unschedulable(task):
                raise _error(service_of(task), failure, "", [str(task["Error"])])

    def _count(self, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Count the looks in a row at which a service has no task, or one that no node takes.

        While an older task of it still runs, it may only be waiting for that one's place.
        """
        running = {service_of(task) for task in tasks if state_of(task) == "running"}
        unschedulable = {service_of(task) for task in tasks if is_unschedulable(task)} - running
        self._unschedulable = {name: self._unschedulable.get(name, 0) + 1 for name in unschedulable}
        alive = {service_of(task) for task in tasks if state_of(task) not in ENDED}
        without = {service_of(task) for task in tasks} - alive
        self._without_task = {name: self._without_task.get(name, 0) + 1 for name in without}

    async def _shell(self) -> Shell:
        return await self.shells.on(self.server)

    async def _up(self, wanted: Sequence[str]) -> set[str]:
        rows = await stack_rows(await self._shell(), "services", self.stack)
        return {
            str(row["Name"])
            for row in rows
            if row["Name"] in wanted and is_complete(row["Replicas"])
        }

    async def _updating(self, wanted: Sequence[str]) -> bool:
        """Whether a rolling update goes on; `ProviderError` if Docker gave it up."""
        inspected = await (await self._shell()).run("docker", "service", "inspect", *wanted)
        for service in json.loads(inspected.stdout):
            status = service.get("UpdateStatus") or {}
            state = status.get("State") or "completed"
            if state in {"paused", "rollback_paused", "rollback_completed"}:
                name = (service.get("Spec") or {}).get("Name", self.stack)
                raise ProviderError(f"Docker gave up the update of {name}: {status.get('Message')}")
            if state != "completed":
                return True
        return False

    async def _last_line(self, context: StepContext[JobFacts], service: str, task_id: str) -> str:
        """Return the last line that a failed task printed, and log those before it."""
        shell = await self._shell()
        try:
            printed = await shell.run(
                *("docker", "service", "logs", "--raw", "--tail", LAST_LINES, task_id),
                timeout=20,
                check=False,
            )
        except TimedOut:
            return ""
        lines = [line.strip() for line in f"{printed.stdout}\n{printed.stderr}".splitlines()]
        lines = [line for line in lines if line] if printed.exit_code == 0 else []
        for line in lines:
            context.log(f"{service}: {line}", "warning")
        return lines[-1][:200] if lines else ""

    async def _last_error(self, context: StepContext[JobFacts], wanted: Sequence[str]) -> str:
        tasks = await stack_rows(await self._shell(), "ps", self.stack)
        failed = [task for task in tasks if task.get("Error") and service_of(task) in wanted]
        if not failed:
            return ""
        failure = task_failure(str(failed[0]["Error"]), self.server, context.job_id)
        last_line = await self._last_line(context, service_of(failed[0]), str(failed[0]["ID"]))
        return f": {failure.text}" + (f": {last_line}" if last_line else "")


def _error(
    service: str, failure: TaskFailure, last_line: str, errors: Sequence[str]
) -> ProviderError:
    suffix = f": {last_line}" if last_line else ""
    return ProviderError(
        f"{service} does not come up: {failure.text}{suffix}",
        hint=failure.hint,
        details={"service": service, "errors": list(errors)},
    )
