"""Makes every choice that an order leaves open: provider, machine, domain, e-mail, apps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import TypeVar

from livchat.errors import Conflict, Forbidden, Invalid, Unauthorized
from livchat.wire.providers import Images, Locations, ServerTypes
from livchat.wire.servers import CreateServer
from livchat.wire.up import Up
from livchatd.catalog.catalog import Catalog
from livchatd.credentials.app_secrets import Params
from livchatd.credentials.certificates import Certificates, Proof
from livchatd.credentials.credentials import Credentials
from livchatd.planning import plan
from livchatd.planning.plan import Household
from livchatd.providers.base import Provider
from livchatd.providers.registry import Accounts
from livchatd.settings import Settings
from livchatd.steps.params import UpOrder
from livchatd.storage.inventory import AppRecord, Inventory, ServerRecord

T = TypeVar("T")

SANDBOX = "sandbox"
SANDBOX_EMAIL = "you@livchat.localhost"
"""Who is told about certificates in the sandbox, where nobody sends mail."""


@dataclass(frozen=True)
class UpChoice:
    """An `up` with every choice made; `new` says that its server is not there yet.

    `secrets` are answers that are for the vault alone.
    """

    order: UpOrder
    new: bool
    secrets: Params


class Choices:
    """Chooses from what there is now: at the providers, in the zones, in the catalog."""

    def __init__(  # noqa: PLR0913
        self,
        inventory: Inventory,
        catalog: Catalog,
        accounts: Accounts,
        credentials: Credentials,
        certificates: Certificates,
        settings: Settings,
        sandbox_pace: float = 1.0,
    ) -> None:
        self._inventory = inventory
        self._catalog = catalog
        self._accounts = accounts
        self._credentials = credentials
        self._certificates = certificates
        self._settings = settings
        self._sandbox_pace = sandbox_pace

    def pace(self, variant: str) -> float:
        """What the usual durations are multiplied by: the sandbox's are shorter than real ones."""
        return self._sandbox_pace if variant.startswith(f"{SANDBOX}/") else 1.0

    async def server_types(self, provider: str | None, region: str | None) -> ServerTypes:
        """What a provider sells, live; in one region if it is named."""
        found = await self.provider(provider)
        types = await self._of(found, found.server_types())
        if region is not None:
            types = [
                kind.model_copy(update={"locations": here})
                for kind in types
                if (here := [place for place in kind.locations if place.name == region])
            ]
        return ServerTypes(server_types=types, provider=found.name)

    async def locations(self, provider: str | None) -> Locations:
        """Where a provider's servers stand, live."""
        found = await self.provider(provider)
        return Locations(locations=await self._of(found, found.locations()))

    async def images(self, provider: str | None) -> Images:
        """The operating systems of a provider, live."""
        found = await self.provider(provider)
        return Images(images=await self._of(found, found.images()))

    async def provider(self, name: str | None) -> Provider:
        """The provider of this name, or the default one."""
        return await self._accounts.provider(
            name or await self._accounts.first(self._settings.default_provider)
        )

    async def read_catalog(self) -> None:
        """See that the catalog is read, apart from the loop."""
        await asyncio.to_thread(self._catalog.apps)

    def household(self, record: ServerRecord, kept: Params) -> Household | None:
        """The server as apps see it, with their secret answers; None if it is not set up."""
        if record.setup_at is None or record.zone_name is None or record.ssl_email is None:
            return None
        return Household(
            record.zone_name,
            record.subdomain,
            record.ssl_email,
            record.timezone or "UTC",
            self._installed(record.name),
            kept,
        )

    def _installed(self, server: str) -> dict[str, AppRecord]:
        return {app.app_name: app for app in self._inventory.apps(server)}

    async def up(self, want: Up, record: ServerRecord | None, kept: Params) -> UpChoice:
        """Every choice of an `up`, on a server that is there or a new one."""
        if record is not None:
            here = [app.app_name for app in self._inventory.apps(want.server)]
            plan.agree(record, want, here)
            if want.provider not in {None, record.provider}:
                raise Conflict(
                    f"'{want.server}' is a server of {record.provider}",
                    hint=f"livchat server show {want.server}",
                    details={"server": want.server, "provider": record.provider},
                )
        provider = await self.provider(record.provider if record else want.provider)
        house = replace(await self._house_to_be(want, provider.name, record), kept=kept)
        await self.read_catalog()
        apps = plan.app_orders(self._catalog, want.apps, want.config, house)
        checking = plan.check_zone(await self._credentials.dns(provider.name), want.zone_name)
        ports = plan.open_ports(want.open_ports, record)
        if record is not None:
            await checking
            proof = await self._proof(want, record, provider.name)
            order = plan.up_order(plan.as_it_is(record), house, apps.orders, ports, proof)
            return UpChoice(order, new=False, secrets=apps.secrets)
        machine = CreateServer(
            name=want.server, server_type=want.server_type, region=want.region, image=want.image,
            cpu=want.cpu, ram=want.ram, fallback=want.fallback,
        )  # fmt: skip
        found, _ = await asyncio.gather(plan.bargain(provider, machine), checking)
        proof = await self._proof(want, None, provider.name)
        order = plan.up_order(found, house, apps.orders, ports, proof)
        return UpChoice(order, new=True, secrets=apps.secrets)

    async def _proof(self, want: Up, record: ServerRecord | None, provider: str) -> Proof:
        return await self._certificates.choose(want.challenge, record, provider, want.zone_name)

    async def _house_to_be(self, want: Up, provider: str, record: ServerRecord | None) -> Household:
        email = want.ssl_email or (record and record.ssl_email) or self._settings.email
        if email is None:
            email = SANDBOX_EMAIL if provider == SANDBOX else await self._credentials.email()
        if email is None:
            raise Invalid.field(
                "ssl_email", "is needed: it is told when a certificate cannot be renewed",
                hint="livchat up APP... --email you@example.com",
            )  # fmt: skip
        here = self._installed(want.server)
        return Household(want.zone_name, want.subdomain, email, want.timezone, here, {})

    async def _of(self, provider: Provider, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except (Unauthorized, Forbidden) as error:
            raise plan.refused(provider.name, error) from error
