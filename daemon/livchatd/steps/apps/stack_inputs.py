"""All that goes into an app's stack: its secrets, what it is bound to, and the stack rendered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from pydantic import SecretStr

from livchat.errors import Conflict, ProviderError
from livchat.wire.servers import Challenge
from livchatd.catalog.catalog import App
from livchatd.catalog.dependencies import provider
from livchatd.catalog.generate_secrets import generate, password
from livchatd.catalog.params import secret_params
from livchatd.catalog.render import binding_host, render
from livchatd.catalog.render_types import Binding, Rendered, RenderOrder
from livchatd.catalog.schema import Provides
from livchatd.steps.deps import Tools
from livchatd.steps.params import AppOrder

PARAM = "param"
"""The word in a vault's key before the name of a question whose answer is a secret."""
PREPARED = frozenset({"postgres", "redis"})
"""What is made for an app that needs it."""
REDIS_DATABASES = 64
"""How many numbered databases our Redis has; 0 is left to people who look at it by hand."""


@dataclass(frozen=True)
class Place:
    """Where an app is deployed: the server, the domain of its names, and what apps ask about."""

    server: str
    provider: str
    zone_name: str
    subdomain: str | None
    ssl_email: str
    timezone: str
    challenge: Challenge = Challenge.HTTP

    @property
    def domain(self) -> str:
        """What the names of its apps end with."""
        return ".".join(part for part in (self.subdomain, self.zone_name) if part)


@dataclass(frozen=True)
class Database:
    """A database that an app needs: in which provider app, as what, with which extensions."""

    alias: str
    app: App
    name: str
    extensions: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """What an app on a server is made of. Makes and keeps the secrets; changes nothing else."""

    tools: Tools
    place: Place
    order: AppOrder

    @property
    def instance(self) -> str:
        """The name of its stack."""
        return self.order.app_name

    async def app(self) -> App:
        """Its definition; `NotFound` if the catalog no longer has it."""
        await asyncio.to_thread(self.tools.catalog.apps)
        return self.tools.catalog.app(self.order.app_name)

    async def secrets(self) -> dict[str, str]:
        """Its secrets by name, made if they are missing, durable before they are returned."""
        app, vault = await self.app(), self.tools.vault
        kept = {
            name: value
            for name in app.spec.secrets
            if (value := await vault.get(self.key(name))) is not None
        }
        plain = {name: value.get_secret_value() for name, value in kept.items()}
        if len(kept) == len(app.spec.secrets):
            return plain
        made = await asyncio.to_thread(generate, app.spec.secrets, plain)
        new = {self.key(name): value for name, value in made.items() if name not in plain}
        await vault.put_many(new)
        return made

    async def databases(self) -> list[Database]:
        """The PostgreSQL databases that it needs."""
        app = await self.app()
        return [
            Database(
                alias=alias,
                app=self._provider(use.capability),
                name=database_name(self.instance, alias),
                extensions=tuple(use.extensions),
            )
            for alias, use in app.spec.uses.items()
            if use.capability == "postgres"
        ]

    async def password(self, alias: str) -> SecretStr:
        """The password of its role in a database, made if there is none."""
        return await self.tools.vault.get_or_make(self.key(alias), partial(password, 32))

    async def indexes(self) -> dict[str, int]:
        """The numbered databases in Redis that it uses, by alias; new ones are the lowest free.

        Nothing is kept: the caller writes them down before they are used.
        """
        app, server = await self.app(), self.place.server
        own = self.tools.inventory.app(server, self.instance)
        mine = dict(own.redis_indexes) if own else {}
        taken = {
            index
            for record in self.tools.inventory.apps(server)
            for index in record.redis_indexes.values()
        } | set(mine.values())
        for alias, use in app.spec.uses.items():
            if use.capability == "redis" and alias not in mine:
                free = next((n for n in range(1, REDIS_DATABASES) if n not in taken), None)
                if free is None:
                    raise Conflict(
                        f"all {REDIS_DATABASES} databases of Redis on '{server}' are taken",
                        hint=f"livchat app list {server}",
                    )
                mine[alias] = free
                taken.add(free)
        return mine

    async def rendered(self, phase: Literal["install", "update"] = "install") -> Rendered:
        """Its stack with everything in it; `Invalid` for an answer that does not fit."""
        app, place = await self.app(), self.place
        order = RenderOrder(
            instance=self.instance,
            domain=place.domain,
            hosts=self.order.hosts,
            bindings=await self._bindings(app),
            params={**self.order.config, **await self._secret_answers(app)},
            secrets=await self.secrets(),
            timezone=place.timezone,
            email=place.ssl_email,
        )
        return await asyncio.to_thread(render, app, order, phase)

    async def images(self) -> list[str]:
        """The images that its stack runs."""
        return (await self.rendered()).images

    def key(self, name: str) -> str:
        """Where the vault keeps one of its secrets."""
        return f"app/{self.place.server}/{self.order.app_name}/{name}"

    async def _secret_answers(self, app: App) -> dict[str, str]:
        """What people answered and the order may not say."""
        found = {}
        for name in secret_params(app.spec):
            key = param_key(self.place.server, self.order.app_name, name)
            if (value := await self.tools.vault.get(key)) is not None:
                found[name] = value.get_secret_value()
        return found

    async def _bindings(self, app: App) -> dict[str, Binding]:
        indexes = await self.indexes()
        found: dict[str, Binding] = {}
        for alias, use in app.spec.uses.items():
            giver = self._provider(use.capability)
            offer = _offer(giver, use.capability)
            binding = Binding(host=binding_host(giver, None, use.capability), port=offer.port)
            if use.capability == "postgres":
                name = database_name(self.instance, alias)
                kept = await self.password(alias)
                found[alias] = replace(
                    binding, name=name, user=name, password=kept.get_secret_value()
                )
            elif use.capability == "redis":
                shared = await self._shared_password(giver, offer)
                found[alias] = replace(binding, password=shared, index=indexes[alias])
            else:
                raise ProviderError(
                    f"{app.title} needs {use.capability}, which cannot be prepared for it yet",
                    hint="livchat app catalog",
                )
        return found

    async def _shared_password(self, giver: App, offer: Provides) -> str:
        key = f"app/{self.place.server}/{giver.id}/{offer.password_secret}"
        return (await self.tools.vault.require(key)).get_secret_value()

    def _provider(self, capability: str) -> App:
        here = [record.app_name for record in self.tools.inventory.apps(self.place.server)]
        return provider(self.tools.catalog, capability, [*self.order.needs, *here])


def param_key(server: str, app: str, name: str) -> str:
    """Where the vault keeps the answer to a question of an app, if that is a secret."""
    return f"app/{server}/{app}/{PARAM}/{name}"


def database_name(instance: str, alias: str) -> str:
    """The name of an app's database and of its role: one that needs no quoting."""
    stem = instance.replace("-", "_")
    return stem if alias == "db" else f"{stem}_{alias}"


def _offer(app: App, capability: str) -> Provides:
    return next(offer for offer in app.spec.provides if offer.capability == capability)
