"""The machines that run, by server id, each with its SSH server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from livchat_sandbox.cloud.machine_factory import MachineFactory

if TYPE_CHECKING:
    from livchat_sandbox.faults.effects import ConnectEffect
    from livchat_sandbox.machine.machine import Machine
    from livchat_sandbox.ssh.server import SshServer

log = logging.getLogger(__name__)

# After a restart of the sandbox: each boot makes keys and a listener.
MAX_CONCURRENT_BOOTS = 8


class Fleet:
    """Machines by server id. The machine of a server that is off keeps its disk.

    `on_change` is called with a server's id when what is on its disk changed, or the disk is gone.
    """

    def __init__(self, factory: MachineFactory, on_change: Callable[[int], None]) -> None:
        self._factory = factory
        self._on_change = on_change
        self._machines: dict[int, Machine] = {}
        self._ssh_servers: dict[int, SshServer] = {}
        self._ports: dict[int, int] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._boots = asyncio.Semaphore(MAX_CONCURRENT_BOOTS)

    def power_on(self, server_id: int, make_machine: Callable[[], Machine]) -> None:
        """Switch a machine on in the background; it is made first if the server has none yet."""
        self._queue(server_id, self._switch_on(server_id, make_machine))

    def power_off(self, server_id: int) -> None:
        """Switch a machine off in the background, without a shutdown."""
        self._queue(server_id, self._switch_off(server_id))

    def destroy(self, server_id: int) -> None:
        """Switch a machine off and destroy its disk, in the background."""
        self._queue(server_id, self._destroy(server_id))

    def machine(self, server_id: int) -> Machine | None:
        """Return a server's machine, on or off, or None before its first boot."""
        return self._machines.get(server_id)

    def port(self, server_id: int) -> int | None:
        """Return where a machine's SSH listens on 127.0.0.1, or None while it does not."""
        return self._ports.get(server_id)

    async def faulty_port(self, server_id: int, effect: ConnectEffect) -> int | None:
        """Return another port of a machine's SSH, under a fault; None while it does not listen."""
        ssh_server = self._ssh_servers.get(server_id)
        return None if ssh_server is None else await ssh_server.listen_with_fault(effect)

    def dump(self, server_id: int) -> dict[str, Any] | None:
        """Return what is on a server's disk as JSON data, or None if it has none."""
        machine = self._machines.get(server_id)
        return None if machine is None else machine.dump()

    async def close(self) -> None:
        """Switch all machines off, wait until they are, and let go of them."""
        for server_id in {*self._ssh_servers, *self._tasks}:
            self.power_off(server_id)
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))
        self._machines.clear()

    def _queue(self, server_id: int, work: Coroutine[Any, Any, None]) -> None:
        """Do one thing after the other to a machine, so that it may be stopped while it boots."""
        before = self._tasks.get(server_id)
        task = asyncio.create_task(_after(before, work))
        self._tasks[server_id] = task

        def ended(task: asyncio.Task[None]) -> None:
            if self._tasks.get(server_id) is task:
                del self._tasks[server_id]
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("server %s", server_id, exc_info=error)

        task.add_done_callback(ended)

    async def _switch_on(self, server_id: int, make_machine: Callable[[], Machine]) -> None:
        async with self._boots:
            await self._factory.prepare()
            if server_id in self._ssh_servers:
                return
            if server_id not in self._machines:
                self._machines[server_id] = machine = make_machine()
                machine.on_change = lambda: self._on_change(server_id)
                self._on_change(server_id)
            ssh_server = self._factory.ssh_server(self._machines[server_id])
            self._ports[server_id] = await ssh_server.start()
            self._ssh_servers[server_id] = ssh_server

    async def _switch_off(self, server_id: int) -> None:
        self._ports.pop(server_id, None)
        ssh_server = self._ssh_servers.pop(server_id, None)
        if ssh_server is not None:
            await ssh_server.stop()

    async def _destroy(self, server_id: int) -> None:
        await self._switch_off(server_id)
        if self._machines.pop(server_id, None) is not None:
            self._on_change(server_id)


async def _after(before: asyncio.Task[None] | None, work: Coroutine[Any, Any, None]) -> None:
    if before is not None:
        await asyncio.wait([before])
    await work
