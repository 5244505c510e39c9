"""The inputs of an app's stack, its secrets and databases among them, and the stack rendered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from pydantic import SecretStr

from livchat.errors import Conflict, ProviderError
from livchatd.catalog.catalog import App, Catalog
from livchatd.catalog.dependencies import app_offering
from livchatd.catalog.generate_secrets import generate, password
from livchatd.catalog.params import secret_params
from livchatd.catalog.render import binding_host, render
from livchatd.catalog.render_types import Binding, RenderedStack, RenderInput
from livchatd.catalog.schema import Provides
from livchatd.steps.params import AppParams
from livchatd.steps.site import Site
from livchatd.storage.inventory import Inventory
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import app_secret, app_value

SUPPORTED_CAPABILITIES = frozenset({"postgres", "redis"})
"""The capabilities that can be prepared for an app which needs them."""
REDIS_DATABASES = 64
"""How many numbered databases our Redis has; 0 is left to people who look at it by hand."""


@dataclass(frozen=True)
class Database:
    """A database that an app needs in the PostgreSQL of `app`; `name` is its role's name too."""

    alias: str
    app: App
    name: str
    extensions: tuple[str, ...]


@dataclass(frozen=True)
class StackInputs:
    """What the stack of an app on a server is made of. Its secrets are made when they are missing.

    Every method that reads the catalog raises `NotFound` if the app is not in it any more.
    """

    params: AppParams
    site: Site
    catalog: Catalog
    vault: Vault
    inventory: Inventory

    @property
    def instance(self) -> str:
        """The name of the stack."""
        return self.params.app_name

    async def app(self) -> App:
        """Return the app's definition."""
        await self.catalog.read()
        return self.catalog.app(self.params.app_name)

    async def secrets(self) -> dict[str, str]:
        """Return the app's secrets by name; new ones are in the vault before they are returned."""
        app = await self.app()
        kept = {
            name: value.get_secret_value()
            for name in app.spec.secrets
            if (value := await self.vault.get(self._key(name))) is not None
        }
        if len(kept) == len(app.spec.secrets):
            return kept
        secrets = await asyncio.to_thread(generate, app.spec.secrets, kept)
        new = {self._key(name): value for name, value in secrets.items() if name not in kept}
        await self.vault.put_many(new)
        return secrets

    async def databases(self) -> list[Database]:
        """Return the PostgreSQL databases that the app needs."""
        app = await self.app()
        return [
            Database(
                alias=alias,
                app=self._app_offering(use.capability),
                name=database_name(self.instance, alias),
                extensions=tuple(use.extensions),
            )
            for alias, use in app.spec.uses.items()
            if use.capability == "postgres"
        ]

    async def has_password(self, alias: str) -> bool:
        """Whether the vault has a password for the role of a database."""
        return await self.vault.get(self._key(alias)) is not None

    async def password(self, alias: str) -> SecretStr:
        """Return the password of the role of a database, made if there is none."""
        return await self.vault.get_or_make(self._key(alias), partial(password, 32))

    async def redis_indexes(self) -> dict[str, int]:
        """Return the numbered databases in Redis that the app uses, by alias.

        New ones are the lowest that are free: the caller records them before they are used. Raises
        `Conflict` if none is free.
        """
        app, server = await self.app(), self.site.server
        record = self.inventory.app(server, self.instance)
        own = dict(record.redis_indexes) if record else {}
        used = {
            index
            for record in self.inventory.apps(server)
            for index in record.redis_indexes.values()
        } | set(own.values())
        for alias, use in app.spec.uses.items():
            if use.capability == "redis" and alias not in own:
                free = next((n for n in range(1, REDIS_DATABASES) if n not in used), None)
                if free is None:
                    raise Conflict(
                        f"all {REDIS_DATABASES} databases of Redis on '{server}' are taken",
                        hint=f"livchat app list {server}",
                    )
                own[alias] = free
                used.add(free)
        return own

    async def rendered(self, phase: Literal["install", "update"] = "install") -> RenderedStack:
        """Return the stack with all its inputs; `InvalidRequest` for a value that does not fit."""
        app, site = await self.app(), self.site
        inputs = RenderInput(
            instance=self.instance,
            domain=site.domain,
            hosts=self.params.hosts,
            bindings=await self._bindings(app),
            given_values={**self.params.config, **await self._secret_values(app)},
            secrets=await self.secrets(),
            timezone=site.timezone,
            email=site.ssl_email,
        )
        return await asyncio.to_thread(render, app, inputs, phase)

    async def images(self) -> list[str]:
        """Return the images that the stack runs."""
        return (await self.rendered()).images

    def _key(self, name: str) -> str:
        return app_secret(self.site.server, self.params.app_name, name)

    async def _secret_values(self, app: App) -> dict[str, str]:
        """Return the secret values that were given for parameters: they are in no job's params."""
        values = {}
        for name in secret_params(app.spec):
            key = app_value(self.site.server, self.params.app_name, name)
            if (value := await self.vault.get(key)) is not None:
                values[name] = value.get_secret_value()
        return values

    async def _bindings(self, app: App) -> dict[str, Binding]:
        """Return what the app's stack needs to know of each capability that it uses."""
        indexes = await self.redis_indexes()
        bindings: dict[str, Binding] = {}
        for alias, use in app.spec.uses.items():
            offering = self._app_offering(use.capability)
            provides = _provides(offering, use.capability)
            binding = Binding(host=binding_host(offering, None, use.capability), port=provides.port)
            if use.capability == "postgres":
                name, secret = database_name(self.instance, alias), await self.password(alias)
                bindings[alias] = replace(
                    binding, name=name, user=name, password=secret.get_secret_value()
                )
            elif use.capability == "redis":
                shared = await self._shared_password(offering, provides)
                bindings[alias] = replace(binding, password=shared, index=indexes[alias])
            else:
                raise ProviderError(
                    f"{app.title} needs {use.capability}, which cannot be prepared for it yet",
                    hint="livchat app catalog",
                )
        return bindings

    async def _shared_password(self, offering: App, provides: Provides) -> str:
        key = app_secret(self.site.server, offering.id, provides.password_secret or "")
        return (await self.vault.require(key)).get_secret_value()

    def _app_offering(self, capability: str) -> App:
        installed = [record.app_name for record in self.inventory.apps(self.site.server)]
        return app_offering(self.catalog, capability, [*self.params.needs, *installed])


def database_name(instance: str, alias: str) -> str:
    """Return the name of an app's database and of its role: one that needs no quoting."""
    stem = instance.replace("-", "_")
    return stem if alias == "db" else f"{stem}_{alias}"


def _provides(app: App, capability: str) -> Provides:
    return next(offer for offer in app.spec.provides if offer.capability == capability)
