"""Docker on a server: its settings, and images fetched before they are needed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from livchat.errors import CommandFailed, ProviderError
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Run, Step
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger
from livchatd.steps.job_unit import JobUnit, halt_units
from livchatd.steps.setup.system import SystemStep

SETTINGS = "/etc/docker/daemon.json"
OURS: dict[str, Any] = {"log-driver": "local", "log-opts": {"max-size": "10m", "max-file": "3"}}
"""Logs that rotate: without a limit they fill the disk."""
VERSION = ("docker", "version", "--format", "{{.Server.Version}}")


async def engine(shell: Shell) -> str | None:
    """The version of Docker that runs, or None."""
    told = await shell.run(*VERSION, check=False)
    return told.stdout.strip() if told.exit_code == 0 else None


class ConfigureDocker(SystemStep):
    @property
    def title(self) -> str:
        return "Configure Docker"

    async def check(self, run: Run[Ledger]) -> bool:
        settings = await self._settings()
        return settings == {**settings, **OURS}

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        settings = {**await self._settings(), **OURS}
        await shell.write(SETTINGS, json.dumps(settings, indent=2) + "\n")
        if await engine(shell):
            await shell.run("systemctl", "restart", "docker", timeout=180)

    async def _settings(self) -> dict[str, Any]:
        shell = await self.tools.shell(self.order.name)
        text = await shell.read(SETTINGS)
        try:
            found = json.loads(text) if text and text.strip() else {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ProviderError(
                f"{SETTINGS} on '{self.order.name}' is not JSON", hint="mend or delete the file"
            )
        return found


@dataclass(frozen=True, kw_only=True)
class PullImages(Step[Ledger]):
    """Images fetched early. One that cannot be had is left to the deployment, which says why."""

    tools: Tools
    server: str
    words: str
    images: Callable[[], Any]
    usually: ClassVar[float] = 12.0
    deadline: ClassVar[float] = 1_800.0
    side_by_side: ClassVar[int] = 3

    @property
    def title(self) -> str:
        return f"Fetch {self.words}"

    async def check(self, run: Run[Ledger]) -> bool:
        return not await self._missing(run)

    async def apply(self, run: Run[Ledger]) -> None:
        shell, missing = await self.tools.shell(self.server), await self._missing(run)
        turns, done = asyncio.Semaphore(self.side_by_side), 0

        async def pull(image: str) -> None:
            nonlocal done
            async with turns:
                try:
                    unit = _pulling(run, image)
                    await unit.run(shell, "docker", "pull", "--quiet", image, timeout=1_500)
                except CommandFailed as error:
                    run.log(f"{image} cannot be fetched yet: {error.message}", "warning")
            done += 1
            run.progress(done, len(missing), "images")

        async with asyncio.TaskGroup() as group:
            for image in missing:
                group.create_task(pull(image))

    async def halt(self, run: Run[Ledger]) -> None:
        await halt_units(run, self.tools, self.server)

    async def _missing(self, run: Run[Ledger]) -> list[str]:
        """Images that are not there, or whose unit has yet to be attended to."""
        shell = await self.tools.shell(self.server)
        wanted: list[str] = await self.images()
        return [
            image
            for image in wanted
            if _pulling(run, image).begun
            or not await shell.succeeds("docker", "image", "inspect", image)
        ]


def _pulling(run: Run[Ledger], image: str) -> JobUnit:
    return JobUnit(run, f"pull-{_plain(image)}")


def _plain(image: str) -> str:
    """An image's name as it may stand in a unit's."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", image)[-120:]
