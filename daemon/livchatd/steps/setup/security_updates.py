"""Security updates of a server: each day by the system itself, those of now in the background."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from livchat.errors import CommandFailed
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Run
from livchatd.steps.facts import Ledger, make_note
from livchatd.steps.setup.system import SystemStep

ORIGINS = "/etc/apt/apt.conf.d/52livchat-security"
DAILY = "/etc/apt/apt.conf.d/53livchat-daily"
WHAT = """// Written by LivChat Setup: security updates alone, never a restart of the server.
#clear Unattended-Upgrade::Origins-Pattern;
#clear Unattended-Upgrade::Allowed-Origins;
Unattended-Upgrade::Origins-Pattern {
    "origin=Debian,codename=${distro_codename},label=Debian-Security";
    "origin=Debian,codename=${distro_codename}-security,label=Debian-Security";
    "origin=Ubuntu,archive=${distro_codename}-security,label=Ubuntu";
    "origin=UbuntuESMApps,archive=${distro_codename}-apps-security";
    "origin=UbuntuESM,archive=${distro_codename}-infra-security";
};
Unattended-Upgrade::Automatic-Reboot "false";
"""
WHEN = """// Written by LivChat Setup.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
"""
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")
UNIT = "livchat-updates"
LOG = f"/var/log/livchat/{UNIT}.log"


class KeepUpToDate(SystemStep):
    usually: ClassVar[float] = 0.5

    @property
    def title(self) -> str:
        return "Keep it up to date"

    async def check(self, run: Run[Ledger]) -> bool:
        shell = await self.tools.shell(self.order.name)
        what, when, timers = await asyncio.gather(
            shell.read(ORIGINS),
            shell.read(DAILY),
            # It ends with 0 as soon as one of them is.
            shell.run("systemctl", "is-enabled", *TIMERS, check=False),
        )
        on = timers.stdout.split() == ["enabled"] * len(TIMERS)
        return (what, when) == (WHAT, WHEN) and on

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        if await shell.read(ORIGINS) is None:
            await make_note(run, "updates")
        await asyncio.gather(
            shell.write(ORIGINS, WHAT),
            shell.run("install", "-D", "-m", "0600", "/dev/stdin", LOG, stdin=b""),
            shell.run("systemctl", "enable", "--now", *TIMERS),
        )
        await self._begin(shell)
        run.log(
            "the security updates of now are on their way, in the background: "
            f"livchat server exec {self.order.name} -- cat {LOG}"
        )
        # Last: that it is there says that those of now were begun.
        await shell.write(DAILY, WHEN)

    async def undo(self, run: Run[Ledger]) -> None:
        if "updates" in run.learnt.made:
            # What has begun goes on: dpkg is not to be stopped half-way.
            shell = await self.tools.shell(self.order.name)
            await shell.run("rm", "-f", ORIGINS, DAILY)

    @staticmethod
    async def _begin(shell: Shell) -> None:
        """Start them, behind everything else that runs there; nobody waits for their end."""
        begun = await shell.run(
            *("systemd-run", f"--unit={UNIT}", "--collect"),
            *("-p", "Nice=19", "-p", "CPUWeight=1", "-p", "IOSchedulingClass=idle"),
            *("-p", f"StandardOutput=append:{LOG}", "-p", f"StandardError=append:{LOG}"),
            *("--setenv=DEBIAN_FRONTEND=noninteractive", "--", "unattended-upgrade", "-v"),
            check=False,
        )
        # A first try whose answer was lost may have started it.
        if begun.exit_code and "already loaded" not in begun.stderr:
            reason = begun.stderr.strip().splitlines() or ["no reason given"]
            raise CommandFailed(f"the security updates cannot be started: {reason[-1]}")
