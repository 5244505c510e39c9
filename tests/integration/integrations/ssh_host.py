"""A server with a real SSH daemon on loopback, whose commands a simulated machine answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import time
from typing import Any

from livchat.asyncssh_guard import asyncssh
from livchat_sandbox.clock import Clock
from livchat_sandbox.commands import dispatch
from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.machine.spec import MachineSpec
from livchatd.integrations.ssh.interfaces import Endpoint

Answers = Callable[[str, bytes], Awaitable[tuple[bytes, bytes, int]]]


def public(key: Any) -> str:
    return str(key.export_public_key("openssh").decode().strip())


class Host:
    """Takes one client key; `answers` may be replaced by the test, `lines` holds what was run."""

    def __init__(self, scale: float = 0) -> None:
        self.keys = [asyncssh.generate_private_key("ssh-ed25519")]
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        spec = MachineSpec(
            name="prod-01",
            ip="192.0.2.1",
            image="debian-12",
            architecture="x86",
            cores=2,
            memory_gb=4,
            disk_gb=40,
            user_data="",
            authorized_keys=[],
        )
        self.machine = Machine.boot(spec, Clock(scale))
        self.answers: Answers = self.simulate
        self.lines: list[str] = []
        self.logins = 0
        self.at_once = 0
        self.most_at_once = 0
        self.port = 0
        self.connections: list[Any] = []
        self._listener: Any = None

    async def simulate(self, line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        found = dispatch.execute(self.machine, line, stdin)
        return found.stdout.encode(), found.stderr.encode(), found.exit_status

    async def start(self) -> None:
        host = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, conn: Any) -> None:
                host.connections.append(conn)

            def auth_completed(self) -> None:
                host.logins += 1

            def connection_requested(self, *_: Any) -> bool:
                return True

        self._listener = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=Server,
            server_host_keys=self.keys,
            authorized_client_keys=asyncssh.import_authorized_keys(public(self.client_key)),
            process_factory=self._serve,
            encoding=None,
        )
        self.port = self._listener.get_port()

    async def stop(self) -> None:
        self._listener.close()
        await self._listener.wait_closed()
        await self.cut()

    def end(self, unit: str) -> None:
        """Let a unit print the rest, and end, now."""
        work, moment = self.machine.units[unit].work, time()
        work.lines = [(min(at, moment), text) for at, text in work.lines]
        work.ends_at = moment

    async def cut(self) -> None:
        """Lose all connections, as a network does."""
        connections, self.connections = self.connections, []
        for connection in connections:
            connection.abort()
        for connection in connections:
            await connection.wait_closed()

    def endpoint(self, **changed: Any) -> Endpoint:
        given: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "root",
            "private_key": self.client_key.export_private_key("openssh").decode(),
            "host_key": public(self.keys[0]),
        }
        return Endpoint(**{**given, **changed})

    async def _serve(self, process: Any) -> None:
        self.lines.append(process.command)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            stdin = await process.stdin.read()
            stdout, stderr, code = await self.answers(process.command, stdin)
            process.stdout.write(stdout)
            process.stderr.write(stderr)
            process.exit(code)
        except (asyncssh.Error, OSError):
            pass
        finally:
            self.at_once -= 1


class Book:
    """Where servers are, as the daemon's inventory tells it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.asked = 0

    async def lookup(self, server: str) -> Endpoint:
        self.asked += 1
        return self.endpoint


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that will be so; the test's own time-out bounds it."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)
