"""Every provider of the registry over something real: a sandbox, or a machine in one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from livchat.asyncssh_guard import asyncssh
from livchatd.providers.base import (
    Addresses,
    MachineOrder,
    Owner,
    Provider,
    ProviderSettings,
)
from livchatd.providers.choose import Requirements, select_offers
from livchatd.providers.registry import PROVIDERS
from tests.contract.sandbox_process import SandboxProcess, running
from tests.integration.own_machine import Landlord

TIMEOUT_SECONDS = 20.0
OFFERS = {
    "hetzner": {"token", "machines", "addresses"},
    "own": set[str](),
    "sandbox": {"machines", "addresses", "dns"},
}
"""What a provider offers: a token to be given, machines, addresses to be reserved, a DNS account.

A promise about what it does not offer is not tried on it; that it offers just this, a test asks it.
"""


@dataclass(frozen=True)
class ReachableMachine:
    """A machine of a provider: its address, the key that opens it, its port if it is its own."""

    ip_address: str
    private_key: str
    ssh_port: int | None = None


@dataclass(frozen=True)
class Bench:
    """A provider, and the sandbox behind it.

    `machine` returns one that runs. `speaks_ssh` is whether it can be spoken to from here: the
    public addresses of the sandbox's Hetzner lead nowhere.
    """

    provider: Provider
    sandbox: SandboxProcess
    settings: ProviderSettings
    machine: Callable[[], Any]
    speaks_ssh: bool = True

    def addresses(self) -> Addresses:
        """Its addresses that can be reserved."""
        found = self.provider.addresses
        assert found is not None
        return found

    def lose_the_next_response(self, route: str) -> None:
        """Let the next call of a route be carried out, and its response be lost."""
        rule = {"service": "hetzner", "route": route, "fault": "lost"}
        self.sandbox.control("faults", "PUT", {"faults": [rule]})

    def machines(self) -> list[str]:
        """The ids of all machines that there are, whoever made them."""
        return [str(one["id"]) for one in self.sandbox.status()["servers"]]


def new_key() -> Any:
    return asyncssh.generate_private_key("ssh-ed25519")


def public_line(key: Any) -> str:
    return str(key.export_public_key("openssh").decode().strip())


async def new_order(
    provider: Provider, owner: Owner, *, name: str = "web", key: Any = None
) -> MachineOrder:
    """An order as the steps make it: address and key come first."""
    selection = select_offers(
        await provider.server_types(), await provider.images(), Requirements()
    )
    offer, address_id = selection.chosen, None
    if provider.addresses is not None:
        address = await provider.addresses.find_address(owner)
        if address is None:
            address = await provider.addresses.reserve_address(
                f"livchat-{name}", offer.region, owner
            )
        address_id = address.id
    return MachineOrder(
        name=name,
        server_type=offer.server_type,
        region=offer.region,
        image=offer.image,
        address_id=address_id,
        ssh_key_id=await provider.ensure_key(
            f"livchat-{name}", public_line(key or new_key()), owner
        ),
        user_data="#cloud-config\n",
        owner=owner,
    )


@asynccontextmanager
async def _hetzner(sandbox: SandboxProcess, patch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """Hetzner's provider, which is led to the API of a sandbox as `hcloud` is."""
    patch.setenv("HCLOUD_ENDPOINT", sandbox.address["hetzner"])
    token = SecretStr(sandbox.address["token"])
    settings = ProviderSettings(token, TIMEOUT_SECONDS, sandbox.folder.parent)
    provider = PROVIDERS["hetzner"].build(settings)

    async def machine() -> ReachableMachine:
        return await _bought(provider)

    yield Bench(provider, sandbox, settings, machine, speaks_ssh=False)
    await provider.close()


@asynccontextmanager
async def _sandbox(sandbox: SandboxProcess, patch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """The sandbox's provider, which finds that one running in its folder."""
    del patch
    settings = ProviderSettings(None, TIMEOUT_SECONDS, sandbox.folder.parent)
    provider = PROVIDERS["sandbox"].build(settings)

    async def machine() -> ReachableMachine:
        return await _bought(provider)

    yield Bench(provider, sandbox, settings, machine)
    await provider.close()


@asynccontextmanager
async def _own(sandbox: SandboxProcess, patch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """The provider of machines that there are: one is rented in a sandbox by somebody else."""
    del patch
    settings = ProviderSettings(None, TIMEOUT_SECONDS, sandbox.folder.parent)
    provider = PROVIDERS["own"].build(settings)

    async def machine() -> ReachableMachine:
        rented = Landlord(sandbox).rent("web")
        return ReachableMachine("127.0.0.1", rented.private, rented.port)

    yield Bench(provider, sandbox, settings, machine)
    await provider.close()


async def _bought(provider: Provider) -> ReachableMachine:
    key = new_key()
    owner = Owner("3f9a1c2b", "web", "job_20261122_081530_3f9a1c2b7d4e")
    ordered = await provider.order_machine(await new_order(provider, owner, key=key))
    found = await provider.machine(ordered.machine_id)
    assert found is not None
    assert found.ip_address is not None
    return ReachableMachine(found.ip_address, key.export_private_key("openssh").decode())


MakeBench = Callable[[SandboxProcess, pytest.MonkeyPatch], AbstractAsyncContextManager[Bench]]
BENCHES: dict[str, MakeBench] = {"hetzner": _hetzner, "own": _own, "sandbox": _sandbox}
"""How each provider of the registry is tried."""


def running_sandbox(folder: Path) -> Iterator[SandboxProcess]:
    """A sandbox in the folder where its provider looks for it."""
    with running(folder / "sandbox") as found:
        yield found
