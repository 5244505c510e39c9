"""The firewall of a server: what the world may reach, the ports of containers included.

It is an nftables table of our own, which judges a packet before Docker sends it on to a container.
The rules of Docker, of ufw and in /etc/nftables.conf are not touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from livchat.errors import CommandFailed, ProviderError
from livchatd.integrations.ssh.banner import speaks_ssh
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import StepContext
from livchatd.steps.deps import Providers
from livchatd.steps.facts import JobFacts
from livchatd.steps.setup.host_info import listeners
from livchatd.steps.setup.network_ranges import read_networks
from livchatd.steps.setup.ports import WEB, closing_warnings, ssh_ports
from livchatd.steps.setup.system import SetupStep
from livchatd.storage.inventory import Inventory

RULES = "/etc/livchat/firewall.nft"
TRIAL = "/etc/livchat/firewall.trial.nft"
"""Rules that are tried before they are loaded at each boot."""
UNIT = "livchat-firewall.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
TABLE = ("table", "inet", "livchat")
GUARD = "livchat-firewall-guard"
GUARD_SECONDS = 60
"""After this time the table is removed again, unless SSH was seen to answer."""
SERVICE = f"""# Written by LivChat Setup.
[Unit]
Description=What the world may reach of this server
# Whoever reloads /etc/nftables.conf flushes all tables, ours too: it comes back with it.
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
DefaultDependencies=no

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {RULES}
ExecReload=/usr/sbin/nft -f {RULES}
ExecStop=-/usr/sbin/nft delete {" ".join(TABLE)}

[Install]
WantedBy=sysinit.target
"""


def rules(outside: Iterable[str], ssh: Iterable[int], kept: Iterable[str]) -> str:
    """Return the table as a file that replaces it in one transaction.

    `outside` are the interfaces to the internet: only what comes in by them is judged, not what
    comes by loopback, Docker's bridges or private networks. `ssh` are ports of SSH, `kept` ports
    such as `53/udp`.
    """
    ports: dict[str, set[int]] = {"tcp": {*WEB, *ssh}, "udp": set()}
    for one in kept:
        number, _, protocol = one.partition("/")
        ports[protocol].add(int(number))
    allowed = "".join(
        f"        {protocol} dport {{ {', '.join(map(str, sorted(found)))} }} accept\n"
        for protocol, found in ports.items()
        if found
    )
    names = ", ".join(f'"{name}"' for name in sorted(outside))
    table = " ".join(TABLE)
    return f"""# Written by LivChat Setup: `livchat server setup --open PORT` changes it.
{table}
delete {table}
{table} {{
    chain outside {{
        # After connections are told apart (-200), before Docker gives ports to containers (-100).
        type filter hook prerouting priority -150; policy accept;
        iifname != {{ {names} }} accept
        ct state established,related accept
        meta l4proto {{ icmp, ipv6-icmp }} accept
        udp sport 67 udp dport 68 accept
        udp sport 547 udp dport 546 accept
{allowed}        counter drop
    }}
}}
"""


@dataclass(frozen=True)
class SetFirewall(SetupStep):
    """Lets the world reach SSH, the web and the ports to be kept open, and nothing else.

    The rules are tried first: unless SSH then takes a new connection, those before come back and
    `ProviderError` is raised. The undo brings back the rules that were there before this job.
    """

    inventory: Inventory
    providers: Providers
    title = "Set the firewall"
    expected_seconds = 1.5
    tries = 3

    async def check(self, context: StepContext[JobFacts]) -> bool:
        shell = await self.shell()
        wanted, there, unit, live, enabled, guarded = await asyncio.gather(
            self._wanted(shell),
            shell.read(RULES),
            shell.read(UNIT_FILE),
            _live(shell),
            shell.succeeds("systemctl", "is-enabled", UNIT),
            shell.succeeds("systemctl", "is-active", f"{GUARD}.timer"),
        )
        return (wanted, SERVICE) == (there, unit) and live and enabled and not guarded

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        host, port = await self._ssh_endpoint()
        answered, wanted, there, live = await asyncio.gather(
            speaks_ssh(host, port), self._wanted(shell, context), shell.read(RULES), _live(shell)
        )
        if not answered:
            raise ProviderError(
                f"SSH at {host}:{port} takes no new connection: "
                "what a firewall does could not be seen, so none was set",
                hint="let this computer's address in there, then set the server up again",
            )
        await asyncio.gather(
            shell.write(TRIAL, wanted),
            shell.run("systemctl", "stop", f"{GUARD}.timer", check=False),
        )
        await shell.run("nft", "-c", "-f", TRIAL)
        if there is not None and there != wanted and "firewall" not in context.facts.made:
            context.facts.earlier.setdefault(RULES, there)
            await context.save()
        try:
            await self._try(context, shell, (host, port), restore=live and there is not None)
        except ProviderError:
            context.facts.earlier.pop(RULES, None)
            await context.save()
            raise
        if there is None:
            await context.note_created("firewall")
        await asyncio.gather(shell.write(RULES, wanted), shell.write(UNIT_FILE, SERVICE))
        await shell.run("systemctl", "daemon-reload")
        await shell.run("systemctl", "enable", "--now", UNIT)
        await shell.run("rm", "-f", TRIAL)

    async def verify(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        if not await _live(shell):
            raise ProviderError(
                "the firewall was set, but it is not there",
                hint=f"livchat server exec {self.params.name} -- journalctl -u {UNIT} -n 20",
            )

    async def stop(self, context: StepContext[JobFacts]) -> None:
        """End an interrupted trial: what is loaded at each boot is in force again, or nothing."""
        shell = await self.shell()
        kept, guarded = await asyncio.gather(
            shell.read(RULES), shell.succeeds("systemctl", "is-active", f"{GUARD}.timer")
        )
        if guarded or kept is None:
            await self._remove_table(shell)
        if guarded and kept is not None:
            await shell.run("nft", "-f", RULES)

    async def undo(self, context: StepContext[JobFacts]) -> None:
        if RULES in context.facts.earlier:
            await self._restore(context)
        if "firewall" not in context.facts.made:
            return
        shell = await self.shell()
        await shell.run("systemctl", "disable", "--now", UNIT, check=False)
        await self._remove_table(shell)
        await shell.run("rm", "-f", RULES, TRIAL, UNIT_FILE)
        await shell.run("systemctl", "daemon-reload")

    def leftovers(self, context: StepContext[JobFacts]) -> list[str]:
        if "firewall" in context.facts.made:
            return [f"firewall on {self.params.name}"]
        changed = RULES in context.facts.earlier
        return [f"changed firewall rules on {self.params.name}"] if changed else []

    async def _restore(self, context: StepContext[JobFacts]) -> None:
        """Put the rules in force that were there before this job, unless they lock us out."""
        shell, before = await self.shell(), context.facts.earlier[RULES]
        there, *_ = await asyncio.gather(
            shell.read(RULES),
            shell.write(TRIAL, before),
            shell.run("systemctl", "stop", f"{GUARD}.timer", check=False),
        )
        # The rules of this job were seen to let us in: they come back if those before do not.
        endpoint = await self._ssh_endpoint()
        await self._try(context, shell, endpoint, restore=there not in {None, before})
        await shell.write(RULES, before)
        await shell.run("rm", "-f", TRIAL)
        del context.facts.earlier[RULES]
        await context.save()

    async def _wanted(self, shell: Shell, context: StepContext[JobFacts] | None = None) -> str:
        """Return the rules for the machine as it is; with a context, log what they close."""
        sshd, tcp, udp, networks = await asyncio.gather(
            shell.run("sshd", "-T", check=False),
            shell.run("ss", "-Hltnp"),
            shell.run("ss", "-Hlunp"),
            read_networks(shell),
        )
        if not networks.outside:
            raise ProviderError(
                "this server has no default route: it is not known where the world is",
                hint=f"livchat server exec {self.params.name} -- ip route",
            )
        holders, kept = listeners(tcp.stdout), self.params.open_ports
        if context is not None:
            for warning in closing_warnings(holders, listeners(udp.stdout), kept):
                context.log(warning, "warning")
        # The port at which the sandbox answers on loopback is none of the machine.
        known = self.inventory.server(self.params.name).ssh_port or 22
        return rules(networks.outside, ssh_ports(sshd.stdout, holders, known), kept)

    async def _try(
        self,
        context: StepContext[JobFacts],
        shell: Shell,
        endpoint: tuple[str, int],
        *,
        restore: bool,
    ) -> None:
        """Put the rules in force, for a minute unless SSH is seen to take a new connection.

        If it does not, the table is removed and `ProviderError` raised; with `restore` the rules of
        each boot are put in force again.
        """
        await shell.run(
            *("systemd-run", f"--unit={GUARD}", f"--on-active={GUARD_SECONDS}"),
            *("--timer-property=AccuracySec=1s", "--", "nft", "delete", *TABLE),
        )
        await shell.run("nft", "-f", TRIAL)
        host, port = endpoint
        if await self._answered(context, host, port):
            await shell.run("systemctl", "stop", f"{GUARD}.timer")
            return
        await self._remove_table(shell)
        if restore:
            await shell.run("nft", "-f", RULES)
        now = "the earlier rules are back" if restore else "it is open again"
        raise ProviderError(
            f"with the firewall set, SSH at {host}:{port} took no new connection; {now}",
            hint="name the port that sshd listens at: livchat server setup --open PORT/tcp",
        )

    async def _answered(self, context: StepContext[JobFacts], host: str, port: int) -> bool:
        """Whether SSH takes a new connection, tried a few times."""
        tries = 0
        async for _ in context.poll(GUARD_SECONDS, first=1.0):
            if await speaks_ssh(host, port):
                return True
            tries += 1
            if tries == self.tries:
                break
        return False

    async def _remove_table(self, shell: Shell) -> None:
        """Remove the table, and the guard that would; `CommandFailed` if it is still there."""
        await shell.run("nft", "delete", *TABLE, check=False)
        await shell.run("systemctl", "stop", f"{GUARD}.timer", check=False)
        await shell.run("rm", "-f", TRIAL)
        if await _live(shell):
            raise CommandFailed("nft delete: the table is still there")

    async def _ssh_endpoint(self) -> tuple[str, int]:
        """Return host and port at which this server's SSH answers from here."""
        record = self.inventory.server(self.params.name)
        address = self.inventory.address(self.params.name)
        endpoints = await self.providers.configured(record.provider).endpoints(address)
        return record.ssh_host or endpoints.ssh_host, record.ssh_port or endpoints.ssh_port


async def _live(shell: Shell) -> bool:
    """Whether the table is in force."""
    return await shell.succeeds("nft", "list", *TABLE)
