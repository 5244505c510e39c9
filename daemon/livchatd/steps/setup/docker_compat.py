"""What an older Docker understands: Debian 12 brings 20.10, which knows less than today's."""

from __future__ import annotations

import re

from livchatd.integrations.ssh.interfaces import Shell

DETACHES = 26
"""The first major version whose `docker stack` can be told not to wait."""
COMPOSES = 25
"""The first that takes a Compose file without `version`, and checks health more often at first."""
FORMAT = 'version: "3.9"\n'
_NEWER = re.compile(r"^ +start_interval:.*\n", re.MULTILINE)


async def deploy_stack(shell: Shell, name: str, compose: str) -> str:
    """`docker stack deploy`, in words that the server's Docker knows; what it prints."""
    version = await _major(shell)
    text = compose if version >= COMPOSES else FORMAT + _NEWER.sub("", compose)
    deployed = await shell.run(
        *("docker", "stack", "deploy", *_detached(version), "--prune", "-c", "-", name),
        stdin=text,
        timeout=180,
    )
    return deployed.stdout


async def remove_stack(shell: Shell, name: str) -> None:
    """`docker stack rm`; one that is gone already is fine."""
    detached = _detached(await _major(shell))
    await shell.run("docker", "stack", "rm", *detached, name, check=False)


def _detached(version: int) -> tuple[str, ...]:
    return ("--detach=true",) if version >= DETACHES else ()


async def _major(shell: Shell) -> int:
    """The major version of the server's Docker; 0 if it does not tell."""
    told = await shell.run("docker", "version", "--format", "{{.Server.Version}}", check=False)
    found = told.stdout.strip().partition(".")[0]
    return int(found) if found.isdigit() else 0
