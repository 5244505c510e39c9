"""The firewall of a server: what the world may reach, Docker's published ports among it.

A table of our own, which is asked before Docker sends a packet on to a container. Nobody else's
rules are touched: neither Docker's, nor ufw's, nor those in /etc/nftables.conf.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from livchat.errors import CommandFailed, ProviderError
from livchatd.integrations.ssh.banner import answers
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Run
from livchatd.steps.facts import Ledger, make_note
from livchatd.steps.setup.host_info import listeners
from livchatd.steps.setup.network_ranges import networks
from livchatd.steps.setup.ports import WEB, closed, ssh_ports
from livchatd.steps.setup.system import SystemStep

RULES = "/etc/livchat/firewall.nft"
TRIAL = "/etc/livchat/firewall.trial.nft"
"""Rules that are tried before they become those of each boot."""
UNIT = "livchat-firewall.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
TABLE = ("table", "inet", "livchat")
GUARD = "livchat-firewall-guard"
GUARD_SECONDS = 60
"""After so long the table is gone again, unless we have seen that SSH still answers."""
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
    """The table, as a file that replaces it in one go.

    Only what comes in by an interface on the way to the world is judged: loopback, Docker's own
    bridges and private networks are not.
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


class CloseTheRest(SystemStep):
    usually: ClassVar[float] = 1.5
    tries: ClassVar[int] = 3

    @property
    def title(self) -> str:
        return "Set the firewall"

    async def check(self, run: Run[Ledger]) -> bool:
        shell = await self.tools.shell(self.order.name)
        wanted, there, unit, live, enabled, guarded = await asyncio.gather(
            self._wanted(shell),
            shell.read(RULES),
            shell.read(UNIT_FILE),
            _live(shell),
            shell.succeeds("systemctl", "is-enabled", UNIT),
            shell.succeeds("systemctl", "is-active", f"{GUARD}.timer"),
        )
        return (wanted, SERVICE) == (there, unit) and live and enabled and not guarded

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        host, port = await self._door()
        answered, wanted, there, live = await asyncio.gather(
            answers(host, port), self._wanted(shell, run), shell.read(RULES), _live(shell)
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
        if there is not None and there != wanted and "firewall" not in run.learnt.made:
            run.learnt.earlier.setdefault(RULES, there)
            await run.save()
        try:
            await self._try(shell, (host, port), back=live and there is not None)
        except ProviderError:
            run.learnt.earlier.pop(RULES, None)
            await run.save()
            raise
        if there is None:
            await make_note(run, "firewall")
        await asyncio.gather(shell.write(RULES, wanted), shell.write(UNIT_FILE, SERVICE))
        await shell.run("systemctl", "daemon-reload")
        await shell.run("systemctl", "enable", "--now", UNIT)
        await shell.run("rm", "-f", TRIAL)

    async def verify(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        if not await _live(shell):
            raise ProviderError(
                "the firewall was set, but it is not there",
                hint=f"livchat server exec {self.order.name} -- journalctl -u {UNIT} -n 20",
            )

    async def halt(self, run: Run[Ledger]) -> None:
        """An interrupted trial leaves what was there before: the table of each boot, or none."""
        shell = await self.tools.shell(self.order.name)
        kept, guarded = await asyncio.gather(
            shell.read(RULES), shell.succeeds("systemctl", "is-active", f"{GUARD}.timer")
        )
        if guarded or kept is None:
            await self._open(shell)
        if guarded and kept is not None:
            await shell.run("nft", "-f", RULES)

    async def undo(self, run: Run[Ledger]) -> None:
        if RULES in run.learnt.earlier:
            await self._restore(run)
        if "firewall" not in run.learnt.made:
            return
        shell = await self.tools.shell(self.order.name)
        await shell.run("systemctl", "disable", "--now", UNIT, check=False)
        await self._open(shell)
        await shell.run("rm", "-f", RULES, TRIAL, UNIT_FILE)
        await shell.run("systemctl", "daemon-reload")

    def leaves(self, run: Run[Ledger]) -> list[str]:
        if "firewall" in run.learnt.made:
            return [f"firewall on {self.order.name}"]
        changed = RULES in run.learnt.earlier
        return [f"changed firewall rules on {self.order.name}"] if changed else []

    async def _restore(self, run: Run[Ledger]) -> None:
        """Put the rules back that were there before this job, unless they would lock us out."""
        shell, before = await self.tools.shell(self.order.name), run.learnt.earlier[RULES]
        there, *_ = await asyncio.gather(
            shell.read(RULES),
            shell.write(TRIAL, before),
            shell.run("systemctl", "stop", f"{GUARD}.timer", check=False),
        )
        # Those of this job were seen to let us in.
        await self._try(shell, await self._door(), back=there not in {None, before})
        await shell.write(RULES, before)
        await shell.run("rm", "-f", TRIAL)
        del run.learnt.earlier[RULES]
        await run.save()

    async def _wanted(self, shell: Shell, run: Run[Ledger] | None = None) -> str:
        """The rules for the machine as it is; with a `run` it is told what they close."""
        told, tcp, udp, around = await asyncio.gather(
            shell.run("sshd", "-T", check=False),
            shell.run("ss", "-Hltnp"),
            shell.run("ss", "-Hlunp"),
            networks(shell),
        )
        if not around.outside:
            raise ProviderError(
                "this server has no default route: it is not known where the world is",
                hint=f"livchat server exec {self.order.name} -- ip route",
            )
        holders, kept = listeners(tcp.stdout), self.order.open_ports
        if run is not None:
            for warning in closed(holders, listeners(udp.stdout), kept):
                run.log(warning, "warning")
        # Where the sandbox answers on loopback is no port of the machine.
        known = self.tools.inventory.server(self.order.name).ssh_port or 22
        return rules(around.outside, ssh_ports(told.stdout, holders, known), kept)

    async def _try(self, shell: Shell, door: tuple[str, int], *, back: bool) -> None:
        """Put the rules in force, for a minute unless SSH is seen to answer new connections.

        If it does not, the rules of each boot come `back`, or the machine is open.
        """
        await shell.run(
            *("systemd-run", f"--unit={GUARD}", f"--on-active={GUARD_SECONDS}"),
            *("--timer-property=AccuracySec=1s", "--", "nft", "delete", *TABLE),
        )
        await shell.run("nft", "-f", TRIAL)
        host, port = door
        if await self._answered(host, port):
            await shell.run("systemctl", "stop", f"{GUARD}.timer")
            return
        await self._open(shell)
        if back:
            await shell.run("nft", "-f", RULES)
        now = "the earlier rules are back" if back else "it is open again"
        raise ProviderError(
            f"with the firewall set, SSH at {host}:{port} took no new connection; {now}",
            hint="name the port that sshd listens at: livchat server setup --open PORT/tcp",
        )

    async def _answered(self, host: str, port: int) -> bool:
        """Whether SSH greets a new connection, tried a few times."""
        for _ in range(self.tries):
            if await answers(host, port):
                return True
            await asyncio.sleep(self.tools.pace)
        return False

    async def _open(self, shell: Shell) -> None:
        """Take the table away, and the guard that would."""
        await shell.run("nft", "delete", *TABLE, check=False)
        await shell.run("systemctl", "stop", f"{GUARD}.timer", check=False)
        await shell.run("rm", "-f", TRIAL)
        if await _live(shell):
            raise CommandFailed("nft delete: the table is still there")

    async def _door(self) -> tuple[str, int]:
        """Where this server's SSH answers, from here."""
        record = self.tools.inventory.server(self.order.name)
        address = self.tools.address(self.order.name)
        reach = await self.tools.provider(record.provider).reach(address)
        return record.ssh_host or reach.ssh_host, record.ssh_port or reach.ssh_port


async def _live(shell: Shell) -> bool:
    return await shell.succeeds("nft", "list", *TABLE)
