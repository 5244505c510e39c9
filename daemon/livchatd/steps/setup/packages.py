"""The packages of a server, in one transaction: Docker, the firewall's, the updates'."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import ClassVar

from livchat.errors import CommandFailed, ProviderError
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Retry, Run
from livchatd.steps.facts import Ledger, make_note
from livchatd.steps.job_unit import JobUnit, halt_units
from livchatd.steps.setup import docker_apt_source
from livchatd.steps.setup.docker import engine
from livchatd.steps.setup.host_info import parse_release
from livchatd.steps.setup.system import SystemStep

APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "a"}
UPDATE, INSTALL = "apt-update", "apt-install"
"""The units of the installation."""
OTHERS = ("nftables", "unattended-upgrades")
"""What the firewall and the updates need; most images have it."""
STATES = r"-f=${Package} ${Version} ${db:Status-Status}\n"
HALF_DONE = frozenset({"half-installed", "unpacked", "half-configured"})
LOCK_WITHIN = 300.0
"""Seconds that another apt may take: apt itself waits for dpkg's lock, not for the lists'."""
_LOCKED = re.compile(r"(?i)could not get lock|unable to (?:lock|acquire)")
_COUNT = re.compile(r"(\d+) newly installed")


class InstallPackages(SystemStep):
    usually: ClassVar[float] = 25.0
    deadline: ClassVar[float] = 1_800.0

    @property
    def title(self) -> str:
        return "Install the packages"

    async def check(self, run: Run[Ledger]) -> bool:
        if JobUnit(run, INSTALL).begun:
            return False
        shell = await self.tools.shell(self.order.name)
        version, there = await asyncio.gather(engine(shell), _installed(shell, *OTHERS))
        if version is None or there != set(OTHERS):
            return False
        # A daemon that died between installing Docker and holding it comes by here.
        return "docker" not in run.learnt.made or await _held(shell)

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        try:
            if not JobUnit(run, INSTALL).begun:
                await self._prepare(shell, run)
            docker = await self._docker(shell, run)
            if docker:
                await make_note(run, "docker")
            packages = ("install", "-y", "--no-install-recommends", *docker, *OTHERS)
            await self._apt(shell, run, INSTALL, packages)
        except CommandFailed as error:
            # Mirrors that change while they are read, and locks held by the system's own updates.
            raise Retry(error.message, after=5) from error
        await shell.run("systemctl", "enable", "--now", "docker", timeout=180)
        if "docker" in run.learnt.made and not await _held(shell):
            # A new major version is a person's decision: no upgrade takes it along.
            await shell.run("apt-mark", "hold", *docker_apt_source.PACKAGES)

    async def verify(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        async for _ in self.tools.looks(60):
            version = await engine(shell)
            if version is not None:
                run.log(f"Docker {version} is installed")
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
        try:
            await self._update(shell, run)
        except CommandFailed as error:
            if "docker source" in run.learnt.made and not _LOCKED.search(error.message):
                run.log("the lists cannot be read with Docker's own source: it goes", "warning")
                await docker_apt_source.drop_source(shell)
            raise

    async def _update(self, shell: Shell, run: Run[Ledger]) -> None:
        async for _ in self.tools.looks(LOCK_WITHIN, most=5):
            try:
                return await self._apt(shell, run, UPDATE, ("update",))
            except CommandFailed as error:
                if not _LOCKED.search(error.message):
                    raise
                run.log("another apt is at work: waiting for its end")
        raise CommandFailed(f"another apt did not end within {LOCK_WITHIN:g} s")

    async def _docker(self, shell: Shell, run: Run[Ledger]) -> tuple[str, ...]:
        """Docker's packages, none where it runs: the ones that are there, else the vendor's."""
        version, there, offered, release = await asyncio.gather(
            engine(shell),
            _installed(shell, "docker.io"),
            docker_apt_source.offered(shell),
            shell.read("/etc/os-release"),
        )
        if version is not None and not JobUnit(run, INSTALL).begun:
            return ()
        if not there and offered:
            return docker_apt_source.PACKAGES
        return distributed(release or "")

    async def _apt(
        self, shell: Shell, run: Run[Ledger], part: str, arguments: tuple[str, ...]
    ) -> None:
        unit = JobUnit(run, part, _counted(run))
        await unit.run(shell, *APT, *arguments, timeout=800, environment=QUIET)


def distributed(release: str) -> tuple[str, ...]:
    """Docker as the distribution packages it: from Debian 13 on the command line stands alone."""
    system = parse_release(release)
    if system.get("ID") == "debian" and int(system.get("VERSION_ID", "0") or 0) >= 13:
        return ("docker.io", "docker-cli")
    return ("docker.io",)


async def _installed(shell: Shell, *packages: str) -> set[str]:
    """Those of the packages that are there, whole."""
    known = await shell.run("dpkg-query", "-W", STATES, *packages, check=False)
    rows = (line.split() for line in known.stdout.splitlines())
    return {row[0] for row in rows if len(row) == 3 and row[2] == "installed"}


async def _held(shell: Shell) -> bool:
    """Whether the vendor's Docker keeps its version; the distribution's needs no hold."""
    there, held = await asyncio.gather(
        _installed(shell, *docker_apt_source.PACKAGES), shell.run("apt-mark", "showhold")
    )
    return there != set(docker_apt_source.PACKAGES) or there <= set(held.stdout.split())


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
