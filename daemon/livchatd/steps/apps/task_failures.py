"""Why a task of the swarm does not run: Docker's error, what it means, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

NO_NODE = "no suitable node"
"""How Docker's error begins where it cannot place a task, which then waits for ever."""
_EXIT = re.compile(r"non-zero exit \((\d+)\)")
_EXITS = {
    "126": "its program may not be executed",
    "127": "there is no such program in its image",
    "137": "it was killed, mostly for want of memory",
    "139": "it crashed",
}
_UNSCHEDULABLE = (
    ("insufficient resources", "it reserves more memory or processors than are free there"),
    ("host-mode port", "a port that it publishes is taken there"),
    ("unsupported platform", "its image is not made for the processor there"),
    ("scheduling constraints", "no node has the labels that it asks for"),
)


@dataclass(frozen=True)
class TaskFailure:
    """Why a task failed; after `failures_needed` of them it will certainly not get better."""

    text: str
    hint: str
    failures_needed: int


def task_failure(error: str, server: str, job_id: str) -> TaskFailure:
    """Return the reason behind a task's error, which is empty where it ended with status 0."""
    error = error.strip().strip('"')
    logs = f"livchat job logs {job_id}"
    if not error:
        return TaskFailure("it ends at once, with exit status 0: it must stay", logs, 5)
    if "no such image" in error.lower():
        meaning = "there is none, or the server may not fetch it"
        return TaskFailure(f"{error}: {meaning}", logs, 1)
    if error.startswith(NO_NODE):
        return _unschedulable(error, server)
    if "unhealthy" in error:
        # Docker waits for the start period and asks several times before it reports this.
        return TaskFailure(f"{error}: its health check does not pass", logs, 2)
    found = _EXIT.search(error)
    meaning = f": {_EXITS[found[1]]}" if found and found[1] in _EXITS else ""
    # Some programs start before what they need, and are started again.
    return TaskFailure(f"{error}{meaning}", logs, 5)


def _unschedulable(error: str, server: str) -> TaskFailure:
    meaning = next(
        (text for key, text in _UNSCHEDULABLE if key in error), "none of the swarm will do"
    )
    hint = f"livchat server exec {server} -- docker node inspect self"
    if "insufficient resources" in error:
        hint = f"delete an app, or take a larger machine: livchat app list {server}"
    elif "scheduling constraints" in error:
        hint = f"livchat server setup {server}, which sets the labels of its node"
    return TaskFailure(f"{error}: {meaning}", hint, 10)
