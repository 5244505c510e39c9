"""The world without its protocols: what it keeps, forgets, bills and resolves."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from livchat_sandbox.cloud.world import World
from livchat_sandbox.storage.folder import Folder
from livchat_sandbox.storage.state import AccountState, DnsRecord
from tests.unit.sandbox.worlds import running


def point(world: World, name: str, content: str, kind: str = "A") -> None:
    zone = next(iter(world.state.zones))
    number = f"{len(world.state.records):032x}"
    world.state.records[number] = DnsRecord(
        id=number,
        zone=zone,
        name=name,
        type=kind,
        content=content,
        ttl=60,
        proxied=False,
        comment=None,
        tags=[],
        priority=None,
        data=None,
        created=0,
        modified=0,
    )


async def test_a_world_that_was_stopped_comes_back_as_it_was(folder: Folder) -> None:
    async with running(folder) as world:
        address = world.new_address("ipv4", "nbg1", name="prod-01")
        point(world, "n8n.example.com", address.ip)
        world.count_call("hetzner", "GET /servers")
        before = world.state
    async with running(folder) as world:
        assert world.state == before
        assert world.resolve("n8n.example.com") == [address.ip]


async def test_a_change_is_saved_without_a_stop(folder: Folder) -> None:
    async with running(folder) as world:
        world.new_address("ipv4", "nbg1", name="prod-01")
        for _ in range(500):
            if (folder.read_world() or {}).get("primary_ips"):
                break
            await asyncio.sleep(0.01)
        saved = AccountState.load(folder.read_world() or {})
        assert saved.primary_ips == world.state.primary_ips


async def test_a_reset_keeps_the_token_and_forgets_the_rest(folder: Folder) -> None:
    async with running(folder) as world:
        address = world.new_address("ipv4", "nbg1", name="prod-01")
        token, name = world.state.token, world.state.world
        await world.reset()
        assert (world.state.token, world.state.primary_ips) == (token, {})
        assert world.state.world != name
        assert world.new_address("ipv4", "nbg1", name="prod-01").ip != address.ip


async def test_addresses_are_billed_gross(folder: Folder) -> None:
    async with running(folder) as world:
        world.new_address("ipv4", "nbg1", name="a")
        world.new_address("ipv6", "nbg1", name="b")
        assert world.bill_monthly() == Decimal("0.595")


async def test_names_resolve_through_aliases_and_wildcards_and_never_for_ever(
    folder: Folder,
) -> None:
    async with running(folder) as world:
        point(world, "app.example.com", "198.18.0.1")
        point(world, "www.example.com", "app.example.com", "CNAME")
        point(world, "*.lab.example.com", "198.18.0.2")
        point(world, "loop.example.com", "loop.example.com", "CNAME")
        assert world.resolve("www.example.com") == ["198.18.0.1"]
        assert world.resolve("any.lab.example.com") == ["198.18.0.2"]
        assert world.resolve("loop.example.com") == []
        assert world.resolve("nowhere.example.com") == []
