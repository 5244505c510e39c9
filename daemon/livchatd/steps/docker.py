"""Docker on a server: its settings, its packages, and images fetched before they are needed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from livchat.errors import CommandFailed, ProviderError
from livchatd.integrations.ssh import Shell
from livchatd.jobs.step import Retry, Run, Step
from livchatd.steps.learnt import Ledger, make_note
from livchatd.steps.system import SystemStep
from livchatd.steps.tools import Tools
from livchatd.steps.units import JobUnit, halt_units

SETTINGS = "/etc/docker/daemon.json"
OURS: dict[str, Any] = {"log-driver": "local", "log-opts": {"max-size": "10m", "max-file": "3"}}
"""Logs that rotate: without a limit they fill the disk."""
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "a"}
UPDATE, INSTALL = "apt-update", "apt-install"
"""The units of the installation."""
VERSION = ("docker", "version", "--format", "{{.Server.Version}}")
STATES = r"-f=${Package} ${Version} ${db:Status-Status}\n"
HALF_DONE = frozenset({"half-installed", "unpacked", "half-configured"})
_COUNT = re.compile(r"(\d+) newly installed")


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
        if await shell.succeeds(*VERSION):
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


class InstallDocker(SystemStep):
    usually: ClassVar[float] = 25.0
    deadline: ClassVar[float] = 1_800.0

    @property
    def title(self) -> str:
        return "Install Docker"

    async def check(self, run: Run[Ledger]) -> bool:
        if JobUnit(run, INSTALL).begun:
            return False
        shell = await self.tools.shell(self.order.name)
        return await shell.succeeds(*VERSION)

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        packages = await _packages(shell)
        install = ("install", "-y", "--no-install-recommends", *packages)
        try:
            if not JobUnit(run, INSTALL).begun:
                await self._prepare(shell, run)
                await make_note(run, "docker")
            await self._apt(shell, run, INSTALL, install)
        except CommandFailed as error:
            # Mirrors that change while they are read, and locks held by the system's own updates.
            raise Retry(error.message, after=5) from error
        await shell.run("systemctl", "enable", "--now", "docker", timeout=180)

    async def verify(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        async for _ in self.tools.looks(60):
            version = await shell.run(*VERSION, check=False)
            if version.exit_code == 0:
                run.log(f"Docker {version.stdout.strip()} is installed")
                return
        raise ProviderError(
            "Docker is installed, but it does not run",
            hint=f"livchat server exec {self.order.name} -- journalctl -u docker -n 50",
        )

    async def halt(self, run: Run[Ledger]) -> None:
        installing = JobUnit(run, INSTALL)
        if installing.begun:
            shell = await self.tools.shell(self.order.name)
            await shell.halt(installing.name)
            await _mend(shell)
        await halt_units(run, self.tools, self.order.name)

    def leaves(self, run: Run[Ledger]) -> list[str]:
        return [f"Docker on {self.order.name}"] if "docker" in run.learnt.made else []

    async def _prepare(self, shell: Shell, run: Run[Ledger]) -> None:
        if not JobUnit(run, UPDATE).begun:
            # It has nothing to do where dpkg was not interrupted.
            await shell.run("dpkg", "--configure", "-a", timeout=600, check=False)
        await self._apt(shell, run, UPDATE, ("update",))

    async def _apt(
        self, shell: Shell, run: Run[Ledger], part: str, arguments: tuple[str, ...]
    ) -> None:
        unit = JobUnit(run, part, _counted(run))
        await unit.run(shell, *APT, *arguments, timeout=800, environment=QUIET)


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


async def _mend(shell: Shell) -> None:
    """After an installation that was stopped: what it left half done goes, so that dpkg is whole.

    Finishing it instead would start Docker, which is no longer wanted.
    """
    known = await shell.run("dpkg-query", "-W", STATES, check=False)
    rows = (line.split() for line in known.stdout.splitlines())
    broken = [row[0] for row in rows if len(row) == 3 and row[2] in HALF_DONE]
    if broken:
        forced = ("--force-remove-reinstreq", "--force-depends")
        await shell.run("dpkg", "--remove", *forced, *broken, timeout=300, check=False)
    await shell.run("dpkg", "--configure", "-a", timeout=600, check=False)


async def _packages(shell: Shell) -> tuple[str, ...]:
    """Docker's packages: from Debian 13 on, its command line is a package of its own."""
    told = (await shell.read("/etc/os-release") or "").replace('"', "")
    system = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    if system.get("ID") == "debian" and int(system.get("VERSION_ID", "0") or 0) >= 13:
        return ("docker.io", "docker-cli")
    return ("docker.io",)


def _counted(run: Run[Ledger]) -> Callable[[str], None]:
    """Count, by apt's lines, what it has unpacked and set up."""
    total, done = 0, 0

    def line(text: str) -> None:
        nonlocal total, done
        found = _COUNT.search(text)
        total = 2 * int(found[1]) if found else total
        done += text.startswith(("Unpacking ", "Setting up "))
        if total:
            run.progress(min(done, total), total, "package steps")

    return line


def _pulling(run: Run[Ledger], image: str) -> JobUnit:
    return JobUnit(run, f"pull-{_plain(image)}")


def _plain(image: str) -> str:
    """An image's name as it may stand in a unit's."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", image)[-120:]
