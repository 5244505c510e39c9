"""The sandbox's world without its protocols: what it keeps, bills, resolves and picks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from livchat_sandbox import main
from livchat_sandbox.clock import Clock
from livchat_sandbox.cloud import addresses
from livchat_sandbox.cloud.world import World
from livchat_sandbox.faults.plan import Rule
from livchat_sandbox.hetzner import labels
from livchat_sandbox.hetzner.app import Hetzner
from livchat_sandbox.rate_limit import Bucket
from livchat_sandbox.scheduler import Agenda
from livchat_sandbox.storage.folder import Folder, InUse
from livchat_sandbox.storage.state import Record, State


class StoppedClock(Clock):
    """A clock that moves only when it is told to."""

    def __init__(self, scale: float = 1) -> None:
        super().__init__(scale)
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    folder = Folder(tmp_path / "sandbox")
    folder.claim()
    yield folder
    folder.release()


@contextlib.asynccontextmanager
async def running(folder: Folder) -> AsyncIterator[World]:
    world = World(folder, Clock(0))
    world.start()
    try:
        yield world
    finally:
        await world.stop()


def point(world: World, name: str, content: str, kind: str = "A") -> None:
    zone = next(iter(world.state.zones))
    number = f"{len(world.state.records):032x}"
    world.state.records[number] = Record(
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
        world.count("hetzner", "GET /servers")
        before = world.state
    async with running(folder) as world:
        assert world.state == before
        assert world.resolve("n8n.example.com") == [address.ip]


async def test_a_change_is_saved_without_a_stop(folder: Folder) -> None:
    async with running(folder) as world:
        world.new_address("ipv4", "nbg1", name="prod-01")
        for _ in range(500):
            if (folder.world() or {}).get("primary_ips"):
                break
            await asyncio.sleep(0.01)
        saved = State.load(folder.world() or {})
        assert saved.primary_ips == world.state.primary_ips


async def test_a_world_that_cannot_be_read_is_begun_anew(folder: Folder) -> None:
    folder.write_world('{"servers": 3}')
    folder.write_machine(7, "{}")
    async with running(folder) as world:
        assert world.state.servers == {}
        assert folder.machine(7) is None
        assert world.state.token.startswith("sandbox-")


async def test_a_reset_keeps_the_token_and_forgets_the_rest(folder: Folder) -> None:
    async with running(folder) as world:
        address = world.new_address("ipv4", "nbg1", name="prod-01")
        token, name = world.state.token, world.state.world
        await world.reset()
        assert (world.state.token, world.state.primary_ips) == (token, {})
        assert world.state.world != name
        assert world.new_address("ipv4", "nbg1", name="prod-01").ip != address.ip


async def test_a_folder_has_one_sandbox_and_private_files(folder: Folder) -> None:
    folder.write_address({"token": "sandbox-x"})
    assert (folder.path / "sandbox.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InUse):
        Folder(folder.path).claim()


async def test_a_folder_that_was_replaced_is_no_longer_ours(folder: Folder) -> None:
    assert folder.is_ours()
    shutil.rmtree(folder.path)
    assert not folder.is_ours()
    other = Folder(folder.path)
    other.claim()
    assert not folder.is_ours()
    assert other.is_ours()
    other.release()


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


def test_an_address_comes_back_only_when_all_others_had_their_turn() -> None:
    first, turn = addresses.ipv4(0, taken=())
    second, turn = addresses.ipv4(turn, taken={first})
    assert (first, second) == ("198.18.0.1", "198.18.0.2")
    last, turn = addresses.ipv4(addresses.IPV4.num_addresses - 3, taken=())
    assert last == "198.19.255.254"
    assert addresses.ipv4(turn, taken={first})[0] == second


async def test_what_is_due_comes_in_order_and_never_at_once() -> None:
    called: list[str] = []
    agenda = Agenda(Clock(0))
    agenda.at(3, lambda: called.append("third"))
    agenda.at(1, lambda: called.append("first"))
    agenda.at(1, lambda: called.append("second"))
    assert called == []
    await asyncio.sleep(0.01)
    assert called == ["first", "second", "third"]


async def test_what_was_forgotten_is_not_called() -> None:
    called: list[str] = []
    agenda = Agenda(Clock(0))
    agenda.at(1, lambda: called.append("never"))
    agenda.clear()
    await asyncio.sleep(0.01)
    assert called == []


def test_an_empty_bucket_refills_in_simulated_time() -> None:
    clock = StoppedClock(scale=0.1)
    bucket = Bucket(clock, 2, rate=1)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    assert bucket.full_in == pytest.approx(0.2)
    clock.time += 0.15
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_a_bucket_without_time_never_empties() -> None:
    bucket = Bucket(StoppedClock(scale=0), 1, rate=1)
    assert all(bucket.take() for _ in range(10))
    assert (bucket.left, bucket.full_in) == (1, 0)


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        ("env=prod", True),
        ("env==prod,job", True),
        ("env!=prod", False),
        ("missing!=x", True),
        ("!env", False),
        ("!missing", True),
        ("env in (dev, prod)", True),
        ("env notin (dev,prod),job", False),
        ("job=", True),
    ],
)
def test_a_selector_picks_by_labels(selector: str, meant: object) -> None:
    assert labels.selector(selector)({"env": "prod", "job": ""}) == meant


@pytest.mark.parametrize("selector", ["env=prod,", "a b", "(", "env in prod"])
def test_a_selector_that_cannot_be_read_is_told(selector: str) -> None:
    with pytest.raises(ValueError, match="selector"):
        labels.selector(selector)


@pytest.mark.parametrize("wrong", [{"a b": "c"}, {"a": "-"}, {"a": 1}, {"x" * 64: ""}, ["a"]])
def test_some_labels_are_not_allowed(wrong: object) -> None:
    assert not labels.allowed(wrong)
    assert labels.allowed({"livchat.dev/job": "job_1", "a": ""})


@pytest.mark.parametrize("scale", ["-1", "nan", "x"])
def test_a_time_scale_is_a_number_that_makes_sense(
    monkeypatch: pytest.MonkeyPatch, scale: str
) -> None:
    monkeypatch.setenv("LIVCHAT_SANDBOX_TIME_SCALE", scale)
    with pytest.raises(ValueError, match=scale):
        Clock.from_environment()


async def test_a_fault_takes_the_place_of_the_answer(folder: Folder, aiohttp_client: Any) -> None:
    async with running(folder) as world:
        world.faults.put([Rule("hetzner", "POST /primary_ips", "truncated")])
        client = await aiohttp_client(Hetzner(world).app())
        headers = {"Authorization": f"Bearer {world.state.token}"}
        order = {"name": "prod-01", "type": "ipv4", "location": "nbg1"}
        answer = await client.post("/v1/primary_ips", headers=headers, json=order)
        assert answer.status == 201
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(await answer.text())
        assert [address.name for address in world.state.primary_ips.values()] == ["prod-01"]
        again = await client.post("/v1/primary_ips", headers=headers, json=order)
        assert (await again.json())["error"]["code"] == "uniqueness_error"


async def test_a_sandbox_ends_when_its_folder_disappears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "LOOK", 0.01)
    sandbox = main.Sandbox(tmp_path / "sandbox", Clock(0))
    await sandbox.start()
    try:
        shutil.rmtree(tmp_path / "sandbox")
        await asyncio.wait_for(sandbox.run(), 10)
    finally:
        await sandbox.stop()
    assert not (tmp_path / "sandbox").exists()


async def test_a_sandbox_comes_back_on_the_ports_that_it_had(tmp_path: Path) -> None:
    addresses_seen = []
    for _ in range(2):
        sandbox = main.Sandbox(tmp_path / "sandbox", Clock(0))
        await sandbox.start()
        addresses_seen.append(sandbox.address)
        await sandbox.stop()
    assert addresses_seen[0] == addresses_seen[1]
