"""The rows of `docker stack services` and `docker stack ps`: services and tasks of a stack."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from livchat.errors import ProviderUnavailable
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.steps.apps.task_failures import NO_NODE

_COMPLETED = re.compile(r"\((\d+)/(\d+) completed\)")


async def stack_rows(
    shell: Shell, what: Literal["ps", "services"], stack: str
) -> list[dict[str, Any]]:
    """Return a stack's tasks or services, as Docker prints them; none for an unknown stack.

    Raises `ProviderUnavailable` if Docker does not answer.
    """
    options = ("--no-trunc",) if what == "ps" else ()
    listed = await shell.run(
        "docker", "stack", what, "--format", "{{json .}}", *options, stack, check=False
    )
    if listed.exit_code and "nothing found in stack" not in listed.stderr.lower():
        raise ProviderUnavailable(
            f"Docker does not tell of the stack {stack}: {listed.stderr.strip()}"
        )
    return [json.loads(line) for line in listed.stdout.splitlines() if line.startswith("{")]


def is_complete(replicas: object) -> bool:
    """Whether `1/1`, or `0/1 (1/1 completed)` of a job, says that no replica is missing."""
    completed = _COMPLETED.search(str(replicas))
    if completed:
        return completed[1] == completed[2]
    running, _, wanted = str(replicas).split(" ")[0].partition("/")
    return wanted.isdigit() and int(wanted) > 0 and running == wanted


def service_of(task: Mapping[str, Any]) -> str:
    """Return `n8n_editor` for the task `n8n_editor.1`; a past one's name may begin with `\\_`."""
    return str(task.get("Name", "")).replace("\\_", "").strip().rsplit(".", 1)[0]


def state_of(task: Mapping[str, Any]) -> str:
    """Return `failed` for a task that `Failed 3 seconds ago`."""
    return str(task.get("CurrentState", "")).split(" ")[0].lower()


def is_unschedulable(task: Mapping[str, Any]) -> bool:
    """Whether a task waits for a node that could take it."""
    error = str(task.get("Error", "")).strip('"')
    return state_of(task) == "pending" and error.startswith(NO_NODE)
