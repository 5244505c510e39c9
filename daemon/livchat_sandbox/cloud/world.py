"""The world behind all protocols: one account's servers, addresses, keys, zones and records."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from livchat_sandbox.clock import Clock
from livchat_sandbox.cloud import addresses
from livchat_sandbox.cloud.fleet import Fleet
from livchat_sandbox.cloud.lifecycle import Callbacks, Lifecycle
from livchat_sandbox.cloud.machine_factory import MachineFactory
from livchat_sandbox.cloud.products import Products
from livchat_sandbox.faults.plan import FaultPlan
from livchat_sandbox.machine.spec import MachineSpec
from livchat_sandbox.storage.autosave import Autosave
from livchat_sandbox.storage.folder import Folder
from livchat_sandbox.storage.state import AccountState, DnsRecord, PrimaryIp, Server

if TYPE_CHECKING:
    from livchat_sandbox.machine.machine import Machine

MAX_ALIAS_HOPS = 8
"""How far a chain of CNAME records is followed."""


class World:
    """The account, and the rules that hold whichever protocol is used. All on one event loop.

    Whoever changes the state calls `mark_dirty`, which is cheap.
    """

    def __init__(self, folder: Folder, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.products = Products.load()
        self.faults = FaultPlan()
        self.state = self._load()
        self._autosave = Autosave(folder, self.state.dump, lambda number: self.fleet.dump(number))
        self._factory = MachineFactory(clock, self.count_and_draw_fault)
        self.fleet = Fleet(self._factory, self._autosave.mark_machine_dirty)
        self.lifecycle = Lifecycle(
            self.state,
            clock,
            self.fleet,
            Callbacks(self.mark_dirty, self._make_machine, self.remove_server),
        )
        self._addresses_by_ip = {each.ip: each for each in self.state.primary_ips.values()}

    def start(self) -> None:
        """Let time pass: resume what was under way, and save what changes."""
        self._autosave.start()
        self.lifecycle.resume()
        self.mark_dirty()

    async def stop(self) -> None:
        """Stop all machines, and save."""
        self.lifecycle.clear()
        # A machine is saved before it is let go; one that is off changes nothing on its disk.
        await self._autosave.stop()
        await self.fleet.close()

    async def reset(self) -> None:
        """Empty the account: no server, record, bill or fault, and another world id."""
        self.faults.set_rules([])
        self.lifecycle.clear()
        await self.fleet.close()
        # Requests may have come in while the machines stopped.
        self.lifecycle.clear()
        self.state.clear(self.clock.now())
        self._addresses_by_ip.clear()
        self.folder.delete_machines()
        self.mark_dirty()

    def mark_dirty(self) -> None:
        """Save the state soon: it is not as it was saved."""
        self._autosave.mark_world_dirty()

    def count_call(self, service: str, route: str) -> None:
        """Count a call of a route."""
        name = f"{service} {route}"
        self.state.calls[name] = self.state.calls.get(name, 0) + 1
        self.mark_dirty()

    def count_and_draw_fault(self, service: str, route: str, command_line: str = "") -> str | None:
        """Count a call, and return the name of the fault that hits it, or None."""
        self.count_call(service, route)
        return self.faults.draw(service, route, command_line)

    def new_address(self, kind: str, location: str, *, name: str | None = None) -> PrimaryIp:
        """Return a fresh address of kind ipv4 or ipv6; without a name it goes with its server."""
        if kind == "ipv4":
            ip, self.state.next_ipv4 = addresses.next_ipv4(
                self.state.next_ipv4, self._addresses_by_ip
            )
        else:
            ip, self.state.next_ipv6 = addresses.next_ipv6_network(self.state.next_ipv6)
        number = self.state.new_id()
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
        self._addresses_by_ip[ip] = address
        self.mark_dirty()
        return address

    def release_address(self, address: PrimaryIp) -> None:
        """Give an address back to the provider."""
        self.unassign(address)
        self.state.primary_ips.pop(address.id, None)
        self._addresses_by_ip.pop(address.ip, None)
        self.mark_dirty()

    def assign(self, address: PrimaryIp, server: Server) -> None:
        """Give an address to a server."""
        address.server = server.id
        if address.kind == "ipv4":
            server.ipv4 = address.id
        else:
            server.ipv6 = address.id
        self.mark_dirty()

    def unassign(self, address: PrimaryIp) -> None:
        """Take an address from the server that has it."""
        server = self.state.servers.get(address.server or 0)
        if server is not None and address.kind == "ipv4":
            server.ipv4 = None
        elif server is not None:
            server.ipv6 = None
        address.server = None
        self.mark_dirty()

    def addresses_of(self, server: Server) -> Iterator[PrimaryIp]:
        """Yield the addresses that a server has, IPv4 first."""
        for address_id in (server.ipv4, server.ipv6):
            if address_id is not None:
                yield self.state.primary_ips[address_id]

    def ip_of(self, server: Server) -> str:
        """Return a server's IPv4 address, else the first of its IPv6 network, or "" for none."""
        for address in self.addresses_of(server):
            return address.ip if address.kind == "ipv4" else address.ip.replace("::/64", "::1")
        return ""

    def remove_server(self, server: Server) -> None:
        """Remove a server with the addresses that are its own; reserved ones stay."""
        for address in list(self.addresses_of(server)):
            if address.auto_delete:
                self.release_address(address)
            else:
                self.unassign(address)
        self.state.servers.pop(server.id, None)
        self.mark_dirty()

    def server_with_ip(self, ip: str) -> Server | None:
        """Return the server that has this IPv4 address, whatever its status, or None."""
        address = self._addresses_by_ip.get(ip)
        return None if address is None else self.state.servers.get(address.server or 0)

    def machine_for(self, host: str) -> Machine | None:
        """Return the running machine that the DNS records of a host point at, or None."""
        for ip in self.resolve(host):
            server = self.server_with_ip(ip)
            if server is not None and self.fleet.port(server.id) is not None:
                return self.fleet.machine(server.id)
        return None

    def resolve(self, host: str) -> list[str]:
        """Return a host's IPv4 addresses by the account's DNS, through CNAMEs and wildcards."""
        for _ in range(MAX_ALIAS_HOPS):
            records = self._records_for(host)
            target = next((each.content for each in records if each.type == "CNAME"), None)
            if target is None:
                return [record.content for record in records if record.type == "A"]
            host = target.rstrip(".").lower()
        return []

    def server_types(self) -> list[dict[str, Any]]:
        """Return all server types, with what is in stock now."""
        return [self.with_stock(server_type) for server_type in self.products.server_types]

    def with_stock(self, server_type: dict[str, Any]) -> dict[str, Any]:
        """Return a server type with what is in stock of it now."""
        stock, name = self.state.stock, server_type["name"]
        locations = [
            {**each, "available": stock.get(f"{name}@{each['name']}", each["available"])}
            for each in server_type["locations"]
        ]
        return {**server_type, "locations": locations}

    def bill_monthly(self) -> Decimal:
        """Return the gross price a month of all that exists."""
        servers = sum(
            (
                self.products.server_price_monthly(server.type, server.location)
                for server in self.state.servers.values()
            ),
            Decimal(0),
        )
        ips = sum(
            (
                self.products.address_price_monthly(address.kind)
                for address in self.state.primary_ips.values()
            ),
            Decimal(0),
        )
        return servers + ips

    def _records_for(self, host: str) -> list[DnsRecord]:
        """Return the records of a name, or those of the wildcard beside it."""
        records = self.state.records.values()
        _, _, parent = host.partition(".")
        exact = [record for record in records if record.name == host]
        return exact or [record for record in records if record.name == f"*.{parent}"]

    def _make_machine(self, server: Server) -> Machine:
        saved = self.folder.read_machine(server.id)
        return (
            self._factory.boot(self._spec(server)) if saved is None else self._factory.load(saved)
        )

    def _spec(self, server: Server) -> MachineSpec:
        server_type = self.products.server_type(server.type) or {}
        image = self.products.image(server.image) or {}
        return MachineSpec(
            name=server.name,
            ip=self.ip_of(server),
            image=image["name"],
            architecture=server_type["architecture"],
            cores=server_type["cores"],
            memory_gb=server_type["memory"],
            disk_gb=server_type["disk"],
            user_data=server.user_data,
            authorized_keys=list(server.keys),
        )

    def _load(self) -> AccountState:
        saved: dict[str, Any] | None = self.folder.read_world()
        if saved is not None:
            try:
                return AccountState.load(saved)
            except (KeyError, TypeError, AttributeError):
                pass  # Another version's world: a sandbox begins anew rather than not at all.
        self.folder.delete_machines()
        return AccountState.new(self.clock.now())
