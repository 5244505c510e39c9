"""What becomes of servers over time: created, started, reached, stopped, deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from livchat_sandbox.clock import Clock
from livchat_sandbox.cloud.fleet import Build, Fleet, Hardware, Machine
from livchat_sandbox.cloud.products import Catalog
from livchat_sandbox.scheduler import Agenda
from livchat_sandbox.storage.folder import Folder
from livchat_sandbox.storage.state import Action, PrimaryIp, Server, State

# Simulated seconds. A create takes 22 until SSH answers: 9 to be made, 1 to start, 12 to boot.
DURATIONS = {
    "create_server": 9.0,
    "start_server": 1.0,
    "stop_server": 2.0,
    "shutdown_server": 5.0,
    "reboot_server": 1.0,
    "reset_server": 1.0,
    "rebuild_server": 9.0,
    "delete_server": 3.0,
}
QUICK = 0.5
BOOT = 12.0
# Finished actions that can still be asked for; twice as many may pile up before the old ones go.
KEPT_ACTIONS = 5_000


class World(Protocol):
    """What a lifecycle needs of the world that it moves on."""

    state: State
    clock: Clock
    catalog: Catalog
    folder: Folder

    def changed(self) -> None:
        """The state is not what was saved."""

    def drop_server(self, server: Server) -> None:
        """Forget a server."""

    def ip_of(self, server: Server) -> str:
        """A server's address, or nothing."""

    def new_id(self) -> int:
        """A number that nothing had before."""


class Lifecycle:
    """Actions under way, and what happens when each ends."""

    def __init__(self, world: World, fleet: Fleet) -> None:
        self._world = world
        self._fleet = fleet
        self._agenda = Agenda(world.clock)
        self._busy: Counter[int] = Counter()
        self._ends: dict[str, Callable[[Server], None]] = {
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
        """Go on where the state stands: actions end when they would have, running machines run."""
        for action in self._world.state.actions.values():
            if action.status == "running":
                self._book(action)
        for server in self._world.state.servers.values():
            if server.status == "running" and server.boots_at is not None:
                self._book_boot(server, server.boots_at)

    def clear(self) -> None:
        """Forget what was under way."""
        self._agenda.clear()
        self._busy.clear()

    def locked(self, server: Server) -> bool:
        """Whether an action on this server is under way."""
        return self._busy[server.id] > 0

    def begin(
        self, command: str, server: Server | None, address: PrimaryIp | None = None, wait: float = 0
    ) -> Action:
        """Begin an action on a server or an address, to end after its duration and `wait` more."""
        now = self._world.clock.now()
        seconds = DURATIONS.get(command, QUICK) + wait
        action = Action(
            id=self._world.new_id(),
            command=command,
            started=now,
            ends=now + self._world.clock.scaled(seconds),
            resources=[
                *([(server.id, "server")] if server else []),
                *([(address.id, "primary_ip")] if address else []),
            ],
        )
        self._world.state.actions[action.id] = action
        self._prune()
        self._book(action)
        self._world.changed()
        return action

    def delete(self, server: Server) -> Action:
        """Begin to delete a server; its machine stops at once."""
        server.status = "deleting"
        server.boots_at = None
        self._fleet.stop(server.id)
        return self.begin("delete_server", server)

    def power(self, command: str, status: str, server: Server) -> Action:
        """Begin a change of power; `status` is what the server shows meanwhile."""
        server.status = status
        if command != "start_server":
            server.boots_at = None
            self._fleet.stop(server.id)
        return self.begin(command, server)

    def rebuild(self, server: Server, image: int) -> Action:
        """Begin to put a fresh image on a server; what was on its disk is gone at once."""
        server.image = image
        self._fleet.forget(server.id)
        return self.power("rebuild_server", "rebuilding", server)

    def _book(self, action: Action) -> None:
        for number in _servers(action):
            self._busy[number] += 1
        self._agenda.at(action.ends, lambda: self._end(action))

    def spoil(self, number: int) -> None:
        """Let an action that is under way fail when it ends."""
        action = self._world.state.actions[number]
        if action.status == "running":
            action.error = "the host did not do it"
            self._world.changed()

    def _end(self, action: Action) -> None:
        action.status = "error" if action.error else "success"
        for number in _servers(action):
            self._busy[number] -= 1
            server = self._world.state.servers.get(number)
            effect = self._ends.get(action.command) if action.error is None else self._stopped
            if server is not None and effect is not None:
                effect(server)
            if not self._busy[number]:
                del self._busy[number]
        self._world.changed()

    def _created(self, server: Server) -> None:
        # More to come (start_server) means that it was to be started after the create.
        server.status = "starting" if self._busy[server.id] else "off"

    def _started(self, server: Server) -> None:
        was_up = server.boots_at is not None
        server.status = "running"
        if not was_up:
            boots_at = self._world.clock.now() + self._world.clock.scaled(BOOT)
            server.boots_at = boots_at
            self._book_boot(server, boots_at)

    def _stopped(self, server: Server) -> None:
        server.status = "off"

    def _deleted(self, server: Server) -> None:
        self._fleet.forget(server.id)
        self._world.drop_server(server)

    def _book_boot(self, server: Server, boots_at: float) -> None:
        def boot() -> None:
            # It may have been stopped, or stopped and started again, in the meantime.
            if server.boots_at == boots_at and server.id in self._world.state.servers:
                self._fleet.start(server.id, lambda hardware: self._make(server, hardware))

        self._agenda.at(boots_at, boot)

    def _make(self, server: Server, hardware: Hardware) -> Machine:
        saved = self._world.folder.machine(server.id)
        return hardware.boot(self._build(server)) if saved is None else hardware.load(saved)

    def _build(self, server: Server) -> Build:
        kind = self._world.catalog.server_type(server.type) or {}
        image = self._world.catalog.image(server.image) or {}
        return Build(
            name=server.name,
            ip=self._world.ip_of(server),
            image=image["name"],
            architecture=kind["architecture"],
            cores=kind["cores"],
            memory_gb=kind["memory"],
            disk_gb=kind["disk"],
            user_data=server.user_data,
            authorized_keys=list(server.keys),
        )

    def _prune(self) -> None:
        actions = self._world.state.actions
        if len(actions) <= 2 * KEPT_ACTIONS:
            return
        ended = [number for number, action in actions.items() if action.status != "running"]
        for number in ended[:-KEPT_ACTIONS]:
            del actions[number]


def _servers(action: Action) -> list[int]:
    return [number for number, kind in action.resources if kind == "server"]
