"""Makes the machines behind servers, and their SSH servers, from modules that are loaded late.

The machines' modules bring asyncssh, half a second of imports: a sandbox without a server does
without them.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from livchat_sandbox.clock import Clock
from livchat_sandbox.faults.plan import FaultDraw, no_faults
from livchat_sandbox.machine.spec import MachineSpec

if TYPE_CHECKING:
    from livchat_sandbox.machine.machine import Machine
    from livchat_sandbox.ssh.server import SshServer


class MachineFactory:
    """Makes machines and their SSH servers. `prepare` comes before everything else."""

    def __init__(self, clock: Clock, draw_fault: FaultDraw = no_faults) -> None:
        self._clock = clock
        self._draw_fault = draw_fault

    async def prepare(self) -> None:
        """Load what machines need, in a thread."""
        await asyncio.to_thread(importlib.import_module, "livchat_sandbox.ssh.server")

    def boot(self, spec: MachineSpec) -> Machine:
        """Return a machine that boots now, fresh from its image."""
        module = importlib.import_module("livchat_sandbox.machine.machine")
        machine: Machine = module.Machine.boot(spec, self._clock)
        return machine

    def load(self, data: dict[str, Any]) -> Machine:
        """Return a machine from its dump."""
        module = importlib.import_module("livchat_sandbox.machine.machine")
        machine: Machine = module.Machine.load(data, self._clock)
        return machine

    def ssh_server(self, machine: Machine) -> SshServer:
        """Return the SSH server of a machine, which does not listen yet."""
        module = importlib.import_module("livchat_sandbox.ssh.server")
        server: SshServer = module.SshServer(machine, self._clock, self._draw_fault)
        return server
