"""What becomes of servers over time: created, started, booted, stopped, deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livchat_sandbox.clock import Clock
from livchat_sandbox.cloud.fleet import Fleet
from livchat_sandbox.scheduler import Scheduler
from livchat_sandbox.storage.state import AccountState, Action, PrimaryIp, Server

if TYPE_CHECKING:
    from livchat_sandbox.machine.machine import Machine

ACTION_SECONDS = {
    "create_server": 9.0,
    "start_server": 1.0,
    "stop_server": 2.0,
    "shutdown_server": 5.0,
    "reboot_server": 1.0,
    "reset_server": 1.0,
    "rebuild_server": 9.0,
    "delete_server": 3.0,
}
"""Simulated seconds: a new server takes 22 until SSH answers, 9 to be made, 1 to start, 12 to boot.
"""
OTHER_ACTION_SECONDS = 0.5
BOOT_SECONDS = 12.0
MAX_ENDED_ACTIONS = 5_000
"""Ended actions that can still be asked for; twice as many may pile up before the old ones go."""


@dataclass(frozen=True)
class Callbacks:
    """What the rest of the account does for the lifecycle of servers."""

    on_change: Callable[[], None]
    """Is called when the state changed."""
    make_machine: Callable[[Server], Machine]
    """Returns the machine of a server that boots, from its saved disk if there is one."""
    remove_server: Callable[[Server], None]
    """Is called when a server is deleted, to remove what goes with it."""


class Lifecycle:
    """Actions under way, and what happens to servers when each ends."""

    def __init__(
        self, state: AccountState, clock: Clock, fleet: Fleet, callbacks: Callbacks
    ) -> None:
        self._state = state
        self._clock = clock
        self._fleet = fleet
        self._callbacks = callbacks
        self._scheduler = Scheduler(clock)
        self._actions_of: Counter[int] = Counter()
        self._effects: dict[str, Callable[[Server], None]] = {
            "create_server": self._created,
            "start_server": self._started,
            "stop_server": self._stopped,
            "shutdown_server": self._stopped,
            "reboot_server": self._started,
            "reset_server": self._started,
            "rebuild_server": self._started,
            "delete_server": self._deleted,
        }

    def resume(self) -> None:
        """Go on from the state: actions end when they would have, running machines boot again."""
        for action in self._state.actions.values():
            if action.status == "running":
                self._schedule_end(action)
        for server in self._state.servers.values():
            if server.status == "running" and server.boots_at is not None:
                self._schedule_boot(server, server.boots_at)

    def clear(self) -> None:
        """Drop all that is under way."""
        self._scheduler.clear()
        self._actions_of.clear()

    def is_locked(self, server: Server) -> bool:
        """Whether an action on this server is under way."""
        return self._actions_of[server.id] > 0

    def begin_action(
        self,
        command: str,
        server: Server | None,
        address: PrimaryIp | None = None,
        delay: float = 0,
    ) -> Action:
        """Begin an action on a server, an address or both, and return it.

        It ends after its duration and `delay` more simulated seconds.
        """
        now = self._clock.now()
        seconds = ACTION_SECONDS.get(command, OTHER_ACTION_SECONDS) + delay
        action = Action(
            id=self._state.new_id(),
            command=command,
            started=now,
            ends=now + self._clock.scaled(seconds),
            resources=[
                *([(server.id, "server")] if server else []),
                *([(address.id, "primary_ip")] if address else []),
            ],
        )
        self._state.actions[action.id] = action
        self._prune()
        self._schedule_end(action)
        self._callbacks.on_change()
        return action

    def begin_deletion(self, server: Server) -> Action:
        """Begin to delete a server; its machine stops at once."""
        server.status = "deleting"
        server.boots_at = None
        self._fleet.power_off(server.id)
        return self.begin_action("delete_server", server)

    def begin_power_change(self, command: str, status: str, server: Server) -> Action:
        """Begin to switch a server on or off; `status` is what it shows meanwhile."""
        server.status = status
        if command != "start_server":
            server.boots_at = None
            self._fleet.power_off(server.id)
        return self.begin_action(command, server)

    def begin_rebuild(self, server: Server, image: int) -> Action:
        """Begin to put a fresh image on a server; what was on its disk is gone at once."""
        server.image = image
        self._fleet.destroy(server.id)
        return self.begin_power_change("rebuild_server", "rebuilding", server)

    def make_fail(self, action_id: int) -> None:
        """Let an action that is under way fail when it ends."""
        action = self._state.actions[action_id]
        if action.status == "running":
            action.error = "the host did not do it"
            self._callbacks.on_change()

    def _schedule_end(self, action: Action) -> None:
        for server_id in _server_ids(action):
            self._actions_of[server_id] += 1
        self._scheduler.call_at(action.ends, lambda: self._end(action))

    def _end(self, action: Action) -> None:
        action.status = "error" if action.error else "success"
        for server_id in _server_ids(action):
            self._actions_of[server_id] -= 1
            server = self._state.servers.get(server_id)
            effect = self._effects.get(action.command) if action.error is None else self._stopped
            if server is not None and effect is not None:
                effect(server)
            if not self._actions_of[server_id]:
                del self._actions_of[server_id]
        self._callbacks.on_change()

    def _created(self, server: Server) -> None:
        # Another action (start_server) means that it is to be started after it was created.
        server.status = "starting" if self._actions_of[server.id] else "off"

    def _started(self, server: Server) -> None:
        was_up = server.boots_at is not None
        server.status = "running"
        if not was_up:
            boots_at = self._clock.now() + self._clock.scaled(BOOT_SECONDS)
            server.boots_at = boots_at
            self._schedule_boot(server, boots_at)

    def _stopped(self, server: Server) -> None:
        server.status = "off"

    def _deleted(self, server: Server) -> None:
        self._fleet.destroy(server.id)
        self._callbacks.remove_server(server)

    def _schedule_boot(self, server: Server, boots_at: float) -> None:
        def boot() -> None:
            # It may have been stopped, or stopped and started again, in the meantime.
            if server.boots_at == boots_at and server.id in self._state.servers:
                self._fleet.power_on(server.id, lambda: self._callbacks.make_machine(server))

        self._scheduler.call_at(boots_at, boot)

    def _prune(self) -> None:
        actions = self._state.actions
        if len(actions) <= 2 * MAX_ENDED_ACTIONS:
            return
        ended = [action.id for action in actions.values() if action.status != "running"]
        for action_id in ended[:-MAX_ENDED_ACTIONS]:
            del actions[action_id]


def _server_ids(action: Action) -> list[int]:
    return [resource_id for resource_id, kind in action.resources if kind == "server"]
