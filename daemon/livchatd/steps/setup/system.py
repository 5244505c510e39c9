"""The system of a server: its first boot over, its name and time zone, swap, the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from livchat.errors import ProviderError
from livchatd.jobs.step import Run, Step
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger, make_note
from livchatd.steps.params import SetupServerOrder

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


@dataclass(frozen=True, kw_only=True)
class SystemStep(Step[Ledger]):
    """A step of the set-up of a server."""

    tools: Tools
    order: SetupServerOrder


class AwaitFirstBoot(SystemStep):
    usually: ClassVar[float] = 8.0
    within: ClassVar[float] = 600.0

    @property
    def title(self) -> str:
        return "Wait for the first boot to end"

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        async for _ in self.tools.looks(self.within):
            told = await shell.run("cloud-init", "status", check=False)
            if told.exit_code == 127:
                return
            status = told.stdout.partition(":")[2].split()
            if status[:1] == ["error"]:
                run.log("the first boot ended with errors: see /var/log/cloud-init.log", "warning")
            if status[:1] and status[0] not in {"running", "not"}:
                return
        raise ProviderError(
            f"the first boot of '{self.order.name}' did not end within {self.within:g} s",
            hint=f"livchat server exec {self.order.name} -- cloud-init status --long",
        )


class NameSystem(SystemStep):
    @property
    def title(self) -> str:
        return "Set host name and time zone"

    async def check(self, run: Run[Ledger]) -> bool:
        shell = await self.tools.shell(self.order.name)
        name = await shell.run("hostname")
        zone = await shell.run("timedatectl", "show", "-p", "Timezone", "--value")
        return (name.stdout.strip(), zone.stdout.strip()) == (self.order.name, self.order.timezone)

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        await shell.run("hostnamectl", "set-hostname", self.order.name)
        await shell.run("timedatectl", "set-timezone", self.order.timezone)

    async def verify(self, run: Run[Ledger]) -> None:
        if not await self.check(run):
            raise ProviderError("the server kept its old host name or time zone")


class AddSwap(SystemStep):
    """2 GiB of swap where memory is 4 GiB or less and there is none."""

    @property
    def title(self) -> str:
        return "Add swap"

    async def check(self, run: Run[Ledger]) -> bool:
        shell = await self.tools.shell(self.order.name)
        if await self._active():
            return True
        free = await shell.run("free", "-b")
        memory = next(
            line.split()[1] for line in free.stdout.splitlines() if line.startswith("Mem")
        )
        return int(memory) > 4.2 * GIB

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        room = await shell.run("df", "-B1", "--output=avail", "/")
        if int(room.stdout.split()[-1]) < 6 * GIB:
            raise ProviderError(
                "there is too little room on the disk: 6 GiB must be free before swap is added",
                hint="delete what is not needed, or take a larger server",
            )
        await make_note(run, "swap")
        await shell.run("fallocate", "-l", "2G", SWAP, timeout=120)
        await shell.run("chmod", "0600", SWAP)
        await shell.run("mkswap", SWAP, timeout=120)
        await shell.run("swapon", SWAP)
        table = await shell.read(FSTAB) or ""
        if SWAP_LINE not in table:
            ended = table if table.endswith("\n") or not table else table + "\n"
            await shell.write(FSTAB, f"{ended}{SWAP_LINE}\n")

    async def verify(self, run: Run[Ledger]) -> None:
        if not await self._active():
            raise ProviderError("swap was added, but the system does not use it")

    async def undo(self, run: Run[Ledger]) -> None:
        if "swap" not in run.learnt.made:
            return
        shell = await self.tools.shell(self.order.name)
        await shell.run("swapoff", SWAP, check=False)
        await shell.run("rm", "-f", SWAP)
        table = await shell.read(FSTAB) or ""
        if SWAP_LINE in table:
            await shell.write(FSTAB, table.replace(f"{SWAP_LINE}\n", ""))

    async def _active(self) -> bool:
        shell = await self.tools.shell(self.order.name)
        shown = await shell.run("swapon", "--show=NAME", "--noheadings")
        return bool(shown.stdout.strip())


class TuneKernel(SystemStep):
    @property
    def title(self) -> str:
        return "Tune the kernel"

    async def check(self, run: Run[Ledger]) -> bool:
        shell = await self.tools.shell(self.order.name)
        return await shell.read(SYSCTL) == KERNEL

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        await shell.write(SYSCTL, KERNEL)
        await shell.run("sysctl", "--system")

    async def undo(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        await shell.run("rm", "-f", SYSCTL)
