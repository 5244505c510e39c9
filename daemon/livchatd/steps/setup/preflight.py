"""The preflight: whether a machine can be set up, before anything on it is changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from livchat.errors import ProviderError
from livchatd.integrations.ssh.interfaces import Shells
from livchatd.jobs.step import Step, StepContext
from livchatd.steps.facts import JobFacts
from livchatd.steps.setup.host_info import PROXIES, HostInfo, read_host_info
from livchatd.steps.setup.ports import closing_warnings
from livchatd.steps.setup.system import MIN_FREE_DISK_WITH_SWAP, SWAP_MEMORY_LIMIT
from livchatd.storage.inventory import Inventory

SYSTEMS = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04")}
ARCHITECTURES = ("x86_64", "aarch64")
MIN_DOCKER = (20, 10)
GB = 10**9
MIN_MEMORY = 0.9 * GB
"""A machine that is sold with 1 GB shows a little less."""
COMFORTABLE_MEMORY = 1.8 * GB
MIN_FREE_DISK = 5 * GB


@dataclass(frozen=True)
class Refusal:
    """Why a machine is not taken, and what to do about it."""

    reason: str
    hint: str


@dataclass(frozen=True)
class Preflight(Step[JobFacts]):
    """Checks the machine; `ProviderError` with every reason against a set-up, if there is one.

    What it finds becomes facts. A server that is set up already has passed.
    """

    server: str
    open_ports: tuple[str, ...]
    inventory: Inventory
    shells: Shells
    title = "Check the machine"
    expected_seconds = 1.0

    async def check(self, context: StepContext[JobFacts]) -> bool:
        record = self.inventory.find(self.server)
        return record is not None and record.setup_at is not None

    async def apply(self, context: StepContext[JobFacts]) -> None:
        found = await read_host_info(await self.shells.on(self.server))
        summary = found.summary()
        context.facts.found = {**context.facts.found, **summary}
        for name, value in summary.items():
            context.log(f"{name.replace('_', ' ')}: {value}")
        closing = closing_warnings(found.tcp_holders, found.udp_holders, self.open_ports)
        for warning in (*warnings(found), *closing):
            context.log(warning, "warning")
        reasons = list(refusals(found, self.server))
        for refusal in reasons[1:]:
            context.log(f"also: {refusal.reason}", "error")
        if reasons:
            raise ProviderError(
                f"'{self.server}' cannot be set up: {reasons[0].reason}",
                hint=reasons[0].hint,
                details={"reasons": [refusal.reason for refusal in reasons]},
            )


def refusals(found: HostInfo, server: str) -> Iterator[Refusal]:
    """Yield every reason against a set-up, the most important first."""
    yield from _system(found)
    yield from _size(found)
    for port in (80, 443):
        holder = found.tcp_holders.get(port)
        if holder is not None and not _is_ours(found, holder):
            yield Refusal(
                f"port {port} is taken by {holder}",
                f"stop it there: livchat server ssh {server}",
            )
    yield from _docker(found)


def warnings(found: HostInfo) -> Iterator[str]:
    """Yield what a set-up works with, though it could be better."""
    if MIN_MEMORY <= found.memory < COMFORTABLE_MEMORY:
        yield f"{found.memory / GB:.1f} GB of memory are enough for small apps only"
    for name in ("ufw", "firewalld"):
        if name in found.packages:
            yield f"{name} is installed: see that it lets ports 80 and 443 in"


def _system(found: HostInfo) -> Iterator[Refusal]:
    if found.release not in SYSTEMS.get(found.system, ()):
        yield Refusal(
            f"it runs {found.title or 'an unknown system'}; Debian 12 and 13, "
            "Ubuntu 22.04 and 24.04 are known to work",
            "put one of these on the machine, then add it again",
        )
    if found.architecture not in ARCHITECTURES:
        yield Refusal(
            f"its processor is {found.architecture or 'unknown'}, not amd64 or arm64",
            "take a machine with a 64-bit processor",
        )
    if found.init != "systemd":
        yield Refusal(
            f"it is started by {found.init or 'something unknown'}, not by systemd",
            "take a machine, real or virtual, or a container that runs systemd",
        )
    if "apt" not in found.packages:
        yield Refusal("it has no apt to install packages with", "take a Debian or an Ubuntu")


def _size(found: HostInfo) -> Iterator[Refusal]:
    if found.memory < MIN_MEMORY:
        yield Refusal(
            f"it has {found.memory / GB:.1f} GB of memory; 1 GB is the least",
            "take a machine with more memory",
        )
    swaps = found.memory <= SWAP_MEMORY_LIMIT and not found.swap
    for path, free in found.free_bytes.items() or [("/", 0)]:
        least = MIN_FREE_DISK_WITH_SWAP if swaps and path == "/" else MIN_FREE_DISK
        if free < least:
            room = " (2 GB of it for swap)" if least == MIN_FREE_DISK_WITH_SWAP else ""
            yield Refusal(
                f"{free / GB:.1f} GB are free under {path}; {least / GB:.1f} GB{room} are needed",
                "make room on its disk, or take a larger one",
            )


def _docker(found: HostInfo) -> Iterator[Refusal]:
    if found.docker is not None and _version(found.docker) < MIN_DOCKER:
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


def _is_ours(found: HostInfo, holder: str) -> bool:
    return holder in PROXIES and found.swarm == "ours" and "traefik" in found.stacks


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
