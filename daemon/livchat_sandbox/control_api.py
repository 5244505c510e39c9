"""The sandbox's own API: what exists in it, where its machines are reached, reset and stop."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.faults.http import Handler, pause
from livchat_sandbox.faults.plan import Rule, WrongRule
from livchat_sandbox.faults.registry import FAULTS
from livchat_sandbox.net.dead_ports import Doors
from livchat_sandbox.ssh.faults import CONNECT

KNOWN = [
    {"service": service, "fault": name, "words": fault.words, "passes": fault.passes}
    for service, named in FAULTS.items()
    for name, fault in named.items()
]
"""The faults that there are."""
BORN_WITH = frozenset({"postgres", "template0", "template1"})
"""The databases that every PostgreSQL server has."""


@dataclass
class Places:
    """Where the sandbox listens: the front's port."""

    front: int = 0


class Control:
    """Control of the sandbox, for who has its token."""

    def __init__(
        self,
        world: World,
        places: Places,
        doors: Doors,
        stop: Callable[[], None],
        renewed: Callable[[], Awaitable[None]],
    ) -> None:
        self._world = world
        self._places = places
        self._doors = doors
        self._stop = stop
        self._renewed = renewed

    def app(self) -> web.Application:
        """The application to be served."""
        app = web.Application(middlewares=[self._admit])
        app.add_routes(
            [
                web.get("/control/health", self.health),
                web.get("/control/status", self.status),
                web.get("/control/where/{ip}", self.where),
                web.get("/control/machines/{name}", self.machine),
                web.post("/control/stock/{type}/{location}/{state:in|out}", self.stock),
                web.post("/control/tokens/{zone}", self.token),
                web.delete("/control/tokens/{zone}", self.revoke),
                web.get("/control/faults", self.faults),
                web.put("/control/faults", self.put_faults),
                web.delete("/control/faults", self.clear_faults),
                web.post("/control/reset", self.reset),
                web.post("/control/stop", self.stop),
            ]
        )
        return app

    async def health(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """That it lives, and which world it is."""
        return web.json_response({"status": "ok", "world": self._world.state.world})

    async def status(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """All that exists."""
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
                "currency": world.catalog.currency,
                "front": f"http://127.0.0.1:{self._places.front}",
                "time_scale": world.clock.scale,
                "world": state.world,
            }
        )

    async def where(self, request: web.Request) -> web.Response:
        """Where the machine with this public address is reached from here.

        Until its SSH answers, that is a port where every connection is refused.
        """
        ip = request.match_info["ip"]
        server = self._world.server_at(ip)
        if server is None:
            return _refuse(404, f"no server has the address {ip}")
        return web.json_response(
            {
                "ssh_host": "127.0.0.1",
                "ssh_port": await self._ssh_port(server.id) or self._doors.refused,
                "web_host": "127.0.0.1",
                "web_port": self._places.front,
            }
        )

    async def machine(self, request: web.Request) -> web.Response:
        """What is on one server: its units, its packages, and what its Docker holds."""
        name = request.match_info["name"]
        found = (server for server in self._world.state.servers.values() if server.name == name)
        server = next(found, None)
        machine = self._world.fleet.machine(server.id) if server else None
        if machine is None:
            return _refuse(404, f"no server is called {name}")
        stacks, held = machine.stacks(), machine.dump()
        engine, facts = held["engine"], held["facts"]
        return web.json_response(
            {
                "units": [{"name": unit["name"], "ended": unit["ended"]} for unit in held["units"]],
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
                    if name not in BORN_WITH
                ),
                "images": sorted(engine["images"]),
                "stacks": stacks,
            }
        )

    async def stock(self, request: web.Request) -> web.Response:
        """Sell a type out at a location, or have it there again."""
        kind = self._world.catalog.server_type(request.match_info["type"])
        asked = request.match_info["location"]
        if kind is None or asked not in [place["name"] for place in kind["locations"]]:
            return _refuse(404, f"no type {request.match_info['type']} is sold at {asked}")
        self._world.state.stock[f"{kind['name']}@{asked}"] = request.match_info["state"] == "in"
        self._world.changed()
        return web.json_response({"server_type": kind["name"], "stock": self._world.state.stock})

    async def token(self, request: web.Request) -> web.Response:
        """Make a Cloudflare token that opens one zone, as one does in Cloudflare's dashboard."""
        state, zone = self._world.state, request.match_info["zone"]
        if zone not in [one.name for one in state.zones.values()]:
            return _refuse(404, f"there is no zone {zone}")
        made = f"sandbox-{uuid.uuid4().hex}"
        state.zone_tokens[made] = zone
        self._world.changed()
        return web.json_response({"zone": zone, "token": made})

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke all tokens of one zone."""
        state, zone = self._world.state, request.match_info["zone"]
        gone = [token for token, opens in state.zone_tokens.items() if opens == zone]
        for token in gone:
            del state.zone_tokens[token]
        self._world.changed()
        return web.json_response({"zone": zone, "revoked": len(gone)})

    async def faults(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """The faults at work, how often each came, and those that there are."""
        return web.json_response({"faults": self._world.faults.told(), "known": KNOWN})

    async def put_faults(self, request: web.Request) -> web.Response:
        """Faults from now on, in place of those before."""
        try:
            given = await request.json()
            rules = [Rule.read(each) for each in given["faults"]]
        except (ValueError, TypeError, KeyError) as error:
            why = str(error) if isinstance(error, WrongRule) else 'it is no {"faults": [...]}'
            return _refuse(422, why)
        self._world.faults.put(rules)
        return await self.faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """No faults from now on; what they were and did."""
        told = self._world.faults.told()
        self._world.faults.put([])
        return web.json_response({"faults": told, "known": KNOWN})

    async def reset(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Empty it."""
        await self._world.reset()
        await self._renewed()
        return web.json_response({"world": self._world.state.world})

    async def stop(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """End the sandbox; what exists in it stays on disk."""
        self._stop()
        return web.json_response({"status": "stopping"})

    async def _ssh_port(self, number: int) -> int | None:
        """Where a machine's SSH is dialled now; faults of connecting lead elsewhere."""
        port = self._world.fleet.port(number)
        fault = None if port is None else self._world.meet("ssh", CONNECT)
        if fault == "slow":
            await pause(self._world.clock)
        if fault in {None, "slow"}:
            return port
        doors = self._doors
        where = {"refused": doors.refused, "silent": doors.silent, "reset": doors.reset}
        return where.get(fault) or await self._world.fleet.door(number, fault)

    def _stacks(self) -> list[dict[str, Any]]:
        return [
            {"server": server.name, **stack}
            for server in self._world.state.servers.values()
            if (machine := self._world.fleet.machine(server.id)) is not None
            for stack in machine.stacks()
        ]

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(token.encode(), self._world.state.token.encode())
        if scheme.lower() != "bearer" or not known:
            return _refuse(401, "this needs the sandbox's token")
        return await handler(request)


def _refuse(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
