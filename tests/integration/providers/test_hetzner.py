"""What is Hetzner's own, and the sandbox's, over the real protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from livchat.errors import Conflict, ProviderError
from livchatd.providers.base import Owner
from livchatd.providers.choose import choose_image
from livchatd.providers.hetzner.provider import Hetzner, Project, fixed
from livchatd.providers.sandbox.launcher import SandboxAddress
from livchatd.providers.sandbox.provider import Sandbox
from tests.contract.provider_benches import new_key, new_order, public_line
from tests.contract.sandbox_process import SandboxProcess, running
from tests.integration.strangers import Strangers

OURS = Owner("3f9a1c2b", "prod-01", "job_20261122_081530_3f9a1c2b7d4e")


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
    project = Project(process.address["hetzner"], SecretStr(process.address["token"]))
    made = Hetzner(fixed(project), poll=0.01)
    yield made
    await made.close()


async def probe() -> bool:
    return True


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


async def test_what_is_not_ours_is_named_with_its_labels(cloud: Hetzner) -> None:
    ordered = await cloud.order_machine(await new_order(cloud, OURS, name="prod-01"))
    with pytest.raises(Conflict, match="does not carry the labels") as raised:
        await cloud.delete_machine(ordered.machine_id, Owner("another", "prod-01"))
    assert raised.value.details == {
        "kind": "machine",
        "id": ordered.machine_id,
        "labels": {
            "livchat.managed": "true",
            "livchat.home": "3f9a1c2b",
            "livchat.server": "prod-01",
            "livchat.job": OURS.root_job_id,
        },
    }


async def test_a_key_that_the_user_had_serves_and_is_never_deleted(
    cloud: Hetzner, process: SandboxProcess
) -> None:
    line = public_line(new_key())
    users = Strangers(process.address).cloud.ssh_keys.create(name="laptop", public_key=line)
    assert await cloud.ensure_key("livchat-prod-01", line, OURS) == str(users.id)
    await cloud.delete_key(OURS)
    with pytest.raises(Conflict):
        await cloud.delete_resource("key", str(users.id), OURS)
    assert [key["name"] for key in process.status()["ssh_keys"]] == ["laptop"]


async def test_a_reserved_address_costs_and_a_key_does_not(cloud: Hetzner) -> None:
    address = await cloud.reserve_address("livchat-x", "nbg1", OURS)
    key = await cloud.ensure_key("livchat-x", public_line(new_key()), OURS)
    found = {resource.kind: resource for resource in await cloud.list_resources()}
    assert {kind: one.id for kind, one in found.items()} == {"address": address.id, "key": key}
    assert found["address"].where == address.ip
    assert Decimal(found["address"].price_monthly or 0) > 0
    assert found["key"].price_monthly is None


async def test_a_second_order_of_the_same_name_is_a_conflict(cloud: Hetzner) -> None:
    await cloud.order_machine(await new_order(cloud, OURS, name="prod-01"))
    with pytest.raises(Conflict) as raised:
        await cloud.reserve_address("livchat-prod-01", "nbg1", OURS)
    assert raised.value.details["fields"]
    other = replace(OURS, root_job_id="job_other")
    order = await new_order(cloud, other, name="other")
    with pytest.raises(Conflict):
        await cloud.order_machine(replace(order, name="prod-01"))


async def test_a_machine_comes_with_an_address_of_its_own_where_none_was_reserved(
    cloud: Hetzner,
) -> None:
    order = await new_order(cloud, OURS, name="prod-01")
    reserved = await cloud.find_address(OURS)
    assert reserved is not None
    ordered = await cloud.order_machine(replace(order, address_id=None))
    machine = await cloud.machine(ordered.machine_id)
    assert machine is not None
    assert machine.ip_address not in {None, reserved.ip}


async def test_an_address_that_is_in_use_is_unassigned_first(cloud: Hetzner) -> None:
    ordered = await cloud.order_machine(await new_order(cloud, OURS, name="prod-01"))
    address = await cloud.find_address(OURS)
    assert address is not None
    try:
        await cloud.release_address(address.id, OURS)
    except ProviderError:
        # Hetzner takes the address off a machine only when it is powered off.
        await cloud.delete_machine(ordered.machine_id, OURS)
        await cloud.release_address(address.id, OURS)
    assert await cloud.find_address(OURS) is None


async def test_its_clock_is_read_from_its_responses(cloud: Hetzner) -> None:
    before = cloud.clock_offset
    await cloud.check()
    after = cloud.clock_offset
    assert before is None
    assert after is not None
    assert abs(after) < 60


# -- the sandbox as a provider


async def test_a_sandbox_that_was_restarted_is_found_again(tmp_path: Path) -> None:
    starts: list[SandboxAddress] = []
    folders = iter([tmp_path / "one", tmp_path / "two"])
    with running(next(folders)) as first:

        async def start() -> SandboxAddress:
            starts.append(address_of(alive[-1]))
            return starts[-1]

        alive = [first]
        cloud = Sandbox(start, probe)
        await cloud.check()
        await cloud.check()
        assert len(starts) == 1
        with running(next(folders)) as second:
            alive.append(second)
            first.end()
            await asyncio.gather(*(cloud.check() for _ in range(3)))
            assert starts == [address_of(first), address_of(second)]
            assert (await cloud.dns()) is not None
        await cloud.close()
