"""Hetzner over its real protocol: against the sandbox, and against answers that go wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from livchat.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LivChatError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    SoldOut,
    Unauthorized,
)
from livchatd.integrations.ssh import Endpoint, SshShells
from livchatd.integrations.ssh_import import asyncssh
from livchatd.providers.base import MachineOrder, Provider, Reach
from livchatd.providers.choose import choose, choose_image
from livchatd.providers.hetzner import Hetzner
from livchatd.providers.hetzner_pool import CallPool
from livchatd.providers.own import Own
from livchatd.providers.sandbox import Sandbox, SandboxAddress
from tests.contract.sandbox_process import SandboxProcess, running

LABELS = {"managed-by": "livchat", "job": "job_20261122_081530_3f9a1c2b7d4e"}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


def address_of(process: SandboxProcess) -> SandboxAddress:
    names = SandboxAddress.__dataclass_fields__
    return SandboxAddress(**{name: process.address[name] for name in names})


@pytest.fixture
async def cloud(process: SandboxProcess) -> AsyncIterator[Hetzner]:
    process.control("reset", "POST")
    process.wait_until_it_listens()
    made = Hetzner(SecretStr(process.address["token"]), process.address["hetzner"], poll=0.01)
    yield made
    await made.close()


async def runs() -> bool:
    return True


def new_key() -> Any:
    return asyncssh.generate_private_key("ssh-ed25519")


def public(key: Any) -> str:
    return str(key.export_public_key("openssh").decode().strip())


async def ordered(cloud: Provider, name: str = "prod-01", key: Any = None) -> str:
    """Order a machine as the steps do, and wait for it; its id."""
    types, images = await cloud.server_types(), await cloud.images()
    choice = choose(types)
    address = await cloud.reserve_address(f"{name}-ip", choice.region, LABELS)
    key_id = await cloud.ensure_key(name, public(key or new_key()), LABELS)
    order = await cloud.order(
        MachineOrder(
            name=name,
            server_type=choice.server_type,
            region=choice.region,
            image=choose_image(images, None, choice.architecture),
            address_id=address.id,
            ssh_key_id=key_id,
            user_data="#cloud-config\n",
            labels={**LABELS, "server": name},
        )
    )
    async with asyncio.timeout(20):
        while not (state := await cloud.actions(order.actions)).done:
            await asyncio.sleep(0.01)
    assert state.error is None
    assert state.progress == 100
    return order.machine_id


# -- what there is


async def test_types_carry_gross_prices_with_an_address_for_each_place(cloud: Hetzner) -> None:
    types = await cloud.server_types()
    assert types
    for kind in types:
        assert kind.locations
        for place in kind.locations:
            assert place.currency == "EUR"
            assert Decimal(place.price_monthly or 0) > 0
            assert Decimal(place.price_hourly or 0) > 0
    assert any(place.available for kind in types for place in kind.locations)


async def test_locations_and_images_are_listed(cloud: Hetzner) -> None:
    assert "nbg1" in {place.name for place in await cloud.locations()}
    images = await cloud.images()
    assert {"x86", "arm"} == {image.architecture for image in images}
    assert choose_image(images, None, "x86").startswith("debian-")


async def test_types_are_asked_for_once_a_minute(cloud: Hetzner, process: SandboxProcess) -> None:
    await asyncio.gather(*(cloud.server_types() for _ in range(5)))
    calls = process.status()["calls"]
    assert [count for route, count in _routes(calls) if route.endswith("/server_types")] == [1]


def _routes(calls: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    for key, value in calls.items():
        if isinstance(value, dict):
            yield from _routes(value, f"{prefix}{key} ")
        else:
            yield f"{prefix}{key}", value


# -- a machine's life


async def test_a_machine_is_ordered_found_by_label_and_deleted(cloud: Hetzner) -> None:
    machine_id = await ordered(cloud)
    found = await cloud.find_machine({**LABELS, "server": "prod-01"})
    assert found is not None
    assert found == await cloud.machine(machine_id)
    assert found.status == "running"
    address = await cloud.find_address(LABELS)
    assert address is not None
    assert (address.machine_id, address.ip) == (machine_id, found.ip_address)
    assert found.created_at.endswith("Z")
    assert found.ipv6_address is None or "/" not in found.ipv6_address
    assert await cloud.find_machine({**LABELS, "server": "prod-02"}) is None

    await cloud.delete_machine(machine_id, LABELS)
    assert await cloud.machine(machine_id) is None
    await cloud.delete_machine(machine_id, LABELS)
    await cloud.release_address(address.id, LABELS)
    assert await cloud.find_address(LABELS) is None
    await cloud.release_address(address.id, LABELS)
    await cloud.delete_key(LABELS)
    await cloud.delete_key(LABELS)


async def test_what_is_not_ours_is_never_deleted_by_its_id(cloud: Hetzner) -> None:
    machine_id = await ordered(cloud)
    address = await cloud.find_address(LABELS)
    assert address is not None
    others = {**LABELS, "home": "another"}
    for deletion in (
        cloud.delete_machine(machine_id, others),
        cloud.release_address(address.id, others),
        cloud.discard("machine", machine_id, others),
        cloud.discard("address", address.id, others),
    ):
        with pytest.raises(Conflict, match="does not carry the labels"):
            await deletion
    assert await cloud.machine(machine_id) is not None
    assert await cloud.find_address(LABELS) == address


async def test_a_key_that_the_user_had_serves_and_is_never_deleted(
    cloud: Hetzner, process: SandboxProcess
) -> None:
    line = public(new_key())
    users = await cloud.ensure_key("laptop", line, {})
    assert await cloud.ensure_key("livchat-prod-01", line, LABELS) == users
    await cloud.delete_key(LABELS)
    with pytest.raises(Conflict):
        await cloud.discard("key", users, LABELS)
    assert [key["name"] for key in process.status()["ssh_keys"]] == ["laptop"]


async def test_what_livchat_made_is_listed_with_its_price_and_nothing_else(cloud: Hetzner) -> None:
    ours = {"livchat.managed": "true", "livchat.home": "3f9a1c2b", "livchat.server": "x"}
    await ordered(cloud)
    address = await cloud.reserve_address("livchat-x", "nbg1", ours)
    key = await cloud.ensure_key("livchat-x", public(new_key()), ours)
    found = {thing.kind: thing for thing in await cloud.things()}
    assert {kind: thing.id for kind, thing in found.items()} == {"address": address.id, "key": key}
    assert found["address"].labels == ours
    assert found["address"].where == address.ip
    assert Decimal(found["address"].price_monthly or 0) > 0
    assert found["key"].price_monthly is None
    assert found["address"].created_at.endswith("Z")
    again = await cloud.thing("address", address.id)
    assert again is not None
    assert again.labels == ours
    await cloud.discard("address", address.id, ours)
    await cloud.discard("key", key, ours)
    assert await cloud.things() == []
    assert await cloud.thing("key", key) is None


async def test_a_second_order_of_the_same_name_is_a_conflict(cloud: Hetzner) -> None:
    await ordered(cloud)
    with pytest.raises(Conflict) as told:
        await cloud.reserve_address("prod-01-ip", "nbg1", LABELS)
    assert told.value.details["fields"]
    address = await cloud.reserve_address("other", "nbg1", {"job": "other"})
    kinds = await cloud.server_types()
    choice = choose(kinds, region="nbg1")
    order = MachineOrder(
        name="prod-01",
        server_type=choice.server_type,
        region="nbg1",
        image=choose_image(await cloud.images(), None, choice.architecture),
        address_id=address.id,
        ssh_key_id=await cloud.ensure_key("k", public(new_key()), LABELS),
        user_data="",
        labels=LABELS,
    )
    with pytest.raises(Conflict):
        await cloud.order(order)


async def test_the_same_key_is_added_once_under_any_name(cloud: Hetzner) -> None:
    line = public(new_key())
    made = await asyncio.gather(*(cloud.ensure_key(f"key-{n}", line, LABELS) for n in range(4)))
    assert len(set(made)) == 1
    with pytest.raises(Invalid, match="public_key"):
        await cloud.ensure_key("broken", "nonsense", LABELS)


async def test_an_address_that_is_in_use_is_unassigned_first(cloud: Hetzner) -> None:
    machine_id = await ordered(cloud)
    address = await cloud.find_address(LABELS)
    assert address is not None
    try:
        await cloud.release_address(address.id, LABELS)
    except ProviderError:
        # Hetzner takes the address off a machine only when it is powered off.
        await cloud.delete_machine(machine_id, LABELS)
        await cloud.release_address(address.id, LABELS)
    assert await cloud.find_address(LABELS) is None


async def test_its_clock_is_read_from_its_answers(cloud: Hetzner) -> None:
    before = cloud.ahead
    await cloud.check()
    after = cloud.ahead
    assert before is None
    assert after is not None
    assert abs(after) < 60


async def test_a_refused_token_says_which_command_sets_it(process: SandboxProcess) -> None:
    stranger = Hetzner(SecretStr("x" * 64), process.address["hetzner"])
    with pytest.raises(Unauthorized) as told:
        await stranger.check()
    assert told.value.hint == "livchat config provider hetzner"
    assert "x" * 64 not in f"{told.value} {told.value.details}"
    await stranger.close()


# -- the sandbox as a provider


async def test_a_machine_of_the_sandbox_is_reached_over_ssh(process: SandboxProcess) -> None:
    async def start() -> SandboxAddress:
        return address_of(process)

    cloud = Sandbox(start, runs, poll=0.01)
    key = new_key()
    machine_id = await ordered(cloud, "reach-01", key)
    machine = await cloud.machine(machine_id)
    assert machine is not None
    assert machine.ip_address is not None
    reach = await cloud.reach(machine.ip_address)
    assert (reach.ssh_host, reach.web_scheme) == ("127.0.0.1", "http")
    private = key.export_private_key("openssh").decode()

    async def lookup(server: str) -> Endpoint:
        return Endpoint(reach.ssh_host, reach.ssh_port, "root", private)

    shells = SshShells(lookup, poll=0.01)
    shell = await shells.on("reach-01")
    assert (await shell.run("hostname")).stdout.strip() == "reach-01"
    await shells.close()
    access = await cloud.dns()
    assert access is not None
    assert access.base_url.endswith("/client/v4")
    await cloud.close()


async def test_a_sandbox_that_was_restarted_is_found_again(tmp_path: Path) -> None:
    starts: list[SandboxAddress] = []
    folders = iter([tmp_path / "one", tmp_path / "two"])
    with running(next(folders)) as first:

        async def start() -> SandboxAddress:
            starts.append(address_of(alive[-1]))
            return starts[-1]

        alive = [first]
        cloud = Sandbox(start, runs)
        await cloud.check()
        await cloud.check()
        assert len(starts) == 1
        with running(next(folders)) as second:
            alive.append(second)
            first.end()
            await asyncio.gather(*(cloud.check() for _ in range(3)))
            assert starts == [address_of(first), address_of(second)]
        await cloud.close()


async def test_own_machines_are_reached_as_they_are_and_never_ordered() -> None:
    own = Own()
    provider: Provider = own
    assert await provider.reach("192.0.2.7") == Reach(ssh_host="192.0.2.7", web_host="192.0.2.7")
    with pytest.raises(Invalid) as told:
        await provider.reserve_address("prod-01", "nbg1", {})
    assert told.value.hint == "livchat server add prod-01 --host ADDRESS"


# -- what goes wrong


class Answering:
    """A Hetzner that answers what the test says."""

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = {}
        self.requests: list[web.Request] = []
        self.hold: asyncio.Event | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if self.hold is not None:
            await self.hold.wait()
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body, content_type="text/html")
        return web.json_response(self.body, status=self.status)


@pytest.fixture
async def answering() -> AsyncIterator[tuple[Answering, Hetzner]]:
    handler = Answering()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler.answer)
    server = TestServer(app)
    await server.start_server()
    cloud = Hetzner(SecretStr("t" * 64), str(server.make_url("/v1")), poll=0.01)
    yield handler, cloud
    if handler.hold is not None:
        handler.hold.set()
    await cloud.close()
    await server.close()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", Unauthorized),
        (401, "token_readonly", Forbidden),
        (403, "forbidden", Forbidden),
        (403, "resource_limit_exceeded", ProviderError),
        (409, "uniqueness_error", Conflict),
        (409, "conflict", ProviderUnavailable),
        (412, "resource_unavailable", SoldOut),
        (422, "placement_error", SoldOut),
        (422, "invalid_input", Invalid),
        (422, "unsupported_error", ProviderError),
        (423, "locked", ProviderUnavailable),
        (423, "protected", ProviderError),
        (429, "rate_limit_exceeded", RateLimited),
        (500, "server_error", ProviderUnavailable),
        (503, "unavailable", ProviderUnavailable),
        (504, "timeout", ProviderUnavailable),
        (418, "a_code_of_next_year", ProviderError),
    ],
)
async def test_each_code_of_hetzner_is_one_of_our_errors(
    status: int,
    code: str,
    kind: type[LivChatError],
    answering: tuple[Answering, Hetzner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("livchatd.providers.hetzner_calls.RETRIES", 0)
    handler, cloud = answering
    handler.status = status
    details = {"fields": [{"name": "name", "messages": ["is too long"]}]}
    handler.body = {"error": {"code": code, "message": "Nope", "details": details}}
    with pytest.raises(LivChatError) as told:
        await cloud.reserve_address("a", "nbg1", {})
    assert type(told.value) is kind
    assert "reserve address a: Nope" in told.value.message
    if kind is Invalid:
        assert told.value.details["fields"] == [{"field": "name", "message": "is too long"}]


@pytest.mark.parametrize(
    ("status", "body"),
    [(502, "<html>bad gateway</html>"), (200, "<html>captive portal</html>"), (200, {}), (200, [])],
)
async def test_an_answer_that_is_not_hetzners_is_a_passing_failure(
    status: int,
    body: Any,
    answering: tuple[Answering, Hetzner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("livchatd.providers.hetzner_calls.RETRIES", 0)
    handler, cloud = answering
    handler.status, handler.body = status, body
    with pytest.raises(LivChatError) as told:
        await cloud.locations()
    assert isinstance(told.value, ProviderUnavailable | ProviderError)


async def test_a_closed_port_is_a_passing_failure() -> None:
    cloud = Hetzner(SecretStr("t"), "http://127.0.0.1:9/v1")
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await cloud.check()
    await cloud.close()


async def test_a_machine_that_is_locked_is_deleted_once_it_is_free(
    answering: tuple[Answering, Hetzner],
) -> None:
    handler, cloud = answering
    handler.status = 423
    handler.body = {"error": {"code": "locked", "message": "busy", "details": None}}
    work = asyncio.create_task(cloud.delete_machine("7", LABELS))
    async with asyncio.timeout(20):
        while len(handler.requests) < 3:
            await asyncio.sleep(0.01)
    assert not work.done()
    handler.status = 404
    handler.body = {"error": {"code": "not_found", "message": "gone", "details": None}}
    await work
    assert {request.method for request in handler.requests} == {"DELETE", "GET"}


async def test_jobs_that_watch_actions_at_once_share_requests(
    answering: tuple[Answering, Hetzner],
) -> None:
    handler, cloud = answering
    states = {1: ("success", 100), 2: ("running", 50), 3: ("error", 100)}
    handler.body = {
        "actions": [
            {"id": n, "command": "c", "status": s, "progress": p, "error": {"message": "no room"}}
            for n, (s, p) in states.items()
        ]
    }
    looks = [cloud.actions((str(1 + n % 2),)) for n in range(30)]
    found = await asyncio.gather(*looks, cloud.actions(("1", "2")), cloud.actions(("2", "3")))
    assert len(handler.requests) <= 2
    assert [state.done for state in found[:2]] == [True, False]
    assert found[-2].progress == 75
    assert found[-1].error == "c: no room"


async def test_a_cancelled_call_is_waited_for(answering: tuple[Answering, Hetzner]) -> None:
    handler, cloud = answering
    handler.hold = asyncio.Event()
    handler.body = {"servers": []}
    work = asyncio.create_task(cloud.check())
    async with asyncio.timeout(20):
        while not handler.requests:
            await asyncio.sleep(0.01)
    work.cancel()
    await asyncio.sleep(0.05)
    assert not work.done()
    handler.hold.set()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_closing_lets_go_of_who_waits_for_a_call_that_hangs(
    answering: tuple[Answering, Hetzner],
) -> None:
    handler, cloud = answering
    handler.hold = asyncio.Event()
    work = asyncio.create_task(cloud.check())
    async with asyncio.timeout(20):
        while not handler.requests:
            await asyncio.sleep(0.01)
    work.cancel()
    await cloud.close()
    with pytest.raises(asyncio.CancelledError):
        await work
    with pytest.raises(ProviderUnavailable):
        await cloud.check()


async def test_the_pool_runs_no_more_calls_at_once_than_it_has_threads() -> None:
    pool = CallPool("test", 3, 20)
    lock, now, most = threading.Lock(), 0, 0
    three = threading.Barrier(3, timeout=20)

    def call() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        three.wait()
        time.sleep(0.01)  # noqa: TID251 - a fourth would be seen meanwhile
        with lock:
            now -= 1

    await asyncio.gather(*(pool.run(call) for _ in range(12)))
    assert most == 3
    pool.close()


async def test_a_call_that_has_not_begun_is_cancelled_at_once() -> None:
    pool = CallPool("test", 1, 20)
    may_end, ran = threading.Event(), []
    first = asyncio.create_task(pool.run(lambda: may_end.wait(20)))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(pool.run(lambda: ran.append(1)))
    await asyncio.sleep(0.05)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    may_end.set()
    await first
    await pool.run(lambda: None)
    assert ran == []
    pool.close()
