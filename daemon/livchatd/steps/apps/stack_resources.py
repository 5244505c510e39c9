"""What goes with the stacks on a server's swarm: secrets before them, volumes after them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from livchat.errors import ProviderError, ProviderUnavailable
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.steps.deps import Tools


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


async def await_gone(tools: Tools, shell: Shell, stack: str, within: float = 180) -> None:
    """Wait until nothing of a removed stack runs and its networks are gone.

    Docker removes them behind a command that has long answered, and a stack of the same name that
    comes before they are gone fails.
    """
    mark = f"label=com.docker.stack.namespace={stack}"
    async for _ in tools.looks(within, first=0.2):
        running = await shell.run("docker", "ps", "--quiet", "--filter", mark)
        networks = await shell.run("docker", "network", "ls", "--quiet", "--filter", mark)
        if not (running.stdout.strip() or networks.stdout.strip()):
            return
    raise ProviderUnavailable(f"parts of the stack {stack} are still there after {within:g} s")


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
