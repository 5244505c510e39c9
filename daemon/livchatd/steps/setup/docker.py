"""Docker on a server: the settings of its daemon, and images pulled before they are needed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from livchat.errors import CommandFailed, ProviderError
from livchatd.integrations.ssh.interfaces import Shell, Shells
from livchatd.jobs.step import Step, StepContext
from livchatd.steps.facts import JobFacts
from livchatd.steps.job_unit import JobUnit, stop_units
from livchatd.steps.setup.system import SetupStep

SETTINGS = "/etc/docker/daemon.json"
DAEMON_SETTINGS: dict[str, Any] = {
    "log-driver": "local",
    "log-opts": {"max-size": "10m", "max-file": "3"},
}
"""Container logs are rotated: without a limit they fill the disk."""
VERSION = ("docker", "version", "--format", "{{.Server.Version}}")


async def engine_version(shell: Shell) -> str | None:
    """Return the version of the Docker daemon that runs, or None."""
    result = await shell.run(*VERSION, check=False)
    return result.stdout.strip() if result.exit_code == 0 else None


class ConfigureDocker(SetupStep):
    """Adds our settings to the daemon's; `ProviderError` if its file is there and is no JSON."""

    title = "Configure Docker"

    async def check(self, context: StepContext[JobFacts]) -> bool:
        settings = await self._settings()
        return settings == {**settings, **DAEMON_SETTINGS}

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        settings = {**await self._settings(), **DAEMON_SETTINGS}
        await shell.write(SETTINGS, json.dumps(settings, indent=2) + "\n")
        if await engine_version(shell):
            await shell.run("systemctl", "restart", "docker", timeout=180)

    async def _settings(self) -> dict[str, Any]:
        shell = await self.shell()
        text = await shell.read(SETTINGS)
        try:
            settings = json.loads(text) if text and text.strip() else {}
        except ValueError:
            settings = None
        if not isinstance(settings, dict):
            raise ProviderError(
                f"{SETTINGS} on '{self.params.name}' is not JSON", hint="mend or delete the file"
            )
        return settings


@dataclass(frozen=True)
class PullImages(Step[JobFacts]):
    """Pulls images early. One that cannot be pulled is left to the deployment, which says why.

    `subject` is what the images are of, for people; `images` returns their names.
    """

    server: str
    subject: str
    images: Callable[[], Awaitable[list[str]]]
    shells: Shells
    expected_seconds = 12.0
    deadline = 1_800.0
    side_by_side = 3

    @property
    def title(self) -> str:
        return f"Fetch {self.subject}"

    async def check(self, context: StepContext[JobFacts]) -> bool:
        return not await self._missing(context)

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell, missing = await self.shells.on(self.server), await self._missing(context)
        limit, done = asyncio.Semaphore(self.side_by_side), 0

        async def pull(image: str) -> None:
            nonlocal done
            async with limit:
                try:
                    unit = _unit(context, image)
                    await unit.run(shell, "docker", "pull", "--quiet", image, timeout=1_500)
                except CommandFailed as error:
                    context.log(f"{image} cannot be fetched yet: {error.message}", "warning")
            done += 1
            context.progress(done, len(missing), "images")

        async with asyncio.TaskGroup() as group:
            for image in missing:
                group.create_task(pull(image))

    async def stop(self, context: StepContext[JobFacts]) -> None:
        await stop_units(context, self.shells, self.server)

    async def _missing(self, context: StepContext[JobFacts]) -> list[str]:
        """Return the images that are not there, or whose unit's end has not been seen."""
        shell = await self.shells.on(self.server)
        return [
            image
            for image in await self.images()
            if _unit(context, image).started
            or not await shell.succeeds("docker", "image", "inspect", image)
        ]


def _unit(context: StepContext[JobFacts], image: str) -> JobUnit:
    return JobUnit(context, f"pull-{unit_part(image)}")


def unit_part(image: str) -> str:
    """Return an image's name as it may stand in the name of a unit."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", image)[-120:]
