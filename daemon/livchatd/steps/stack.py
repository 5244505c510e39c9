"""Stacks on a server's swarm: secrets before them, tasks after them, and what goes with them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livchat.errors import ProviderError, ProviderUnavailable
from livchatd.integrations.ssh import Shell
from livchatd.jobs.step import Run
from livchatd.steps.learnt import Ledger
from livchatd.steps.tools import Tools

SETTLED = 2
"""How many looks in a row must find all tasks running before a stack counts as up."""
PATIENCE = 5
"""How many tasks of one service may fail: some start before what they need and try again."""
_DONE = re.compile(r"\((\d+)/(\d+) completed\)")
_EXIT = re.compile(r"non-zero exit \((\d+)\)")
_EXITS = {"137": "it was killed, mostly for want of memory", "139": "it crashed"}


@dataclass
class Watch:
    """Looks at a stack until its services run and its jobs are done.

    Tasks that were there when the watch began are history: they say nothing of what was deployed
    since.
    """

    tools: Tools
    shell: Shell
    stack: str
    before: frozenset[str] = frozenset()
    _failed: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)

    @classmethod
    async def begin(cls, tools: Tools, shell: Shell, stack: str) -> Watch:
        """Take note of the tasks that are there."""
        tasks = await _rows(shell, "ps", stack)
        return cls(tools, shell, stack, frozenset(str(task["ID"]) for task in tasks))

    async def until_up(
        self, run: Run[Ledger], services: Collection[str], jobs: Collection[str], within: float
    ) -> None:
        """Wait until `services` (short names) run and `jobs` are done; else `ProviderError`."""
        wanted = [f"{self.stack}_{name}" for name in (*services, *jobs)]
        settled = 0
        async for _ in self.tools.looks(within, first=0.3):
            up = await self._up(wanted)
            run.progress(len(up), len(wanted), "services")
            settled = settled + 1 if len(up) == len(wanted) else 0
            if settled >= SETTLED and not await self._updating(wanted):
                return
            if not settled:
                await self.fail_early(wanted)
        missing = ", ".join(sorted(set(wanted) - await self._up(wanted))) or self.stack
        raise ProviderError(
            f"{missing} did not come up within {within:g} s{await self._last_words(wanted)}",
            hint=f"livchat job logs {run.job_id}",
        )

    async def is_up(self, services: Sequence[str]) -> bool:
        """Whether all these services (short names) run now."""
        wanted = [f"{self.stack}_{name}" for name in services]
        return len(await self._up(wanted)) == len(wanted)

    async def _up(self, wanted: Sequence[str]) -> set[str]:
        rows = await _rows(self.shell, "services", self.stack)
        return {
            str(row["Name"]) for row in rows if row["Name"] in wanted and _full(row["Replicas"])
        }

    async def _updating(self, wanted: Sequence[str]) -> bool:
        """Whether a rolling update is still on its way; raises if Docker gave it up."""
        told = await self.shell.run("docker", "service", "inspect", *wanted)
        for service in json.loads(told.stdout):
            status = service.get("UpdateStatus") or {}
            state = status.get("State") or "completed"
            if state in {"paused", "rollback_paused", "rollback_completed"}:
                name = (service.get("Spec") or {}).get("Name", self.stack)
                raise ProviderError(f"Docker gave up the update of {name}: {status.get('Message')}")
            if state != "completed":
                return True
        return False

    async def fail_early(self, wanted: Sequence[str] = ()) -> None:
        """Raise when it is plain that services (by full name; all if none) will not come up."""
        for task in await _rows(self.shell, "ps", self.stack):
            service = _service(task)
            state = str(task.get("CurrentState", "")).split(" ")[0].lower()
            if task["ID"] in self.before or (wanted and service not in wanted):
                continue
            if state in {"failed", "rejected"}:
                failures = self._failed.setdefault(service, {})
                failures[str(task["ID"])] = str(task.get("Error") or state)
        for service, failures in self._failed.items():
            reason = list(failures.values())[-1]
            if len(failures) >= PATIENCE or "no such image" in reason.lower():
                raise ProviderError(
                    f"{service} does not come up: {_plain(reason)}",
                    details={"service": service, "errors": list(failures.values())},
                )

    async def _last_words(self, wanted: Sequence[str]) -> str:
        tasks = await _rows(self.shell, "ps", self.stack)
        words = [
            str(task["Error"]) for task in tasks if task.get("Error") and _service(task) in wanted
        ]
        return f": {_plain(words[0])}" if words else ""


async def create_secrets(shell: Shell, secrets: Mapping[str, str]) -> None:
    """Make the Docker secrets that are not there yet; their values travel by stdin."""
    for name, value in secrets.items():
        if not await has_secret(shell, name):
            made = await shell.run(
                "docker", "secret", "create", name, "-", stdin=value, check=False
            )
            # Two steps side by side, or an answer that was lost, may have made it.
            if made.exit_code and not await has_secret(shell, name):
                reason = made.stderr.strip().splitlines() or ["no reason given"]
                raise ProviderError(f"the secret {name} cannot be made: {reason[-1]}")


async def has_secret(shell: Shell, name: str) -> bool:
    """Whether a Docker secret is there."""
    return await shell.succeeds("docker", "secret", "inspect", name)


async def remove_secrets(shell: Shell, names: Collection[str]) -> None:
    """Remove Docker secrets; those that are gone already are fine."""
    for name in names:
        if await has_secret(shell, name):
            await shell.run("docker", "secret", "rm", name)


async def remove_volumes(tools: Tools, shell: Shell, stack: str, within: float = 180) -> list[str]:
    """Remove the volumes of a stack that is being removed; their names.

    A volume is free only when its last container has ended, so this waits up to `within` seconds.
    """
    gone: set[str] = set()
    async for _ in tools.looks(within):
        told = await shell.run(
            *("docker", "volume", "ls", "--format", "{{json .}}"),
            *("--filter", f"label=com.docker.stack.namespace={stack}"),
        )
        left = [str(json.loads(line)["Name"]) for line in told.stdout.splitlines() if line.strip()]
        if not left:
            return sorted(gone)
        gone |= set(left)
        await shell.run("docker", "volume", "rm", *left, check=False)
    raise ProviderUnavailable(f"the volumes of {stack} are still in use after {within:g} s")


async def container(shell: Shell, service: str) -> str:
    """The id of a service's running container; `ProviderUnavailable` if it has none now."""
    told = await shell.run(
        *("docker", "ps", "--no-trunc", "--format", "{{json .}}"),
        *("--filter", f"label=com.docker.swarm.service.name={service}"),
    )
    for line in told.stdout.splitlines():
        found = json.loads(line)
        if found.get("State") == "running":
            return str(found["ID"])
    raise ProviderUnavailable(f"{service} has no running container")


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


def _plain(reason: str) -> str:
    """Docker's reason, with what its exit status means."""
    reason = reason.strip().strip('"')
    if "unhealthy" in reason:
        return f"{reason}: its health check does not pass"
    found = _EXIT.search(reason)
    return f"{reason}: {_EXITS[found[1]]}" if found and found[1] in _EXITS else reason
