"""Preflight: whether a machine can be set up, told before anything on it is changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from livchat.errors import ProviderError
from livchatd.jobs.step import Run, Step
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger
from livchatd.steps.setup.host_info import PROXIES, Survey, survey
from livchatd.steps.setup.ports import closed

SYSTEMS = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04")}
MACHINES = ("x86_64", "aarch64")
OLDEST_DOCKER = (20, 10)
GB, GIB = 10**9, 1024**3
LEAST_MEMORY = 0.9 * GB
"""A machine that is sold with 1 GB shows a little less."""
SOME_MEMORY = 1.8 * GB
LEAST_DISK = 5 * GB
SWAP_BELOW, SWAP_ROOM = 4.2 * GIB, 6 * GIB
"""A machine with less memory gets swap, for which there must be room."""


@dataclass(frozen=True)
class Refusal:
    """Why a machine is not taken, and what to do about it."""

    reason: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Preflight(Step[Ledger]):
    """A server that is set up already has passed."""

    tools: Tools
    server: str
    open_ports: tuple[str, ...] = ()
    usually: ClassVar[float] = 1.0

    @property
    def title(self) -> str:
        return "Check the machine"

    async def check(self, run: Run[Ledger]) -> bool:
        record = self.tools.inventory.find(self.server)
        return record is not None and record.setup_at is not None

    async def apply(self, run: Run[Ledger]) -> None:
        found = await survey(await self.tools.shell(self.server))
        words = found.words()
        run.learnt.found = {**run.learnt.found, **words}
        for name, value in words.items():
            run.log(f"{name.replace('_', ' ')}: {value}")
        for warning in (*warnings(found), *closed(found.holders, found.datagrams, self.open_ports)):
            run.log(warning, "warning")
        against = list(refusals(found, self.server))
        for one in against[1:]:
            run.log(f"also: {one.reason}", "error")
        if against:
            raise ProviderError(
                f"'{self.server}' cannot be set up: {against[0].reason}",
                hint=against[0].hint,
                details={"reasons": [one.reason for one in against]},
            )


def refusals(found: Survey, server: str) -> Iterator[Refusal]:
    """All that stands against a set-up, what matters most first."""
    yield from _system(found)
    yield from _size(found)
    for port in (80, 443):
        holder = found.holders.get(port)
        if holder is not None and not _is_ours(found, holder):
            yield Refusal(
                f"port {port} is taken by {holder}",
                f"stop it there: livchat server ssh {server}",
            )
    yield from _docker(found)


def warnings(found: Survey) -> Iterator[str]:
    """What works, and could be better."""
    if LEAST_MEMORY <= found.memory < SOME_MEMORY:
        yield f"{found.memory / GB:.1f} GB of memory are enough for small apps only"
    for name in ("ufw", "firewalld"):
        if name in found.packages:
            yield f"{name} is installed: see that it lets ports 80 and 443 in"


def _system(found: Survey) -> Iterator[Refusal]:
    if found.release not in SYSTEMS.get(found.system, ()):
        yield Refusal(
            f"it runs {found.title or 'an unknown system'}; Debian 12 and 13, "
            "Ubuntu 22.04 and 24.04 are known to work",
            "put one of these on the machine, then add it again",
        )
    if found.machine not in MACHINES:
        yield Refusal(
            f"its processor is {found.machine or 'unknown'}, not amd64 or arm64",
            "take a machine with a 64-bit processor",
        )
    if found.init != "systemd":
        yield Refusal(
            f"it is started by {found.init or 'something unknown'}, not by systemd",
            "take a machine, real or virtual, or a container that runs systemd",
        )
    if "apt" not in found.packages:
        yield Refusal("it has no apt to install packages with", "take a Debian or an Ubuntu")


def _size(found: Survey) -> Iterator[Refusal]:
    if found.memory < LEAST_MEMORY:
        yield Refusal(
            f"it has {found.memory / GB:.1f} GB of memory; 1 GB is the least",
            "take a machine with more memory",
        )
    swaps = found.memory <= SWAP_BELOW and not found.swap
    for place, free in found.free.items() or [("/", 0)]:
        least = SWAP_ROOM if swaps and place == "/" else LEAST_DISK
        if free < least:
            room = " (2 GB of it for swap)" if least == SWAP_ROOM else ""
            yield Refusal(
                f"{free / GB:.1f} GB are free under {place}; {least / GB:.1f} GB{room} are needed",
                "make room on its disk, or take a larger one",
            )


def _docker(found: Survey) -> Iterator[Refusal]:
    if found.docker is not None and _version(found.docker) < OLDEST_DOCKER:
        yield Refusal(
            f"its Docker is {found.docker}; 20.10 is the oldest that serves",
            "upgrade or remove Docker there",
        )
    if "podman-docker" in found.packages:
        yield Refusal(
            "its docker command is Podman's, which knows no swarm",
            "apt-get remove podman-docker, on the machine",
        )
    if found.swarm == "foreign":
        yield Refusal(
            "it is part of a swarm that LivChat did not make",
            "if nothing there is needed any more: docker swarm leave --force, on the machine",
        )


def _is_ours(found: Survey, holder: str) -> bool:
    return holder in PROXIES and found.swarm == "ours" and "traefik" in found.stacks


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
