"""The SSH server of a simulated machine: public keys, listed commands, one tunnel to Portainer."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import yaml

from livchat_sandbox.faults.effects import ConnectEffect
from livchat_sandbox.faults.plan import FaultDraw, no_faults
from livchat_sandbox.portainer.app import PortainerApi
from livchat_sandbox.ssh.accounts import Account, parse_accounts
from livchat_sandbox.ssh.asyncssh_guard import asyncssh
from livchat_sandbox.ssh.session import CommandSession, Target

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock
    from livchat_sandbox.machine.machine import Machine

_HOST_KEY_FILE = "/etc/ssh/ssh_host_ed25519_key"
_MAX_SESSIONS = 10
"""OpenSSH's default of MaxSessions."""
_CHUNK_BYTES = 65536


class SshServer:
    """Listens on a free port of 127.0.0.1 for one machine."""

    def __init__(self, machine: Machine, clock: Clock, draw_fault: FaultDraw = no_faults) -> None:
        self.target = Target(machine, clock, draw_fault)
        self.portainer = PortainerApi(machine, clock, draw_fault)
        self._machine = machine
        self._listeners: list[asyncssh.SSHAcceptor] = []
        self._connections: set[_Connection] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen, and return the port. The host key stays the same from start to start."""
        facts = self._machine.facts
        key = await asyncio.to_thread(self._host_key)
        return await self._listen(key, parse_accounts(facts.user_data, facts.authorized_keys))

    async def listen_with_fault(self, effect: ConnectEffect) -> int:
        """Listen on another port that lets no key in, or shows another host key; return it."""
        other = effect is ConnectEffect.OTHER_HOST_KEY
        key = asyncssh.generate_private_key("ssh-ed25519") if other else self._host_key()
        return await self._listen(key, parse_accounts(self._machine.facts.user_data, []))

    async def stop(self) -> None:
        """Stop listening, and cut all connections."""
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

    def accepts_connections(self) -> bool:
        """Whether the packet filter and TCP wrappers let a new connection in."""
        denied = self._machine.files.read("/etc/hosts.deny") or ""
        return self._machine.port_open(self._machine.ssh_listener()[0]) and (
            "sshd: ALL" not in denied
        )

    def add(self, connection: _Connection) -> None:
        """Keep a new connection, to be cut when the server stops."""
        self._connections.add(connection)

    def remove(self, connection: _Connection) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)

    async def forward(
        self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]
    ) -> None:
        """Join a forwarded connection to Portainer, until either side ends."""
        near, far = socket.socketpair()
        await self.portainer.serve_connection(far)
        local_reader, local_writer = await asyncio.open_connection(sock=near)
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

    async def _listen(self, key: asyncssh.SSHKey, accounts: dict[str, Account]) -> int:
        listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Connection(self, accounts),
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

    def _host_key(self) -> asyncssh.SSHKey:
        """Return the machine's host key, which is written to its disk at the first start."""
        saved = self._machine.files.read(_HOST_KEY_FILE)
        if saved is not None:
            return asyncssh.import_private_key(saved)
        key = _first_host_key(self._machine.facts.user_data)
        self._machine.files.write(_HOST_KEY_FILE, key.export_private_key().decode(), "0600")
        self._machine.on_change()
        return key


def _first_host_key(user_data: str) -> asyncssh.SSHKey:
    """Return the host key of a cloud-config, or a new one."""
    if user_data.startswith("#cloud-config"):
        document = yaml.safe_load(user_data)
        keys = document.get("ssh_keys") if isinstance(document, dict) else None
        if isinstance(keys, dict) and keys.get("ed25519_private"):
            return asyncssh.import_private_key(str(keys["ed25519_private"]))
    return asyncssh.generate_private_key("ssh-ed25519")


async def _pump(reader: Any, writer: Any) -> None:
    """Copy a stream to another until it ends, and end the other."""
    try:
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (OSError, asyncssh.Error):
        writer.close()


class _Connection(asyncssh.SSHServer):
    """One client. Sessions beyond OpenSSH's MaxSessions are refused."""

    def __init__(self, server: SshServer, accounts: dict[str, Account]) -> None:
        self._server = server
        self._accounts = accounts
        self._account = accounts["root"]
        self._sessions = 0
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._server.add(self)
        if not self._server.accepts_connections():
            conn.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._server.remove(self)

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    def begin_auth(self, username: str) -> bool:
        self._account = self._accounts.get(username, Account(username, ()))
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        lines = self._account.keys if username == self._account.name else ()
        return key in [asyncssh.import_public_key(line) for line in lines]

    def session_requested(self) -> Any:
        if self._connection is None or self._sessions >= _MAX_SESSIONS:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "open failed")
        self._sessions += 1
        session = CommandSession(
            self._server.target, self._account, self.abort, self._session_ended
        )
        return self._connection.create_server_channel(encoding=None), session

    def connection_requested(
        self, dest_host: str, dest_port: int, _orig_host: str, _orig_port: int
    ) -> Any:
        if not self._server.portainer.listens_on(dest_host, dest_port):
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")
        return self._server.forward

    def _session_ended(self) -> None:
        self._sessions -= 1
