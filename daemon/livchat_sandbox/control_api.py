"""The sandbox's own API: what exists in it, where machines are reached, faults, reset and stop."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, assert_never

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.faults.effects import ConnectEffect
from livchat_sandbox.faults.http import Handler, slow_answer_delay
from livchat_sandbox.faults.plan import InvalidRule, Rule
from livchat_sandbox.faults.registry import CONNECT, FAULTS, SSH
from livchat_sandbox.net.dead_ports import DeadPorts

KNOWN_FAULTS = [
    {
        "service": service,
        "fault": name,
        "words": fault.description,
        "passes": fault.transient,
    }
    for service, faults in FAULTS.items()
    for name, fault in faults.items()
]
"""All faults, as the API shows them."""
SYSTEM_DATABASES = frozenset({"postgres", "template0", "template1"})
"""The databases that every PostgreSQL server has from the start."""


class ControlApi:
    """Control of the sandbox, for callers who have its token."""

    def __init__(
        self,
        world: World,
        dead_ports: DeadPorts,
        request_stop: Callable[[], None],
        write_address: Callable[[], Awaitable[None]],
    ) -> None:
        self._world = world
        self._dead_ports = dead_ports
        self._request_stop = request_stop
        self._write_address = write_address

    def app(self) -> web.Application:
        """Return the application to be served."""
        app = web.Application(middlewares=[self._check_token])
        app.add_routes(
            [
                web.get("/control/health", self.health),
                web.get("/control/status", self.status),
                web.get("/control/where/{ip}", self.where),
                web.get("/control/machines/{name}", self.machine),
                web.post("/control/stock/{type}/{location}/{state:in|out}", self.set_stock),
                web.post("/control/tokens/{zone}", self.create_token),
                web.delete("/control/tokens/{zone}", self.revoke_tokens),
                web.get("/control/faults", self.faults),
                web.put("/control/faults", self.set_faults),
                web.delete("/control/faults", self.clear_faults),
                web.post("/control/reset", self.reset),
                web.post("/control/stop", self.stop),
            ]
        )
        return app

    async def health(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Show that the sandbox runs, and which world it is."""
        return web.json_response({"status": "ok", "world": self._world.state.world})

    async def status(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Show all that exists."""
        world, state = self._world, self._world.state
        zones = {zone.id: zone.name for zone in state.zones.values()}
        return web.json_response(
            {
                "servers": [
                    {
                        "name": server.name,
                        "id": server.id,
                        "status": server.status,
                        "server_type": server.type,
                        "location": server.location,
                        "ip": world.ip_of(server) or None,
                    }
                    for server in state.servers.values()
                ],
                "primary_ips": [
                    {
                        "id": address.id,
                        "name": address.name,
                        "type": address.kind,
                        "ip": address.ip,
                        "location": address.location,
                        "server": address.server,
                        "labels": address.labels,
                    }
                    for address in state.primary_ips.values()
                ],
                "ssh_keys": [
                    {"id": key.id, "name": key.name, "labels": key.labels}
                    for key in state.ssh_keys.values()
                ],
                "dns_records": [
                    {
                        "name": record.name,
                        "type": record.type,
                        "content": record.content,
                        "comment": record.comment,
                        "zone": zones[record.zone],
                    }
                    for record in state.records.values()
                ],
                "stacks": self._stacks(),
                "calls": dict(sorted(state.calls.items())),
                "bill_monthly": f"{world.bill_monthly():.2f}",
                "currency": world.products.currency,
                "front": f"http://127.0.0.1:{state.ports['front']}",
                "time_scale": world.clock.scale,
                "world": state.world,
            }
        )

    async def where(self, request: web.Request) -> web.Response:
        """Show where the machine with a public address is reached on loopback.

        Until its SSH answers, that is a port where every connection is refused.
        """
        ip = request.match_info["ip"]
        server = self._world.server_with_ip(ip)
        if server is None:
            return _error(404, f"no server has the address {ip}")
        return web.json_response(
            {
                "ssh_host": "127.0.0.1",
                "ssh_port": await self._ssh_port(server.id) or self._dead_ports.refused,
                "web_host": "127.0.0.1",
                "web_port": self._world.state.ports["front"],
            }
        )

    async def machine(self, request: web.Request) -> web.Response:
        """Show what is on one server: its units, its packages, and what its Docker holds."""
        name = request.match_info["name"]
        servers = self._world.state.servers.values()
        server = next((each for each in servers if each.name == name), None)
        machine = self._world.fleet.machine(server.id) if server else None
        if machine is None:
            return _error(404, f"no server is called {name}")
        stacks, dump = machine.stacks(), machine.dump()
        engine, facts = dump["engine"], dump["facts"]
        return web.json_response(
            {
                "units": [{"name": unit["name"], "ended": unit["ended"]} for unit in dump["units"]],
                "packages": sorted(facts["packages"]),
                "swap": facts["swap"],
                "firewall": facts["table"] is not None,
                "swarm": engine["swarm"] is not None,
                "networks": sorted(engine["networks"]),
                "secrets": sorted(engine["secrets"]),
                "volumes": sorted(engine["volumes"]),
                "databases": sorted(
                    name
                    for volume in engine["volumes"].values()
                    for name in (volume["cluster"] or {"databases": ()})["databases"]
                    if name not in SYSTEM_DATABASES
                ),
                "images": sorted(engine["images"]),
                "stacks": stacks,
            }
        )

    async def set_stock(self, request: web.Request) -> web.Response:
        """Sell a server type out at a location, or have it in stock there again."""
        server_type = self._world.products.server_type(request.match_info["type"])
        location = request.match_info["location"]
        if server_type is None or location not in [
            offer["name"] for offer in server_type["locations"]
        ]:
            return _error(404, f"no type {request.match_info['type']} is sold at {location}")
        stock = self._world.state.stock
        stock[f"{server_type['name']}@{location}"] = request.match_info["state"] == "in"
        self._world.mark_dirty()
        return web.json_response({"server_type": server_type["name"], "stock": stock})

    async def create_token(self, request: web.Request) -> web.Response:
        """Create a Cloudflare token that opens one zone, as in Cloudflare's dashboard."""
        state, zone = self._world.state, request.match_info["zone"]
        if zone not in [each.name for each in state.zones.values()]:
            return _error(404, f"there is no zone {zone}")
        token = f"sandbox-{uuid.uuid4().hex}"
        state.zone_tokens[token] = zone
        self._world.mark_dirty()
        return web.json_response({"zone": zone, "token": token})

    async def revoke_tokens(self, request: web.Request) -> web.Response:
        """Revoke all tokens of one zone."""
        state, zone = self._world.state, request.match_info["zone"]
        revoked = [token for token, opens in state.zone_tokens.items() if opens == zone]
        for token in revoked:
            del state.zone_tokens[token]
        self._world.mark_dirty()
        return web.json_response({"zone": zone, "revoked": len(revoked)})

    async def faults(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Show the rules at work with what each has done, and all faults."""
        report = self._world.faults.report()
        return web.json_response({"faults": report, "known": KNOWN_FAULTS})

    async def set_faults(self, request: web.Request) -> web.Response:
        """Replace the rules by those of the body."""
        try:
            data = await request.json()
            rules = [Rule.from_json(each) for each in data["faults"]]
        except (ValueError, TypeError, KeyError) as error:
            why = str(error) if isinstance(error, InvalidRule) else 'it is no {"faults": [...]}'
            return _error(422, why)
        self._world.faults.set_rules(rules)
        return await self.faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Remove all rules; show what they were and did."""
        report = self._world.faults.report()
        self._world.faults.set_rules([])
        return web.json_response({"faults": report, "known": KNOWN_FAULTS})

    async def reset(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Empty the account."""
        await self._world.reset()
        await self._write_address()
        return web.json_response({"world": self._world.state.world})

    async def stop(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """End the sandbox; what exists in it stays on disk."""
        self._request_stop()
        return web.json_response({"status": "stopping"})

    async def _ssh_port(self, server_id: int) -> int | None:
        """Return the port of a machine's SSH, or the port to which a fault diverts; None if off."""
        port = self._world.fleet.port(server_id)
        name = None if port is None else self._world.count_and_draw_fault("ssh", CONNECT)
        effect = None if name is None else SSH[name].effect.on_connect
        match effect:
            case None:
                return port
            case ConnectEffect.SLOW:
                await slow_answer_delay(self._world.clock)
                return port
            case ConnectEffect.REFUSED:
                return self._dead_ports.refused
            case ConnectEffect.SILENT:
                return self._dead_ports.silent
            case ConnectEffect.RESET:
                return self._dead_ports.reset
            case ConnectEffect.OTHER_HOST_KEY | ConnectEffect.KEY_REJECTED:
                return await self._world.fleet.faulty_port(server_id, effect)
            case _:
                assert_never(effect)

    def _stacks(self) -> list[dict[str, Any]]:
        return [
            {"server": server.name, **stack}
            for server in self._world.state.servers.values()
            if (machine := self._world.fleet.machine(server.id)) is not None
            for stack in machine.stacks()
        ]

    @web.middleware
    async def _check_token(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(token.encode(), self._world.state.token.encode())
        if scheme.lower() != "bearer" or not known:
            return _error(401, "this needs the sandbox's token")
        return await handler(request)


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
