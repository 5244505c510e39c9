"""The world behind all protocols: one account's servers, addresses, keys, zones and records."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from livchat_sandbox.clock import Clock
from livchat_sandbox.cloud import addresses
from livchat_sandbox.cloud.fleet import Fleet, Hardware, Machine
from livchat_sandbox.cloud.lifecycle import Lifecycle
from livchat_sandbox.cloud.products import Catalog
from livchat_sandbox.faults.plan import Plan
from livchat_sandbox.storage.autosave import Keeper
from livchat_sandbox.storage.folder import Folder
from livchat_sandbox.storage.state import PrimaryIp, Record, Server, State

# A chain of aliases is followed this far.
HOPS = 8


class World:
    """The state, and the rules that hold whoever asks. All on one event loop.

    Whoever changes the state calls `changed`, which is cheap.
    """

    def __init__(self, folder: Folder, clock: Clock, hardware: Hardware | None = None) -> None:
        self.folder = folder
        self.clock = clock
        self.catalog = Catalog.load()
        self.faults = Plan()
        self.state = self._load()
        self._keeper = Keeper(folder, lambda: self.state.dump(), lambda n: self.fleet.dump(n))
        made = hardware or Hardware(clock, self.meet)
        self.fleet = Fleet(made, self._keeper.machine_changed)
        self.lifecycle = Lifecycle(self, self.fleet)
        self._by_ip = {address.ip: address for address in self.state.primary_ips.values()}

    def start(self) -> None:
        """Let time pass: resume what was under way, and save what changes."""
        self._keeper.start()
        self.lifecycle.resume()
        self.changed()

    async def stop(self) -> None:
        """Stop all machines, and save."""
        self.lifecycle.clear()
        # A machine is saved before it is let go; a stopped host changes nothing on its disk.
        await self._keeper.stop()
        await self.fleet.close()

    async def reset(self) -> None:
        """Empty the account: no server, record, bill or fault; and another world id."""
        self.faults.put([])
        self.lifecycle.clear()
        await self.fleet.close()
        # Requests may have come in while the machines stopped.
        self.lifecycle.clear()
        self.state = self.state.emptied(self.clock.now())
        self._by_ip.clear()
        self.folder.delete_machines()
        self.changed()

    def changed(self) -> None:
        """The state is not what was saved."""
        self._keeper.world_changed()

    def count(self, service: str, route: str) -> None:
        """Count a call."""
        name = f"{service} {route}"
        self.state.calls[name] = self.state.calls.get(name, 0) + 1
        self._keeper.world_changed()

    def meet(self, service: str, route: str, line: str = "") -> str | None:
        """Count a call, and say whether it fails."""
        self.count(service, route)
        return self.faults.next(service, route, line)

    def new_id(self) -> int:
        """A number that nothing had before."""
        self.state.last_id += 1
        return self.state.last_id

    def new_address(self, kind: str, location: str, *, name: str | None = None) -> PrimaryIp:
        """A fresh address of kind ipv4 or ipv6; without a name it goes with its server."""
        if kind == "ipv4":
            ip, self.state.next_ipv4 = addresses.ipv4(self.state.next_ipv4, self._by_ip)
        else:
            ip, self.state.next_ipv6 = addresses.ipv6(self.state.next_ipv6)
        number = self.new_id()
        address = PrimaryIp(
            id=number,
            name=name or f"primary_ip-{number}",
            kind=kind,
            ip=ip,
            location=location,
            labels={},
            created=self.clock.now(),
            auto_delete=name is None,
        )
        self.state.primary_ips[number] = address
        self._by_ip[ip] = address
        self.changed()
        return address

    def drop_address(self, address: PrimaryIp) -> None:
        """Give an address back."""
        self.unassign(address)
        self.state.primary_ips.pop(address.id, None)
        self._by_ip.pop(address.ip, None)
        self.changed()

    def assign(self, address: PrimaryIp, server: Server) -> None:
        """Give an address to a server."""
        address.server = server.id
        if address.kind == "ipv4":
            server.ipv4 = address.id
        else:
            server.ipv6 = address.id
        self.changed()

    def unassign(self, address: PrimaryIp) -> None:
        """Take an address from the server that has it."""
        server = self.state.servers.get(address.server or 0)
        if server is not None and address.kind == "ipv4":
            server.ipv4 = None
        elif server is not None:
            server.ipv6 = None
        address.server = None
        self.changed()

    def addresses_of(self, server: Server) -> Iterator[PrimaryIp]:
        """The addresses that a server has."""
        for number in (server.ipv4, server.ipv6):
            if number is not None:
                yield self.state.primary_ips[number]

    def ip_of(self, server: Server) -> str:
        """A server's IPv4 address, else the first of its IPv6 network, or nothing."""
        for address in self.addresses_of(server):
            return address.ip if address.kind == "ipv4" else address.ip.replace("::/64", "::1")
        return ""

    def drop_server(self, server: Server) -> None:
        """Forget a server: its own addresses go with it, reserved ones stay."""
        for address in list(self.addresses_of(server)):
            if address.auto_delete:
                self.drop_address(address)
            else:
                self.unassign(address)
        self.state.servers.pop(server.id, None)
        self.changed()

    def server_at(self, ip: str) -> Server | None:
        """The server that has this IPv4 address, in whatever state."""
        address = self._by_ip.get(ip)
        return None if address is None else self.state.servers.get(address.server or 0)

    def machine_for(self, host: str) -> Machine | None:
        """The running machine that a host's DNS records point at."""
        for ip in self.resolve(host):
            server = self.server_at(ip)
            if server is not None and self.fleet.port(server.id) is not None:
                return self.fleet.machine(server.id)
        return None

    def resolve(self, host: str) -> list[str]:
        """The IPv4 addresses of a host by the account's DNS; aliases and wildcards are followed."""
        for _ in range(HOPS):
            records = self._records(host)
            alias = next((r.content for r in records if r.type == "CNAME"), None)
            if alias is None:
                return [record.content for record in records if record.type == "A"]
            host = alias.rstrip(".").lower()
        return []

    def server_types(self) -> list[dict[str, Any]]:
        """The catalogue's types, with what is in stock now."""
        return [self.in_stock(kind) for kind in self.catalog.server_types]

    def in_stock(self, kind: dict[str, Any]) -> dict[str, Any]:
        """A type with what is in stock of it now."""
        stock, name = self.state.stock, kind["name"]
        places = [
            {**place, "available": stock.get(f"{name}@{place['name']}", place["available"])}
            for place in kind["locations"]
        ]
        return {**kind, "locations": places}

    def bill_monthly(self) -> Decimal:
        """What all that exists costs a month, gross."""
        servers = sum(
            (self.catalog.monthly(s.type, s.location) for s in self.state.servers.values()),
            Decimal(0),
        )
        ips = sum(
            (self.catalog.address_monthly(a.kind) for a in self.state.primary_ips.values()),
            Decimal(0),
        )
        return servers + ips

    def _records(self, host: str) -> list[Record]:
        _, _, parent = host.partition(".")
        exact = [record for record in self.state.records.values() if record.name == host]
        wild = f"*.{parent}"
        return exact or [record for record in self.state.records.values() if record.name == wild]

    def _load(self) -> State:
        saved: dict[str, Any] | None = self.folder.world()
        if saved is not None:
            try:
                return State.load(saved)
            except (KeyError, TypeError, AttributeError):
                pass  # Another version's world: a sandbox begins anew rather than not at all.
        self.folder.delete_machines()
        return State.new(self.clock.now())
