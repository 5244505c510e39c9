"""What every provider of the registry promises, tried on each of them over something real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import SecretStr

from livchat.errors import (
    Conflict,
    InvalidRequest,
    ProviderError,
    ProviderUnavailable,
    Unauthorized,
)
from livchatd.integrations.cloudflare import CloudflareDns
from livchatd.integrations.ssh.interfaces import Endpoint
from livchatd.integrations.ssh.shells import SshShells
from livchatd.providers.base import MachineOrder, Owner, Provider, ResourceKind
from livchatd.providers.registry import PROVIDERS
from tests.contract.provider_benches import (
    BENCHES,
    OFFERS,
    Bench,
    new_key,
    new_order,
    public_line,
    running_sandbox,
)
from tests.contract.sandbox_process import SandboxProcess
from tests.integration.strangers import Strangers

OURS = Owner("3f9a1c2b", "web", "job_20261122_081530_3f9a1c2b7d4e")
ANY_JOB = Owner("3f9a1c2b", "web")
FOREIGN = Owner("0000beef", "web")
KINDS: tuple[ResourceKind, ...] = ("machine", "address", "key")
UNKNOWN = "4000000"


def offering(what: str, *, offered: bool = True) -> pytest.MarkDecorator:
    """Try it on the providers that offer something, or on those that do not."""
    names = [name for name in sorted(PROVIDERS) if (what in OFFERS[name]) is offered]
    return pytest.mark.parametrize("bench", names, indirect=True)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    yield from running_sandbox(tmp_path_factory.mktemp("providers"))


@pytest.fixture(params=sorted(PROVIDERS))
async def bench(
    request: pytest.FixtureRequest, process: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    process.control("faults", "DELETE")
    process.control("reset", "POST")
    process.wait_until_it_listens()
    async with BENCHES[request.param](process, monkeypatch) as found:
        yield found


async def bought(provider: Provider, owner: Owner = OURS, name: str = "web") -> str:
    """Order a machine as the steps do, and wait for it; its id."""
    ordered = await provider.order_machine(await new_order(provider, owner, name=name))
    async with asyncio.timeout(20):
        while not (state := await provider.action_state(ordered.actions)).done:
            await asyncio.sleep(0.01)
    assert (state.error, state.progress) == (None, 100)
    return ordered.machine_id


def test_every_provider_of_the_table_is_tried_here() -> None:
    assert sorted(BENCHES) == sorted(PROVIDERS)


async def test_it_offers_what_is_tried_on_it(bench: Bench) -> None:
    provider = bench.provider
    offered = {
        "token": PROVIDERS[provider.name].takes_token,
        "machines": provider.sells_machines,
        "addresses": provider.addresses is not None,
        "dns": await provider.dns() is not None,
    }
    assert {what for what, there in offered.items() if there} == OFFERS[provider.name]


# -- who it is


async def test_its_name_is_that_of_its_line(bench: Bench, request: pytest.FixtureRequest) -> None:
    assert bench.provider.name in request.node.name
    assert await bench.provider.is_running()


async def test_a_good_credential_is_accepted(bench: Bench) -> None:
    await bench.provider.check()
    offset = bench.provider.clock_offset
    assert offset is None or abs(offset) < 60


@offering("token")
async def test_a_wrong_token_is_refused_and_not_shown(bench: Bench) -> None:
    wrong = replace(bench.settings, token=SecretStr("x" * 64))
    stranger = PROVIDERS[bench.provider.name].build(wrong)
    with pytest.raises(Unauthorized) as raised:
        await stranger.check()
    await stranger.close()
    assert raised.value.hint == f"livchat config provider {bench.provider.name}"
    assert "x" * 64 not in f"{raised.value} {raised.value.details} {wrong}"


# -- what it sells


@offering("machines")
async def test_what_it_sells_has_a_price_a_location_and_an_image(bench: Bench) -> None:
    provider = bench.provider
    types, images = await provider.server_types(), await provider.images()
    locations = {location.name for location in await provider.locations()}
    places = [place for kind in types for place in kind.locations]
    assert any(place.available for place in places)
    assert {place.name for place in places} <= locations
    for place in places:
        assert place.currency
        assert Decimal(place.price_monthly or 0) > Decimal(place.price_hourly or 0) > 0
    for architecture in {kind.architecture for kind in types}:
        assert any(image.architecture == architecture for image in images)


@offering("machines", offered=False)
async def test_one_that_sells_nothing_says_what_to_do_instead(bench: Bench) -> None:
    provider = bench.provider
    assert await provider.server_types() == []
    assert await provider.locations() == []
    assert await provider.images() == []
    order = MachineOrder("web", "cx23", "nbg1", "debian-13", None, "1", "", OURS)
    for purchase in (
        provider.order_machine(order),
        provider.ensure_key("web", public_line(new_key()), OURS),
    ):
        with pytest.raises(InvalidRequest) as raised:
            await purchase
        assert raised.value.hint == "livchat server add web --host ADDRESS"


# -- a machine's life


@offering("machines")
async def test_a_machine_is_found_by_its_owner_and_by_its_id(bench: Bench) -> None:
    provider = bench.provider
    machine_id = await bought(provider)
    found = await provider.find_machine(OURS)
    assert found is not None
    assert found == await provider.machine(machine_id) == await provider.find_machine(ANY_JOB)
    assert (found.id, found.name, found.status) == (machine_id, "web", "running")
    assert found.owner == OURS
    assert found.ip_address is not None
    assert found.ipv6_address is None or "/" not in found.ipv6_address
    assert found.created_at.endswith("Z")
    for other in (FOREIGN, replace(OURS, root_job_id="job_2"), replace(OURS, server="web-2")):
        assert await provider.find_machine(other) is None


@offering("machines")
async def test_an_order_whose_response_is_lost_is_adopted_and_never_placed_again(
    bench: Bench,
) -> None:
    provider = bench.provider
    order = await new_order(provider, OURS)
    bench.lose_the_next_response("POST /servers")
    with suppress(ProviderUnavailable, Conflict):
        await provider.order_machine(order)
    found = await provider.find_machine(OURS)
    assert found is not None
    # Its name is taken, and so is its address: whichever the provider looks at first.
    with pytest.raises((Conflict, ProviderError)):
        await provider.order_machine(order)
    assert bench.machines() == [found.id]


@offering("machines")
async def test_searches_at_the_same_time_find_each_its_own(bench: Bench) -> None:
    provider = bench.provider
    names = ["a", "b", "c"]
    owners = [replace(OURS, server=name, root_job_id=f"job_{name}") for name in names]
    ids = [await bought(provider, owner, name) for owner, name in zip(owners, names, strict=True)]
    found = await asyncio.gather(
        *(provider.find_machine(owner) for owner in owners),
        *(provider.find_machine(replace(owner, root_job_id=None)) for owner in owners),
        provider.find_machine(OURS),
    )
    assert [machine and machine.id for machine in found] == [*ids, *ids, None]


@offering("machines")
async def test_a_machine_is_deleted_once_and_then_again(bench: Bench) -> None:
    provider = bench.provider
    machine_id = await bought(provider)
    for _ in range(2):
        await provider.delete_machine(machine_id, ANY_JOB)
        assert await provider.machine(machine_id) is None
        assert await provider.find_machine(OURS) is None
    assert bench.machines() == []


@offering("machines")
async def test_a_key_is_added_once_under_any_name_and_deleted(bench: Bench) -> None:
    provider = bench.provider
    line = public_line(new_key())
    ids = await asyncio.gather(*(provider.ensure_key(f"key-{n}", line, OURS) for n in range(4)))
    assert len(set(ids)) == 1
    with pytest.raises(InvalidRequest, match="public_key"):
        await provider.ensure_key("broken", "nonsense", OURS)
    for _ in range(2):
        await provider.delete_key(ANY_JOB)
        assert await provider.resource("key", ids[0]) is None


# -- addresses that are reserved


@offering("addresses")
async def test_an_address_is_kept_while_its_machine_goes(bench: Bench) -> None:
    addresses, provider = bench.addresses(), bench.provider
    machine_id = await bought(provider)
    address, machine = await addresses.find_address(OURS), await provider.machine(machine_id)
    assert address is not None
    assert machine is not None
    assert (address.machine_id, address.ip) == (machine_id, machine.ip_address)
    await provider.delete_machine(machine_id, ANY_JOB)
    kept = await addresses.find_address(OURS)
    assert kept == replace(address, machine_id=None)
    for _ in range(2):
        await addresses.release_address(address.id, ANY_JOB)
        assert await addresses.find_address(ANY_JOB) is None


@offering("addresses")
async def test_an_address_whose_response_is_lost_is_found_and_not_reserved_twice(
    bench: Bench,
) -> None:
    addresses = bench.addresses()
    (location, *_) = await bench.provider.locations()
    bench.lose_the_next_response("POST /primary_ips")
    with suppress(ProviderUnavailable, Conflict):
        await addresses.reserve_address("livchat-web", location.name, OURS)
    found = await addresses.find_address(OURS)
    assert found is not None
    assert (found.owner, found.region, found.machine_id) == (OURS, location.name, None)
    with pytest.raises(Conflict):
        await addresses.reserve_address("livchat-web", location.name, OURS)
    assert len(bench.sandbox.status()["primary_ips"]) == 1


# -- what is there, and whose it is


async def test_what_livchat_made_is_listed_with_its_installation_and_its_price(
    bench: Bench,
) -> None:
    provider = bench.provider
    Strangers(bench.sandbox.address).machine("somebodys", {"team": "shop"})
    made: set[str] = set()
    if provider.sells_machines:
        made = {await bought(provider), await bought(provider, FOREIGN, "b")}
    resources = await provider.list_resources()
    machines = [one for one in resources if one.kind == "machine"]
    assert {one.id for one in machines} == made
    assert {one.owner for one in machines} == ({OURS, FOREIGN} if made else set())
    for one in machines:
        assert Decimal(one.price_monthly or 0) > 0
        assert one.currency
        assert one.where
    expected = len(made) * (3 if provider.addresses is not None else 2)
    assert len(resources) == expected
    for one in resources:
        again = await provider.resource(one.kind, one.id)
        assert again == replace(one, price_monthly=None, currency=None)


@offering("machines")
async def test_every_kind_of_resource_is_deleted_by_its_id(bench: Bench) -> None:
    provider = bench.provider
    await bought(provider)
    for one in sorted(await provider.list_resources(), key=lambda one: KINDS.index(one.kind)):
        for _ in range(2):
            await provider.delete_resource(one.kind, one.id, ANY_JOB)
            assert await provider.resource(one.kind, one.id) is None
    assert await provider.list_resources() == []


@offering("machines")
async def test_what_another_installation_made_is_never_touched(bench: Bench) -> None:
    provider = bench.provider
    machine_id = await bought(provider)
    before = await provider.list_resources()
    with pytest.raises(Conflict):
        await provider.delete_machine(machine_id, FOREIGN)
    for one in before:
        with pytest.raises(Conflict):
            await provider.delete_resource(one.kind, one.id, FOREIGN)
        if one.kind == "address" and provider.addresses is not None:
            with pytest.raises(Conflict):
                await provider.addresses.release_address(one.id, FOREIGN)
    await provider.delete_key(FOREIGN)
    assert await provider.list_resources() == before


@offering("machines")
async def test_what_is_nobodys_is_never_touched(bench: Bench) -> None:
    provider = bench.provider
    strangers = Strangers(bench.sandbox.address)
    made: dict[ResourceKind, str] = {
        "machine": strangers.machine("somebodys", {}),
        "address": strangers.address("somebodys", {}),
        "key": strangers.key("somebodys", {}),
    }
    for kind, resource_id in made.items():
        found = await provider.resource(kind, resource_id)
        assert found is not None
        assert found.owner is None
        with pytest.raises(Conflict):
            await provider.delete_resource(kind, resource_id, Owner(None, None))
        assert await provider.resource(kind, resource_id) == found


async def test_what_there_is_not_is_none_and_its_deletion_is_fine(bench: Bench) -> None:
    provider = bench.provider
    assert await provider.machine(UNKNOWN) is None
    assert await provider.find_machine(OURS) is None
    for kind in KINDS:
        assert await provider.resource(kind, UNKNOWN) is None
        await provider.delete_resource(kind, UNKNOWN, OURS)
    await provider.delete_machine(UNKNOWN, OURS)
    await provider.delete_key(OURS)
    if provider.addresses is not None:
        assert await provider.addresses.find_address(OURS) is None
        await provider.addresses.release_address(UNKNOWN, OURS)
    assert await provider.list_resources() == []
    assert (await provider.action_state(())).done


# -- where it is


async def test_its_machine_is_spoken_to_where_its_endpoints_say(bench: Bench) -> None:
    machine = await bench.machine()
    endpoints = await bench.provider.endpoints(machine.ip_address)
    assert endpoints.url("n8n.example.com").startswith(f"{endpoints.web_scheme}://n8n.example.com")
    if not bench.speaks_ssh:
        assert (endpoints.ssh_host, endpoints.web_host) == (machine.ip_address, machine.ip_address)
        return
    port = machine.ssh_port or endpoints.ssh_port

    async def lookup(server: str) -> Endpoint:
        return Endpoint(endpoints.ssh_host, port, "root", machine.private_key)

    shells = SshShells(lookup, poll=0.01)
    shell = await shells.on("web")
    assert (await shell.run("hostname")).stdout.strip() == "web"
    await shells.close()


@offering("dns")
async def test_a_dns_account_that_it_brings_can_be_used(bench: Bench) -> None:
    access = await bench.provider.dns()
    assert access is not None
    account = CloudflareDns(access.base_url, SecretStr(access.api_token))
    assert await account.zones()
    await account.close()
    assert access.api_token not in repr(access)


@offering("machines")
async def test_once_closed_nothing_is_bought_any_more(bench: Bench) -> None:
    provider = bench.provider
    order = await new_order(provider, OURS)
    await provider.close()
    with pytest.raises(ProviderUnavailable, match="is closed"):
        await provider.order_machine(order)
    assert bench.machines() == []
