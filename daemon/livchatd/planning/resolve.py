"""An `up` request resolved: provider, machine, domain, e-mail, challenge and apps are chosen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from livchat.errors import Conflict, InvalidRequest
from livchat.wire.servers import CreateServer
from livchat.wire.up import Up
from livchatd.catalog.catalog import Catalog
from livchatd.credentials.app_secrets import AppSecrets, SecretValues
from livchatd.credentials.certificates import Certificates
from livchatd.credentials.credentials import Credentials
from livchatd.planning.apps import TargetServer, plan_apps
from livchatd.planning.checks import check_same_domain, check_zone, open_ports
from livchatd.planning.machine import choose_machine, params_of_existing
from livchatd.providers.base import Provider
from livchatd.providers.registry import ProviderRegistry
from livchatd.settings import Settings
from livchatd.steps.params import CreateServerParams, SetupServerParams, UpParams
from livchatd.steps.site import Site, SiteSettings
from livchatd.storage.inventory import Inventory, ServerRecord

SANDBOX = "sandbox"
SANDBOX_EMAIL = "you@livchat.localhost"
"""The address for the certificates' authority in the sandbox, where no mail is sent."""


@dataclass(frozen=True)
class ResolvedUp:
    """An `up` with every choice made.

    `new`: its server does not exist yet. `secret_values` are for the vault alone.
    """

    params: UpParams
    new: bool
    secret_values: SecretValues


@dataclass(frozen=True)
class UpResolver:
    """Chooses what an `up` request leaves open from what there is now."""

    inventory: Inventory
    catalog: Catalog
    registry: ProviderRegistry
    credentials: Credentials
    certificates: Certificates
    app_secrets: AppSecrets
    settings: Settings

    async def resolve(self, request: Up, record: ServerRecord | None) -> ResolvedUp:
        """Resolve a request for a server that exists, or for a new one where `record` is None.

        Raises `Conflict` if the server has another domain or provider, `InvalidRequest` for what
        cannot be had, and the errors of provider and DNS account.
        """
        if record is not None:
            self._check_same_server(request, record)
        provider = await self.registry.provider(record.provider if record else request.provider)
        target = await self._target(request, provider.name, record)
        await self.catalog.read()
        apps = plan_apps(self.catalog, request.apps, request.config, target)
        dns = await self.credentials.dns(provider.name)
        machine, _ = await asyncio.gather(
            _machine(provider, request, record), check_zone(dns, request.zone_name)
        )
        challenge = await self.certificates.choose_challenge(
            request.challenge, record, provider.name, request.zone_name
        )
        settings = target.site.model_dump(include=set(SiteSettings.model_fields))
        setup = SetupServerParams(
            name=machine.name,
            provider=machine.provider,
            open_ports=open_ports(request.open_ports, record),
            challenge_asked=challenge.requested,
            **{**settings, "challenge": challenge.challenge},
        )
        params = UpParams(server=machine, setup=setup, apps=apps.apps)
        return ResolvedUp(params, new=record is None, secret_values=apps.secret_values)

    def _check_same_server(self, request: Up, record: ServerRecord) -> None:
        installed = [app.app_name for app in self.inventory.apps(record.name)]
        check_same_domain(record, request, installed)
        if request.provider not in {None, record.provider}:
            raise Conflict(
                f"'{record.name}' is a server of {record.provider}",
                hint=f"livchat server show {record.name}",
                details={"server": record.name, "provider": record.provider},
            )

    async def _target(
        self, request: Up, provider: str, record: ServerRecord | None
    ) -> TargetServer:
        email = request.ssl_email or (record and record.ssl_email) or self.settings.email
        if email is None:
            email = SANDBOX_EMAIL if provider == SANDBOX else await self.credentials.email()
        if email is None:
            raise InvalidRequest.field(
                "ssl_email", "is needed: it is told when a certificate cannot be renewed",
                hint="livchat up APP... --email you@example.com",
            )  # fmt: skip
        site = Site(
            server=request.server,
            provider=provider,
            zone_name=request.zone_name,
            subdomain=request.subdomain,
            ssl_email=email,
            timezone=request.timezone,
        )
        installed = {app.app_name: app for app in self.inventory.apps(request.server)}
        return TargetServer(site, installed, await self.app_secrets.of_server(request.server))


async def _machine(
    provider: Provider, request: Up, record: ServerRecord | None
) -> CreateServerParams:
    """Return the machine of an existing server as it is, or choose a new one."""
    if record is not None:
        return params_of_existing(record)
    return await choose_machine(
        provider,
        CreateServer(
            name=request.server,
            server_type=request.server_type,
            region=request.region,
            image=request.image,
            cpu=request.cpu,
            ram=request.ram,
            fallback=request.fallback,
        ),
    )
