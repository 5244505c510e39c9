"""What belongs to a stack on a swarm: its secrets, volumes, networks and containers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from livchat.errors import ProviderError, ProviderUnavailable
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Facts, StepContext


async def create_secrets(shell: Shell, secrets: Mapping[str, str]) -> None:
    """Create the Docker secrets that do not exist; `ProviderError` if one cannot be created.

    Their values travel by stdin.
    """
    for name, value in secrets.items():
        if not await has_secret(shell, name):
            created = await shell.run(
                "docker", "secret", "create", name, "-", stdin=value, check=False
            )
            # A step side by side, or a command whose answer was lost, may have created it.
            if created.exit_code and not await has_secret(shell, name):
                reason = created.stderr.strip().splitlines() or ["no reason given"]
                raise ProviderError(f"the secret {name} cannot be made: {reason[-1]}")


async def has_secret(shell: Shell, name: str) -> bool:
    """Whether a Docker secret exists."""
    return await shell.succeeds("docker", "secret", "inspect", name)


async def remove_secrets(shell: Shell, names: Collection[str]) -> None:
    """Remove Docker secrets; those that are gone already are fine."""
    for name in names:
        if await has_secret(shell, name):
            await shell.run("docker", "secret", "rm", name)


async def remove_volumes(
    context: StepContext[Facts], shell: Shell, stack: str, within: float = 180
) -> list[str]:
    """Remove the volumes of a stack that is being removed; return their names.

    A volume is free only when its last container has ended: `ProviderUnavailable` if it is still in
    use after `within` seconds.
    """
    gone: set[str] = set()
    async for _ in context.poll(within):
        listed = await shell.run(
            *("docker", "volume", "ls", "--format", "{{json .}}"),
            *("--filter", f"label=com.docker.stack.namespace={stack}"),
        )
        left = [
            str(json.loads(line)["Name"]) for line in listed.stdout.splitlines() if line.strip()
        ]
        if not left:
            return sorted(gone)
        gone |= set(left)
        await shell.run("docker", "volume", "rm", *left, check=False)
    raise ProviderUnavailable(f"the volumes of {stack} are still in use after {within:g} s")


async def wait_until_removed(
    context: StepContext[Facts], shell: Shell, stack: str, within: float = 180
) -> None:
    """Wait until no container and no network of a removed stack is left.

    Docker removes them after its command has ended, and a stack of the same name that is deployed
    before fails. Raises `ProviderUnavailable` if something is left after `within` seconds.
    """
    label = f"label=com.docker.stack.namespace={stack}"
    async for _ in context.poll(within, first=0.2):
        running = await shell.run("docker", "ps", "--quiet", "--filter", label)
        networks = await shell.run("docker", "network", "ls", "--quiet", "--filter", label)
        if not (running.stdout.strip() or networks.stdout.strip()):
            return
    raise ProviderUnavailable(f"parts of the stack {stack} are still there after {within:g} s")


async def container(shell: Shell, service: str) -> str:
    """Return the id of a service's running container; `ProviderUnavailable` if it has none."""
    listed = await shell.run(
        *("docker", "ps", "--no-trunc", "--format", "{{json .}}"),
        *("--filter", f"label=com.docker.swarm.service.name={service}"),
    )
    for line in listed.stdout.splitlines():
        row = json.loads(line)
        if row.get("State") == "running":
            return str(row["ID"])
    raise ProviderUnavailable(f"{service} has no running container")
