"""Docker's own package source, where it can be reached; without it the distribution's serves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import ClassVar

from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Run
from livchatd.steps.facts import Ledger, make_note
from livchatd.steps.setup.docker import engine
from livchatd.steps.setup.host_info import parse_release
from livchatd.steps.setup.system import SystemStep

WEBSITE = "https://download.docker.com/linux"
KEY = "/usr/share/keyrings/livchat-docker.asc"
KEY_HASH = "SHA256:1500c1f56fa9e26b9b8f42452a553675796ade0807cdce11975eb98170b3a570"
"""Of Docker's signing key, the same for Debian and Ubuntu."""
SOURCE = "/etc/apt/sources.list.d/livchat-docker.sources"
INDEX = "/run/livchat-docker-index"
PACKAGES = ("docker-ce", "docker-ce-cli", "containerd.io")
FETCH = (
    "timeout",
    # No more than these seconds in all, wherever it is that nobody answers.
    *("8", "/usr/lib/apt/apt-helper", "-q"),
    *("-o", "Acquire::http::Timeout=4", "-o", "Acquire::https::Timeout=4"),
    *("-o", "Acquire::Retries=0", "download-file"),
)


class AddSource(SystemStep):
    usually: ClassVar[float] = 1.0

    @property
    def title(self) -> str:
        return "Look for Docker's own packages"

    async def check(self, run: Run[Ledger]) -> bool:
        shell = await self.tools.shell(self.order.name)
        version, known = await asyncio.gather(engine(shell), offered(shell))
        return version is not None or known

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        system = parse_release(await shell.read("/etc/os-release") or "")
        where = f"{WEBSITE}/{system.get('ID', '')}"
        # The key is known by its hash; that there is a suite for this release shows the index.
        got = await asyncio.gather(
            shell.succeeds(*FETCH, f"{where}/gpg", KEY, KEY_HASH),
            shell.succeeds(*FETCH, f"{where}/dists/{_suite(system)}/InRelease", INDEX),
        )
        if not all(got):
            reason = "no packages for this release" if got[0] else "no key that we know"
            run.log(
                f"download.docker.com gives {reason}: the distribution's Docker is taken", "warning"
            )
            await drop_source(shell)
            return
        await make_note(run, "docker source")
        await asyncio.gather(shell.write(SOURCE, source(system)), shell.run("rm", "-f", INDEX))

    async def undo(self, run: Run[Ledger]) -> None:
        # With Docker installed it stays: that is where Docker's own updates come from.
        shell = await self.tools.shell(self.order.name)
        if "docker source" in run.learnt.made and await engine(shell) is None:
            await drop_source(shell)


async def drop_source(shell: Shell) -> None:
    """Take Docker's own source away, so that no later update of the lists trips over it."""
    await shell.run("rm", "-f", SOURCE, KEY, INDEX)


def source(system: Mapping[str, str]) -> str:
    """The source as apt reads it (deb822), for a system as /etc/os-release tells it."""
    return (
        "# Written by LivChat Setup.\n"
        "Types: deb\n"
        f"URIs: {WEBSITE}/{system.get('ID', '')}\n"
        f"Suites: {_suite(system)}\n"
        "Components: stable\n"
        f"Signed-By: {KEY}\n"
    )


async def offered(shell: Shell) -> bool:
    """Whether the lists that were fetched have Docker's own packages."""
    policy = await shell.run("apt-cache", "policy", PACKAGES[0], check=False)
    lines = policy.stdout.splitlines()
    told = [line.split(":", 1)[1].strip() for line in lines if "Candidate:" in line]
    return bool(told) and told[0] not in {"", "(none)"}


def _suite(system: Mapping[str, str]) -> str:
    return system.get("VERSION_CODENAME", "")
