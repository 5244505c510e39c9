"""The operating system of a server: its first boot, host name, time zone, swap, kernel settings."""

from __future__ import annotations

from dataclasses import dataclass

from livchat.errors import ProviderError
from livchatd.integrations.ssh.interfaces import Shell, Shells
from livchatd.jobs.step import Step, StepContext
from livchatd.steps.facts import JobFacts
from livchatd.steps.params import SetupServerParams

SWAP = "/swapfile"
FSTAB = "/etc/fstab"
SWAP_LINE = f"{SWAP} none swap sw 0 0"
SYSCTL = "/etc/sysctl.d/60-livchat.conf"
KERNEL = """# Written by LivChat Setup.
# Swap is for what is never used again, not for databases at work.
vm.swappiness = 10
# Redis saves by forking: without this a save may be refused while memory is free.
vm.overcommit_memory = 1
fs.inotify.max_user_instances = 512
fs.inotify.max_user_watches = 524288
"""
GIB = 1024**3
SWAP_MEMORY_LIMIT = 4.2 * GIB
"""A machine with no more memory than this gets swap."""
MIN_FREE_DISK_WITH_SWAP = 6 * GIB
"""How much of the disk must be free before swap is added."""


@dataclass(frozen=True)
class SetupStep(Step[JobFacts]):
    """A step of the set-up of a server, which works on it over SSH."""

    params: SetupServerParams
    shells: Shells

    async def shell(self) -> Shell:
        """Return the server's shell; raises what connecting may raise."""
        return await self.shells.on(self.params.name)


class WaitForFirstBoot(SetupStep):
    """Waits for the end of cloud-init where there is one; `ProviderError` if it does not end."""

    title = "Wait for the first boot to end"
    expected_seconds = 8.0
    within = 600.0

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        async for _ in context.poll(self.within):
            result = await shell.run("cloud-init", "status", check=False)
            if result.exit_code == 127:
                return
            status = result.stdout.partition(":")[2].split()
            if status[:1] == ["error"]:
                context.log(
                    "the first boot ended with errors: see /var/log/cloud-init.log", "warning"
                )
            if status[:1] and status[0] not in {"running", "not"}:
                return
        raise ProviderError(
            f"the first boot of '{self.params.name}' did not end within {self.within:g} s",
            hint=f"livchat server exec {self.params.name} -- cloud-init status --long",
        )


class NameSystem(SetupStep):
    """Sets host name and time zone; `ProviderError` if the system keeps the old ones."""

    title = "Set host name and time zone"

    async def check(self, context: StepContext[JobFacts]) -> bool:
        shell = await self.shell()
        name = await shell.run("hostname")
        zone = await shell.run("timedatectl", "show", "-p", "Timezone", "--value")
        return (name.stdout.strip(), zone.stdout.strip()) == (
            self.params.name,
            self.params.timezone,
        )

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        await shell.run("hostnamectl", "set-hostname", self.params.name)
        await shell.run("timedatectl", "set-timezone", self.params.timezone)

    async def verify(self, context: StepContext[JobFacts]) -> None:
        if not await self.check(context):
            raise ProviderError("the server kept its old host name or time zone")


class AddSwap(SetupStep):
    """Adds 2 GiB of swap where memory is 4 GiB or less and there is none.

    Raises `ProviderError` if less than 6 GiB of the disk are free. The undo removes the swap file.
    """

    title = "Add swap"

    async def check(self, context: StepContext[JobFacts]) -> bool:
        shell = await self.shell()
        if await self._active():
            return True
        free = await shell.run("free", "-b")
        memory = next(
            line.split()[1] for line in free.stdout.splitlines() if line.startswith("Mem")
        )
        return int(memory) > SWAP_MEMORY_LIMIT

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        room = await shell.run("df", "-B1", "--output=avail", "/")
        if int(room.stdout.split()[-1]) < MIN_FREE_DISK_WITH_SWAP:
            raise ProviderError(
                "there is too little room on the disk: 6 GiB must be free before swap is added",
                hint="delete what is not needed, or take a larger server",
            )
        await context.note_created("swap")
        await shell.run("fallocate", "-l", "2G", SWAP, timeout=120)
        await shell.run("chmod", "0600", SWAP)
        await shell.run("mkswap", SWAP, timeout=120)
        await shell.run("swapon", SWAP)
        table = await shell.read(FSTAB) or ""
        if SWAP_LINE not in table:
            ended = table if table.endswith("\n") or not table else table + "\n"
            await shell.write(FSTAB, f"{ended}{SWAP_LINE}\n")

    async def verify(self, context: StepContext[JobFacts]) -> None:
        if not await self._active():
            raise ProviderError("swap was added, but the system does not use it")

    async def undo(self, context: StepContext[JobFacts]) -> None:
        if "swap" not in context.facts.made:
            return
        shell = await self.shell()
        await shell.run("swapoff", SWAP, check=False)
        await shell.run("rm", "-f", SWAP)
        table = await shell.read(FSTAB) or ""
        if SWAP_LINE in table:
            await shell.write(FSTAB, table.replace(f"{SWAP_LINE}\n", ""))

    async def _active(self) -> bool:
        shell = await self.shell()
        shown = await shell.run("swapon", "--show=NAME", "--noheadings")
        return bool(shown.stdout.strip())


class TuneKernel(SetupStep):
    """Writes our kernel settings and loads them; the undo removes the file."""

    title = "Tune the kernel"

    async def check(self, context: StepContext[JobFacts]) -> bool:
        shell = await self.shell()
        return await shell.read(SYSCTL) == KERNEL

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        await shell.write(SYSCTL, KERNEL)
        await shell.run("sysctl", "--system")

    async def undo(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        await shell.run("rm", "-f", SYSCTL)
