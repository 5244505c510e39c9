"""The machines that run, each with its SSH host. asyncssh is loaded when the first one boots."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from livchat_sandbox.clock import Clock
from livchat_sandbox.faults.plan import Meet, all_well

log = logging.getLogger(__name__)

# Hosts started at once after a restart: each makes keys and a listener.
STARTING = 8


class Site(Protocol):
    """What a machine's proxy answers for one address."""

    status: int
    content_type: str
    body: str
    headers: dict[str, str]


class Machine(Protocol):
    """A simulated computer: what is on its disk and what runs on it."""

    changed: Callable[[], None]

    def dump(self) -> dict[str, Any]:
        """What it holds, as JSON data."""

    def site(self, host: str, path: str, authorization: str = "") -> Site | None:
        """What its proxy answers, or None where no router takes the host."""

    def stacks(self) -> list[dict[str, Any]]:
        """Its stacks: name, services."""


class Host(Protocol):
    """The SSH server of a machine."""

    async def start(self) -> int:
        """Listen on loopback; the port."""

    async def door(self, fault: str) -> int:
        """Another port, where it shows another host key or lets nobody in."""

    async def stop(self) -> None:
        """Close the listener and all connections."""


@dataclass(frozen=True)
class Build:
    """What a machine is made of. `memory_gb` and `disk_gb` in GB; keys as OpenSSH lines."""

    name: str
    ip: str
    image: str
    architecture: str
    cores: int
    memory_gb: float
    disk_gb: int
    user_data: str
    authorized_keys: list[str]


class Hardware:
    """Makes machines and their SSH hosts."""

    def __init__(self, clock: Clock, meet: Meet = all_well) -> None:
        self._clock = clock
        self._meet = meet

    async def ready(self) -> None:
        """Load what machines need, in a thread: half a second of imports."""
        await asyncio.to_thread(importlib.import_module, "livchat_sandbox.ssh.server")

    def boot(self, build: Build) -> Machine:
        """A machine fresh from its image."""
        module = importlib.import_module("livchat_sandbox.machine.machine")
        machine: Machine = module.Machine.boot(**asdict(build), clock=self._clock)
        return machine

    def load(self, data: dict[str, Any]) -> Machine:
        """A machine as it was dumped."""
        module = importlib.import_module("livchat_sandbox.machine.machine")
        machine: Machine = module.Machine.load(data, self._clock)
        return machine

    def host(self, machine: Machine) -> Host:
        """The SSH host of a machine, not listening yet."""
        module = importlib.import_module("livchat_sandbox.ssh.server")
        host: Host = module.SshHost(machine, self._clock, self._meet)
        return host


class Fleet:
    """Machines by server id. One whose server is off keeps its disk and listens nowhere."""

    def __init__(self, hardware: Hardware, changed: Callable[[int], None]) -> None:
        self._hardware = hardware
        self._changed = changed
        self._machines: dict[int, Machine] = {}
        self._hosts: dict[int, Host] = {}
        self._ports: dict[int, int] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._gate = asyncio.Semaphore(STARTING)

    def start(self, number: int, make: Callable[[Hardware], Machine]) -> None:
        """Switch a machine on, in the background; `make` is called if it has no disk yet."""
        self._follow(number, self._switch_on(number, make))

    def stop(self, number: int) -> None:
        """Pull a machine's plug, in the background."""
        self._follow(number, self._switch_off(number))

    def forget(self, number: int) -> None:
        """Pull the plug and destroy the disk, in the background."""
        self._follow(number, self._destroy(number))

    def machine(self, number: int) -> Machine | None:
        """A server's machine, on or off, or None before its first boot."""
        return self._machines.get(number)

    def port(self, number: int) -> int | None:
        """Where its SSH listens on 127.0.0.1, or None while it does not."""
        return self._ports.get(number)

    async def door(self, number: int, fault: str) -> int | None:
        """Where its SSH listens under a fault of connecting; None while it does not listen."""
        host = self._hosts.get(number)
        return None if host is None else await host.door(fault)

    def dump(self, number: int) -> dict[str, Any] | None:
        """What is on a server's disk, or None if there is none."""
        machine = self._machines.get(number)
        return None if machine is None else machine.dump()

    async def close(self) -> None:
        """Stop all hosts, wait until they have, and let go of the machines."""
        for number in {*self._hosts, *self._tasks}:
            self.stop(number)
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))
        self._machines.clear()

    def _follow(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        """Do one thing after the other on the same machine: a plug pulled while it boots counts."""
        before = self._tasks.get(number)
        task = asyncio.create_task(_after(before, work))
        self._tasks[number] = task

        def ended(task: asyncio.Task[None]) -> None:
            if self._tasks.get(number) is task:
                del self._tasks[number]
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("server %s", number, exc_info=error)

        task.add_done_callback(ended)

    async def _switch_on(self, number: int, make: Callable[[Hardware], Machine]) -> None:
        async with self._gate:
            await self._hardware.ready()
            if number in self._hosts:
                return
            if number not in self._machines:
                self._machines[number] = machine = make(self._hardware)
                machine.changed = lambda: self._changed(number)
                self._changed(number)
            host = self._hardware.host(self._machines[number])
            self._ports[number] = await host.start()
            self._hosts[number] = host

    async def _switch_off(self, number: int) -> None:
        self._ports.pop(number, None)
        host = self._hosts.pop(number, None)
        if host is not None:
            await host.stop()

    async def _destroy(self, number: int) -> None:
        await self._switch_off(number)
        if self._machines.pop(number, None) is not None:
            self._changed(number)


async def _after(before: asyncio.Task[None] | None, work: Coroutine[Any, Any, None]) -> None:
    if before is not None:
        await asyncio.wait([before])
    await work
