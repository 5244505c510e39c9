"""Docker's own package source, where it can be reached; else the distribution's packages serve."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import StepContext
from livchatd.steps.facts import JobFacts
from livchatd.steps.setup.docker import engine_version
from livchatd.steps.setup.host_info import parse_release
from livchatd.steps.setup.system import SetupStep

WEBSITE = "https://download.docker.com/linux"
KEY = "/usr/share/keyrings/livchat-docker.asc"
KEY_HASH = "SHA256:1500c1f56fa9e26b9b8f42452a553675796ade0807cdce11975eb98170b3a570"
"""Of Docker's signing key, the same for Debian and Ubuntu."""
SOURCE = "/etc/apt/sources.list.d/livchat-docker.sources"
INDEX = "/run/livchat-docker-index"
PACKAGES = ("docker-ce", "docker-ce-cli", "containerd.io")
FETCH = (
    "timeout",
    # 8 seconds in all, whatever it is that does not answer.
    *("8", "/usr/lib/apt/apt-helper", "-q"),
    *("-o", "Acquire::http::Timeout=4", "-o", "Acquire::https::Timeout=4"),
    *("-o", "Acquire::Retries=0", "download-file"),
)


class AddDockerSource(SetupStep):
    """Adds Docker's package source where key and index can be fetched, and the key is Docker's.

    Where they cannot, the distribution's Docker is taken. The undo removes a source that this job
    added, unless Docker is installed from it.
    """

    title = "Look for Docker's own packages"
    expected_seconds = 1.0

    async def check(self, context: StepContext[JobFacts]) -> bool:
        shell = await self.shell()
        version, known = await asyncio.gather(engine_version(shell), offered(shell))
        return version is not None or known

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        system = parse_release(await shell.read("/etc/os-release") or "")
        where = f"{WEBSITE}/{system.get('ID', '')}"
        # The key is known by its hash; an index shows that there is a suite for this release.
        fetched = await asyncio.gather(
            shell.succeeds(*FETCH, f"{where}/gpg", KEY, KEY_HASH),
            shell.succeeds(*FETCH, f"{where}/dists/{_suite(system)}/InRelease", INDEX),
        )
        if not all(fetched):
            reason = "no packages for this release" if fetched[0] else "no key that we know"
            context.log(
                f"download.docker.com gives {reason}: the distribution's Docker is taken", "warning"
            )
            await drop_source(shell)
            return
        await context.note_created("docker source")
        await asyncio.gather(shell.write(SOURCE, source(system)), shell.run("rm", "-f", INDEX))

    async def undo(self, context: StepContext[JobFacts]) -> None:
        # With Docker installed it stays: that is where Docker's own updates come from.
        shell = await self.shell()
        if "docker source" in context.facts.made and await engine_version(shell) is None:
            await drop_source(shell)


async def drop_source(shell: Shell) -> None:
    """Remove Docker's own source, so that no later update of the package lists fails for it."""
    await shell.run("rm", "-f", SOURCE, KEY, INDEX)


def source(system: Mapping[str, str]) -> str:
    """Return the source as apt reads it (deb822), for a system by its /etc/os-release."""
    return (
        "# Written by LivChat Setup.\n"
        "Types: deb\n"
        f"URIs: {WEBSITE}/{system.get('ID', '')}\n"
        f"Suites: {_suite(system)}\n"
        "Components: stable\n"
        f"Signed-By: {KEY}\n"
    )


async def offered(shell: Shell) -> bool:
    """Whether apt's package lists have Docker's own packages."""
    policy = await shell.run("apt-cache", "policy", PACKAGES[0], check=False)
    lines = policy.stdout.splitlines()
    candidates = [line.split(":", 1)[1].strip() for line in lines if "Candidate:" in line]
    return bool(candidates) and candidates[0] not in {"", "(none)"}


def _suite(system: Mapping[str, str]) -> str:
    return system.get("VERSION_CODENAME", "")
