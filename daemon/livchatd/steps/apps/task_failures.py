"""Why a task does not run: Docker's own words, what they mean, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

NO_NODE = "no suitable node"
"""How Docker begins when it cannot place a task, which then waits for ever."""
_EXIT = re.compile(r"non-zero exit \((\d+)\)")
_EXITS = {
    "126": "its program may not be executed",
    "127": "there is no such program in its image",
    "137": "it was killed, mostly for want of memory",
    "139": "it crashed",
}
_HOMELESS = (
    ("insufficient resources", "it reserves more memory or processors than are free there"),
    ("host-mode port", "a port that it publishes is taken there"),
    ("unsupported platform", "its image is not made for the processor there"),
    ("scheduling constraints", "no node has the labels that it asks for"),
)


@dataclass(frozen=True)
class Reason:
    """Why a task failed. `often` times are enough to know that it will not get better."""

    text: str
    hint: str
    often: int


def reason(error: str, server: str, job_id: str) -> Reason:
    """The reason behind a task's error; an empty one is a program that ended without one."""
    error = error.strip().strip('"')
    logs = f"livchat job logs {job_id}"
    if not error:
        return Reason("it ends at once, with exit status 0: it must stay", logs, 5)
    if "no such image" in error.lower():
        meaning = "there is none, or the server may not fetch it"
        return Reason(f"{error}: {meaning}", logs, 1)
    if error.startswith(NO_NODE):
        return _homeless(error, server)
    if "unhealthy" in error:
        # Docker waited for its start period and asked several times before it said so.
        return Reason(f"{error}: its health check does not pass", logs, 2)
    found = _EXIT.search(error)
    meaning = f": {_EXITS[found[1]]}" if found and found[1] in _EXITS else ""
    # Some start before what they need and try again.
    return Reason(f"{error}{meaning}", logs, 5)


def _homeless(error: str, server: str) -> Reason:
    meaning = next((words for key, words in _HOMELESS if key in error), "none of the swarm will do")
    hint = f"livchat server exec {server} -- docker node inspect self"
    if "insufficient resources" in error:
        hint = f"delete an app, or take a larger machine: livchat app list {server}"
    elif "scheduling constraints" in error:
        hint = f"livchat server setup {server}, which sets the labels of its node"
    return Reason(f"{error}: {meaning}", hint, 10)
