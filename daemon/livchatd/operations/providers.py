"""Providers: what they sell now, where, and with which operating systems."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from livchat.errors import Forbidden, Unauthorized
from livchat.wire.providers import Images, Locations, ServerTypes
from livchatd.planning.machine import token_refused
from livchatd.providers.base import Provider
from livchatd.providers.registry import ProviderRegistry

T = TypeVar("T")


@dataclass(frozen=True)
class ProviderOperations:
    """What can be asked about a provider; where none is named, about the default one.

    Each raises `InvalidRequest` for an unknown provider, `NotConfigured` for one without a token,
    and `ProviderError` for one that refuses its token.
    """

    registry: ProviderRegistry

    async def server_types(self, name: str | None, region: str | None) -> ServerTypes:
        """Return what a provider sells, live; in one region if it is named."""
        provider = await self.registry.provider(name)
        types = await _authorized(provider, provider.server_types())
        if region is not None:
            types = [
                server_type.model_copy(update={"locations": there})
                for server_type in types
                if (there := [place for place in server_type.locations if place.name == region])
            ]
        return ServerTypes(server_types=types, provider=provider.name)

    async def locations(self, name: str | None) -> Locations:
        """Return where a provider's servers stand, live."""
        provider = await self.registry.provider(name)
        return Locations(locations=await _authorized(provider, provider.locations()))

    async def images(self, name: str | None) -> Images:
        """Return the operating systems of a provider, live."""
        provider = await self.registry.provider(name)
        return Images(images=await _authorized(provider, provider.images()))


async def _authorized(provider: Provider, call: Awaitable[T]) -> T:
    """Return what a call returns; `ProviderError` if the provider refuses our token."""
    try:
        return await call
    except (Unauthorized, Forbidden) as error:
        raise token_refused(provider.name, error) from error
