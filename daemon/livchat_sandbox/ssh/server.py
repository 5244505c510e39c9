"""The SSH server of a simulated machine: public keys, listed commands, one tunnel to Portainer."""

from __future__ import annotations

import asyncio
import ctypes.util
import socket
from typing import TYPE_CHECKING, Any

import yaml

from livchat_sandbox.commands import dispatch
from livchat_sandbox.commands.result import Answer
from livchat_sandbox.faults.http import LONGEST, pause
from livchat_sandbox.faults.plan import Meet, all_well
from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.portainer.app import PortainerSite
from livchat_sandbox.ssh import faults
from livchat_sandbox.ssh.accounts import Account, accounts

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock


def _no_library(name: str) -> str | None:  # noqa: ARG001 - the signature of what it stands for
    return None


def _import_asyncssh() -> Any:
    # On import asyncssh looks for libnettle; without it, root's `ld -o /dev/null` would unlink
    # /dev/null (CPython #91115). No library is looked for while it is imported.
    find = ctypes.util.find_library
    ctypes.util.find_library = _no_library
    try:
        import asyncssh  # noqa: PLC0415
    finally:
        ctypes.util.find_library = find
    return asyncssh


if TYPE_CHECKING:
    import asyncssh
else:
    asyncssh = _import_asyncssh()

_SESSIONS = 10
"""OpenSSH's MaxSessions."""
_LATENCY = 0.2
"""Simulated seconds for a command to go there and back: 20 ms at the default scale."""
_CHUNK = 65536
_LOOK = 0.02
"""Seconds between looks at a unit whose output is waited for."""


def _host_key(user_data: str) -> asyncssh.SSHKey:
    """The host key that cloud-init puts in place, or one that is made."""
    if user_data.startswith("#cloud-config"):
        document = yaml.safe_load(user_data)
        keys = document.get("ssh_keys") if isinstance(document, dict) else None
        if isinstance(keys, dict) and keys.get("ed25519_private"):
            return asyncssh.import_private_key(str(keys["ed25519_private"]))
    return asyncssh.generate_private_key("ssh-ed25519")


class SshHost:
    """Listens on a free port of 127.0.0.1 for one machine."""

    def __init__(self, machine: Machine, clock: Clock, meet: Meet = all_well) -> None:
        self.machine = machine
        self.clock = clock
        self.meet = meet
        self.portainer = PortainerSite(machine, clock, meet)
        self._listeners: list[asyncssh.SSHAcceptor] = []
        self._connections: set[_Connection] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; answers the port. The host key stays the same from start to start."""
        facts = self.machine.facts
        key = await asyncio.to_thread(self._key)
        return await self._listen(key, accounts(facts.user_data, facts.authorized_keys))

    async def door(self, fault: str) -> int:
        """Another port, where it shows another host key (`host_key_changed`) or knows no key."""
        changed = fault == "host_key_changed"
        made = asyncssh.generate_private_key("ssh-ed25519") if changed else self._key()
        return await self._listen(made, accounts(self.machine.facts.user_data, []))

    async def _listen(self, key: asyncssh.SSHKey, allowed: dict[str, Account]) -> int:
        listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Connection(self, allowed),
            server_host_keys=[key],
            password_auth=False,
            kbdint_auth=False,
            gss_host=None,
            allow_scp=False,
            agent_forwarding=False,
            compression_algs=None,
            login_timeout=30,
            keepalive_interval=30,
            server_version="OpenSSH_9.2p1",
        )
        self._listeners.append(listener)
        return listener.get_port()

    def _key(self) -> asyncssh.SSHKey:
        kept = self.machine.files.read("/etc/ssh/ssh_host_ed25519_key")
        if kept is not None:
            return asyncssh.import_private_key(kept)
        key = _host_key(self.machine.facts.user_data)
        text = key.export_private_key().decode()
        self.machine.files.write("/etc/ssh/ssh_host_ed25519_key", text, "0600")
        self.machine.changed()
        return key

    async def stop(self) -> None:
        """Stop listening, and cut off whoever is connected."""
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.abort()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        while self._listeners:
            await self._listeners.pop().wait_closed()
        await self.portainer.close()

    def takes_callers(self) -> bool:
        """Whether a new connection comes through: by the packet filter, and by TCP wrappers."""
        denied = self.machine.files.read("/etc/hosts.deny") or ""
        return self.machine.admits(self.machine.ssh()[0]) and "sshd: ALL" not in denied

    def joined(self, connection: _Connection) -> None:
        """A client is there."""
        self._connections.add(connection)

    def left(self, connection: _Connection) -> None:
        """A client is gone."""
        self._connections.discard(connection)

    async def forward(
        self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]
    ) -> None:
        """Join a forwarded connection to Portainer, until either side ends."""
        ours, theirs = socket.socketpair()
        await self.portainer.connect(theirs)
        local_reader, local_writer = await asyncio.open_connection(sock=ours)
        pumps = {
            asyncio.ensure_future(_pump(reader, local_writer)),
            asyncio.ensure_future(_pump(local_reader, writer)),
        }
        self._pumps |= pumps
        try:
            await asyncio.wait(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            self._pumps -= pumps
            local_writer.close()
            writer.close()


async def _pump(reader: Any, writer: Any) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (OSError, asyncssh.Error):
        writer.close()


class _Connection(asyncssh.SSHServer):
    """One client. Sessions beyond OpenSSH's MaxSessions are refused."""

    def __init__(self, host: SshHost, allowed: dict[str, Account]) -> None:
        self._host = host
        self._allowed = allowed
        self._account = allowed["root"]
        self._sessions = 0
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._host.joined(self)
        if not self._host.takes_callers():
            conn.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._host.left(self)

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    def begin_auth(self, username: str) -> bool:
        self._account = self._allowed.get(username, Account(username, ()))
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        lines = self._account.keys if username == self._account.name else ()
        return key in [asyncssh.import_public_key(line) for line in lines]

    def session_requested(self) -> Any:
        if self._connection is None or self._sessions >= _SESSIONS:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "open failed")
        self._sessions += 1
        return self._connection.create_server_channel(encoding=None), _Session(
            self._host, self._account, self
        )

    def ended(self) -> None:
        """One of its sessions is over."""
        self._sessions -= 1

    def connection_requested(
        self, dest_host: str, dest_port: int, _orig_host: str, _orig_port: int
    ) -> Any:
        if not self._host.portainer.listens(dest_host, dest_port):
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")
        return self._host.forward


class _Session(asyncssh.SSHServerSession[bytes]):
    """One command: no shell, no terminal, no subsystem."""

    def __init__(self, host: SshHost, account: Account, connection: _Connection) -> None:
        self._host = host
        self._account = account
        self._connection = connection
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._line = ""
        self._refused: Answer | None = None
        self._given = bytearray()
        self._waits = False
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def connection_lost(self, _exc: Exception | None) -> None:
        self._connection.ended()
        if self._task is not None:
            self._task.cancel()

    def exec_requested(self, command: str) -> bool:
        line = self._account.as_root(command)
        if isinstance(line, Answer):
            self._refused = line
        else:
            self._line = line
        return True

    def session_started(self) -> None:
        self._waits = dispatch.reads_input(self._line)
        if not self._waits:
            self._begin()

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        if self._waits:
            self._given += data

    def eof_received(self) -> bool:
        if self._waits:
            self._waits = False
            self._begin()
        return True

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._answer())

    async def _answer(self) -> None:
        await self._host.clock.sleep(_LATENCY / 2)
        found = self._refused or await self._run()
        if found is None:
            return
        await self._host.clock.sleep(_LATENCY / 2 + found.seconds)
        if found.unit is not None:
            await self._follow(found, found.unit)
        channel = self._channel
        if channel is None or channel.is_closing():
            return
        channel.write(found.stdout.encode(errors="surrogateescape"))
        channel.write_stderr(found.stderr.encode(errors="surrogateescape"))
        channel.exit(found.code)

    async def _run(self) -> Answer | None:
        """What the command answers; None where it never does, or the connection is gone."""
        fault = self._host.meet("ssh", faults.route(self._line), self._line)
        if fault == "silent":
            await asyncio.sleep(LONGEST)
        if fault in {"silent", "reset"}:
            self._connection.abort()
            return None
        if fault == "slow":
            await pause(self._host.clock)
        found = self._answered(fault)
        if fault == "lost":
            self._connection.abort()
            return None
        return found

    def _answered(self, fault: str | None) -> Answer:
        machine = self._host.machine
        if fault in faults.ENDINGS:
            if not self._line.startswith("systemd-run"):
                return faults.failed(fault, self._line)
            # The unit starts, and what it runs fails.
            machine.spoilt = faults.ENDINGS[fault]
        return dispatch.answer(machine, self._line, bytes(self._given))

    async def _follow(self, found: Answer, unit: str) -> None:
        """Print what a unit prints when it does, until it has ended or was stopped."""
        for at, text, error in found.printed:
            if not await self._reached(at, unit):
                return
            channel, data = self._channel, text.encode(errors="surrogateescape")
            if channel is None or channel.is_closing():
                return
            (channel.write_stderr if error else channel.write)(data)
        while unit in self._host.machine.units:
            await asyncio.sleep(_LOOK)
            self._host.machine.settle()

    async def _reached(self, moment: float, unit: str) -> bool:
        """Whether the unit still ran at that moment."""
        while (left := moment - self._host.clock.now()) > 0:
            if unit not in self._host.machine.units:
                return False
            await asyncio.sleep(min(left, _LOOK))
        return True
