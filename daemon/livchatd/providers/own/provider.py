"""Machines that exist already: nothing is bought, they are reached over SSH as they are."""

from __future__ import annotations

from typing import NoReturn

from livchat.errors import InvalidRequest
from livchat.wire.providers import Image, Location, ServerType
from livchatd.providers.base import (
    ActionState,
    Addresses,
    DnsAccess,
    Endpoints,
    Machine,
    MachineOrder,
    OrderedMachine,
    Owner,
    ProviderSettings,
    Resource,
    ResourceKind,
)


def build(settings: ProviderSettings) -> Own:
    """Return the provider; it needs no settings."""
    del settings
    return Own()


class Own:
    """The provider of machines that the user brings: it has no account and makes nothing."""

    @property
    def name(self) -> str:
        """The provider's name."""
        return "own"

    @property
    def sells_machines(self) -> bool:
        """They are added as they are."""
        return False

    @property
    def addresses(self) -> Addresses | None:
        """A machine has its address already."""
        return None

    @property
    def clock_offset(self) -> float | None:
        """There is no clock to compare with."""
        return None

    async def check(self) -> None:
        """Accept: there is no credential."""

    async def server_types(self) -> list[ServerType]:
        """Return none: none is for sale."""
        return []

    async def locations(self) -> list[Location]:
        """Return none: none is for sale."""
        return []

    async def images(self) -> list[Image]:
        """Return none: none is for sale."""
        return []

    async def ensure_key(self, name: str, public_key: str, owner: Owner) -> str:  # noqa: ARG002
        """Raise `InvalidRequest`."""
        _refuse(name)

    async def delete_key(self, owner: Owner) -> None:
        """Leave all as it is: no key was added."""

    async def find_machine(self, owner: Owner) -> Machine | None:  # noqa: ARG002
        """Return None: no machine was bought."""
        return None

    async def machine(self, machine_id: str) -> Machine | None:  # noqa: ARG002
        """Return None: no machine was bought."""
        return None

    async def order_machine(self, order: MachineOrder) -> OrderedMachine:
        """Raise `InvalidRequest`."""
        _refuse(order.name)

    async def action_state(self, actions: tuple[str, ...]) -> ActionState:  # noqa: ARG002
        """Return that all is done: nothing is under way."""
        return ActionState(100.0, done=True)

    async def delete_machine(self, machine_id: str, owner: Owner) -> None:
        """Leave the machine: it is the user's."""

    async def is_running(self) -> bool:
        """Return True: there is nothing to be started."""
        return True

    async def list_resources(self) -> list[Resource]:
        """Return none: none was made by us."""
        return []

    async def resource(
        self,
        kind: ResourceKind,  # noqa: ARG002
        resource_id: str,  # noqa: ARG002
    ) -> Resource | None:
        """Return None: none was made by us."""
        return None

    async def delete_resource(self, kind: ResourceKind, resource_id: str, owner: Owner) -> None:
        """Leave all as it is: nothing was made by us."""

    async def endpoints(self, ip_address: str) -> Endpoints:
        """Return its public address with the usual ports."""
        return Endpoints(ssh_host=ip_address, web_host=ip_address)

    async def dns(self) -> DnsAccess | None:
        """Return None: the user's own account is used."""
        return None

    async def close(self) -> None:
        """Close nothing: nothing is open."""


def _refuse(name: str) -> NoReturn:
    raise InvalidRequest.field(
        "provider",
        "machines of your own are not ordered, they are added",
        hint=f"livchat server add {name} --host ADDRESS",
    )
