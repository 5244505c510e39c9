"""Security updates of a server: daily by the system itself, those due now in the background."""

from __future__ import annotations

import asyncio

from livchat.errors import CommandFailed
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import StepContext
from livchatd.steps.facts import JobFacts
from livchatd.steps.setup.system import SetupStep

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


class EnableSecurityUpdates(SetupStep):
    """Has the system install security updates daily, without restarts; starts those due now.

    The undo removes our apt configuration.
    """

    title = "Keep it up to date"
    expected_seconds = 0.5

    async def check(self, context: StepContext[JobFacts]) -> bool:
        shell = await self.shell()
        what, when, timers = await asyncio.gather(
            shell.read(ORIGINS),
            shell.read(DAILY),
            # It ends with 0 as soon as one of them is enabled.
            shell.run("systemctl", "is-enabled", *TIMERS, check=False),
        )
        on = timers.stdout.split() == ["enabled"] * len(TIMERS)
        return (what, when) == (WHAT, WHEN) and on

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        if await shell.read(ORIGINS) is None:
            await context.note_created("updates")
        await asyncio.gather(
            shell.write(ORIGINS, WHAT),
            shell.run("install", "-D", "-m", "0600", "/dev/stdin", LOG, stdin=b""),
            shell.run("systemctl", "enable", "--now", *TIMERS),
        )
        await self._begin(shell)
        context.log(
            "the security updates of now are on their way, in the background: "
            f"livchat server exec {self.params.name} -- cat {LOG}"
        )
        # Written last: it shows that those due now were started.
        await shell.write(DAILY, WHEN)

    async def undo(self, context: StepContext[JobFacts]) -> None:
        if "updates" in context.facts.made:
            # What has begun goes on: dpkg must not be stopped half-way.
            shell = await self.shell()
            await shell.run("rm", "-f", ORIGINS, DAILY)

    @staticmethod
    async def _begin(shell: Shell) -> None:
        """Start the updates with the lowest priority; nothing waits for their end."""
        started = await shell.run(
            *("systemd-run", f"--unit={UNIT}", "--collect"),
            *("-p", "Nice=19", "-p", "CPUWeight=1", "-p", "IOSchedulingClass=idle"),
            *("-p", f"StandardOutput=append:{LOG}", "-p", f"StandardError=append:{LOG}"),
            *("--setenv=DEBIAN_FRONTEND=noninteractive", "--", "unattended-upgrade", "-v"),
            check=False,
        )
        # A first try whose answer was lost may have started it.
        if started.exit_code and "already loaded" not in started.stderr:
            reason = started.stderr.strip().splitlines() or ["no reason given"]
            raise CommandFailed(f"the security updates cannot be started: {reason[-1]}")
