"""Hetzner over its real protocol: against the sandbox, and against answers that go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from livchat.errors import (
    Conflict,
    Invalid,
    ProviderError,
    Unauthorized,
)
from livchatd.integrations.ssh.asyncssh_import import asyncssh
from livchatd.integrations.ssh.interfaces import Endpoint
from livchatd.integrations.ssh.shells import SshShells
from livchatd.providers.base import MachineOrder, Provider, Reach
from livchatd.providers.choose import choose, choose_image
from livchatd.providers.hetzner.provider import Hetzner
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
