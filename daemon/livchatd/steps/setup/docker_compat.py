"""`docker stack` commands for older Docker versions: Debian 12 has 20.10."""

from __future__ import annotations

import re

from livchatd.integrations.ssh.interfaces import Shell

DETACH_SINCE = 26
"""The first major version whose `docker stack` has `--detach`."""
UNVERSIONED_SINCE = 25
"""The first that takes a Compose file without `version`, and knows `start_interval`."""
VERSION_LINE = 'version: "3.9"\n'
_NEWER = re.compile(r"^ +start_interval:.*\n", re.MULTILINE)


async def deploy_stack(shell: Shell, name: str, compose: str) -> str:
    """Run `docker stack deploy` as the server's Docker understands it; return what it prints."""
    version = await _major(shell)
    text = compose if version >= UNVERSIONED_SINCE else VERSION_LINE + _NEWER.sub("", compose)
    deployed = await shell.run(
        *("docker", "stack", "deploy", *_detached(version), "--prune", "-c", "-", name),
        stdin=text,
        timeout=180,
    )
    return deployed.stdout


async def remove_stack(shell: Shell, name: str) -> None:
    """Run `docker stack rm`; a stack that is gone already is fine."""
    detached = _detached(await _major(shell))
    await shell.run("docker", "stack", "rm", *detached, name, check=False)


def _detached(version: int) -> tuple[str, ...]:
    return ("--detach=true",) if version >= DETACH_SINCE else ()


async def _major(shell: Shell) -> int:
    """Return the major version of the server's Docker; 0 if it is not known."""
    result = await shell.run("docker", "version", "--format", "{{.Server.Version}}", check=False)
    major = result.stdout.strip().partition(".")[0]
    return int(major) if major.isdigit() else 0
