"""The packages of a server, in one transaction: Docker, nftables, unattended-upgrades."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from livchat.errors import CommandFailed, ProviderError
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Retry, StepContext
from livchatd.steps.facts import JobFacts
from livchatd.steps.job_unit import JobUnit, stop_units
from livchatd.steps.setup import docker_apt_source
from livchatd.steps.setup.docker import engine_version
from livchatd.steps.setup.host_info import parse_release
from livchatd.steps.setup.system import SetupStep

APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "a"}
UPDATE, INSTALL = "apt-update", "apt-install"
"""The systemd units of the installation."""
OTHER_PACKAGES = ("nftables", "unattended-upgrades")
"""What the firewall and the updates need; most images have it."""
_STATES = r"-f=${Package} ${Version} ${db:Status-Status}\n"
HALF_DONE = frozenset({"half-installed", "unpacked", "half-configured"})
LOCK_SECONDS = 300.0
"""How long another apt may take: apt itself waits for dpkg's lock, not for the lists'."""
_LOCKED = re.compile(r"(?i)could not get lock|unable to (?:lock|acquire)")
_COUNT = re.compile(r"(\d+) newly installed")


class InstallPackages(SetupStep):
    """Installs Docker, where none runs, and what the firewall and the updates need.

    Docker's own packages are taken if apt knows them, and held: a new major version is a person's
    decision. Raises `Retry` where apt fails, `ProviderError` if Docker does not run afterwards.
    """

    title = "Install the packages"
    expected_seconds = 25.0
    deadline = 1_800.0

    async def check(self, context: StepContext[JobFacts]) -> bool:
        if JobUnit(context, INSTALL).started:
            return False
        shell = await self.shell()
        version, there = await asyncio.gather(
            engine_version(shell), _installed(shell, *OTHER_PACKAGES)
        )
        if version is None or there != set(OTHER_PACKAGES):
            return False
        # A daemon that died between installing Docker and holding it is caught here.
        return "docker" not in context.facts.made or await _held(shell)

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        try:
            if not JobUnit(context, INSTALL).started:
                await self._prepare(shell, context)
            docker = await self._docker(shell, context)
            if docker:
                await context.note_created("docker")
            packages = ("install", "-y", "--no-install-recommends", *docker, *OTHER_PACKAGES)
            await self._apt(shell, context, INSTALL, packages)
        except CommandFailed as error:
            # Mirrors that change while they are read, and locks held by the system's own updates.
            raise Retry(error.message, after=5) from error
        await shell.run("systemctl", "enable", "--now", "docker", timeout=180)
        if "docker" in context.facts.made and not await _held(shell):
            # No upgrade takes a new major version along.
            await shell.run("apt-mark", "hold", *docker_apt_source.PACKAGES)

    async def verify(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        async for _ in context.poll(60):
            version = await engine_version(shell)
            if version is not None:
                context.log(f"Docker {version} is installed")
                return
        raise ProviderError(
            "Docker is installed, but it does not run",
            hint=f"livchat server exec {self.params.name} -- journalctl -u docker -n 50",
        )

    async def stop(self, context: StepContext[JobFacts]) -> None:
        installing = JobUnit(context, INSTALL)
        if installing.started:
            shell = await self.shell()
            await shell.halt(installing.name)
            await _repair_dpkg(shell)
        await stop_units(context, self.shells, self.params.name)

    def leftovers(self, context: StepContext[JobFacts]) -> list[str]:
        return [f"Docker on {self.params.name}"] if "docker" in context.facts.made else []

    async def _prepare(self, shell: Shell, context: StepContext[JobFacts]) -> None:
        if not JobUnit(context, UPDATE).started:
            # This does nothing where dpkg was not interrupted.
            await shell.run("dpkg", "--configure", "-a", timeout=600, check=False)
        try:
            await self._update(shell, context)
        except CommandFailed as error:
            if "docker source" in context.facts.made and not _LOCKED.search(error.message):
                context.log("the lists cannot be read with Docker's own source: it goes", "warning")
                await docker_apt_source.drop_source(shell)
            raise

    async def _update(self, shell: Shell, context: StepContext[JobFacts]) -> None:
        async for _ in context.poll(LOCK_SECONDS, most=5):
            try:
                return await self._apt(shell, context, UPDATE, ("update",))
            except CommandFailed as error:
                if not _LOCKED.search(error.message):
                    raise
                context.log("another apt is at work: waiting for its end")
        raise CommandFailed(f"another apt did not end within {LOCK_SECONDS:g} s")

    async def _docker(self, shell: Shell, context: StepContext[JobFacts]) -> tuple[str, ...]:
        """Return the Docker packages to install: none where Docker runs.

        Packages of the distribution that are installed are kept, else Docker's own are preferred.
        """
        version, installed, offered, release = await asyncio.gather(
            engine_version(shell),
            _installed(shell, "docker.io"),
            docker_apt_source.offered(shell),
            shell.read("/etc/os-release"),
        )
        if version is not None and not JobUnit(context, INSTALL).started:
            return ()
        if not installed and offered:
            return docker_apt_source.PACKAGES
        return distributed(release or "")

    async def _apt(
        self, shell: Shell, context: StepContext[JobFacts], part: str, arguments: tuple[str, ...]
    ) -> None:
        unit = JobUnit(context, part, _progress_of(context))
        await unit.run(shell, *APT, *arguments, timeout=800, environment=QUIET)


def distributed(release: str) -> tuple[str, ...]:
    """Return the distribution's Docker packages: from Debian 13 on, the client has its own."""
    system = parse_release(release)
    if system.get("ID") == "debian" and int(system.get("VERSION_ID", "0") or 0) >= 13:
        return ("docker.io", "docker-cli")
    return ("docker.io",)


async def _installed(shell: Shell, *packages: str) -> set[str]:
    """Return those of the packages that are installed completely."""
    known = await shell.run("dpkg-query", "-W", _STATES, *packages, check=False)
    rows = (line.split() for line in known.stdout.splitlines())
    return {row[0] for row in rows if len(row) == 3 and row[2] == "installed"}


async def _held(shell: Shell) -> bool:
    """Whether Docker's own packages are held; the distribution's need not be."""
    installed, held = await asyncio.gather(
        _installed(shell, *docker_apt_source.PACKAGES), shell.run("apt-mark", "showhold")
    )
    return installed != set(docker_apt_source.PACKAGES) or installed <= set(held.stdout.split())


async def _repair_dpkg(shell: Shell) -> None:
    """Remove what a stopped installation left half installed.

    Finishing it instead would start Docker, which is not wanted any more.
    """
    known = await shell.run("dpkg-query", "-W", _STATES, check=False)
    rows = (line.split() for line in known.stdout.splitlines())
    broken = [row[0] for row in rows if len(row) == 3 and row[2] in HALF_DONE]
    if broken:
        forced = ("--force-remove-reinstreq", "--force-depends")
        await shell.run("dpkg", "--remove", *forced, *broken, timeout=300, check=False)
    await shell.run("dpkg", "--configure", "-a", timeout=600, check=False)


def _progress_of(context: StepContext[JobFacts]) -> Callable[[str], None]:
    """Return what reads apt's lines and reports how much is unpacked and set up."""
    total, done = 0, 0

    def line(text: str) -> None:
        nonlocal total, done
        found = _COUNT.search(text)
        total = 2 * int(found[1]) if found else total
        done += text.startswith(("Unpacking ", "Setting up "))
        if total:
            context.progress(min(done, total), total, "package steps")

    return line
