"""Machines that exist already: nothing is ordered, they are reached over SSH as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from livchat.errors import Invalid
from livchat.wire.providers import Image, Location, ServerType
from livchatd.providers.base import (
    ActionState,
    Address,
    DnsAccess,
    Machine,
    MachineOrder,
    Ordered,
    Reach,
    Thing,
    ThingKind,
)


class Own:
    """The provider of machines that the user brings."""

    @property
    def name(self) -> str:
        """The provider's name."""
        return "own"

    @property
    def ahead(self) -> float | None:
        """Nobody answers."""
        return None

    async def check(self) -> None:
        """There is no credential."""

    async def server_types(self) -> list[ServerType]:
        """None can be ordered."""
        return []

    async def locations(self) -> list[Location]:
        """None can be ordered at."""
        return []

    async def images(self) -> list[Image]:
        """None can be ordered."""
        return []

    async def find_address(self, labels: Mapping[str, str]) -> Address | None:  # noqa: ARG002
        """None."""
        return None

    async def reserve_address(
        self,
        name: str,
        region: str,  # noqa: ARG002
        labels: Mapping[str, str],  # noqa: ARG002
    ) -> Address:
        """`Invalid`."""
        _refuse(name)

    async def release_address(self, address_id: str, labels: Mapping[str, str]) -> None:
        """Nothing is to be given back."""

    async def ensure_key(
        self,
        name: str,
        public_key: str,  # noqa: ARG002
        labels: Mapping[str, str],  # noqa: ARG002
    ) -> str:
        """`Invalid`."""
        _refuse(name)

    async def delete_key(self, labels: Mapping[str, str]) -> None:
        """There is none."""

    async def find_machine(self, labels: Mapping[str, str]) -> Machine | None:  # noqa: ARG002
        """None."""
        return None

    async def machine(self, machine_id: str) -> Machine | None:  # noqa: ARG002
        """None."""
        return None

    async def order(self, order: MachineOrder) -> Ordered:
        """`Invalid`."""
        _refuse(order.name)

    async def actions(self, actions: tuple[str, ...]) -> ActionState:  # noqa: ARG002
        """Nothing is under way."""
        return ActionState(100.0, done=True)

    async def delete_machine(self, machine_id: str, labels: Mapping[str, str]) -> None:
        """The machine is the user's: it stays."""

    async def there(self) -> bool:
        """There is nobody to ask."""
        return True

    async def things(self) -> list[Thing]:
        """None was made by us."""
        return []

    async def thing(self, kind: ThingKind, thing_id: str) -> Thing | None:  # noqa: ARG002
        """None."""
        return None

    async def discard(self, kind: ThingKind, thing_id: str, labels: Mapping[str, str]) -> None:
        """Nothing was made by us."""

    async def reach(self, ip_address: str) -> Reach:
        """Its public address."""
        return Reach(ssh_host=ip_address, web_host=ip_address)

    async def dns(self) -> DnsAccess | None:
        """The user's own account."""
        return None

    async def close(self) -> None:
        """Nothing is open."""


def _refuse(name: str) -> NoReturn:
    raise Invalid.field(
        "provider",
        "machines of your own are not ordered, they are added",
        hint=f"livchat server add {name} --host ADDRESS",
    )
