"""The table of providers, and those of them that can be used now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from livchat.errors import InvalidRequest, NotConfigured
from livchatd.providers.base import Provider, ProviderSettings
from livchatd.providers.hetzner.provider import build as build_hetzner
from livchatd.providers.own.provider import build as build_own
from livchatd.providers.sandbox.provider import build as build_sandbox


@dataclass(frozen=True)
class ProviderEntry:
    """How a provider is built; `takes_token`: it can be used once its token is known."""

    build: Callable[[ProviderSettings], Provider]
    takes_token: bool = False


PROVIDERS: Mapping[str, ProviderEntry] = {
    "hetzner": ProviderEntry(build_hetzner, takes_token=True),
    "own": ProviderEntry(build_own),
    "sandbox": ProviderEntry(build_sandbox),
}
"""Every provider: a folder here, and a line."""
LAST_RESORT = "sandbox"
"""The provider that is used where none is asked for and no token is known."""


class ProviderRegistry(Mapping[str, Provider]):
    """The providers that can be used now, by name: those without a token, and those with one.

    `read_token` returns the token that is kept for a provider, or None. `default` is the provider
    to use where none is asked for. `folder` is where the daemon keeps its state, `timeout` is for
    one call, in seconds.
    """

    def __init__(
        self,
        read_token: Callable[[str], Awaitable[SecretStr | None]],
        *,
        folder: Path,
        timeout: float,
        default: str | None = None,
        entries: Mapping[str, ProviderEntry] = PROVIDERS,
    ) -> None:
        self._entries = entries
        self._read_token = read_token
        self._folder = folder
        self._timeout = timeout
        self._default = default
        self._providers = {
            name: self._build(name, None)
            for name, entry in entries.items()
            if not entry.takes_token
        }
        self._loaded = False
        self._replaced: list[Provider] = []

    def __getitem__(self, name: str) -> Provider:
        return self._providers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)

    async def load(self) -> None:
        """Read the tokens and build their providers, once; raises what reading them raises.

        Jobs that are resumed need their providers. A later token comes by `replace`.
        """
        if self._loaded:
            return
        for name in self._names_with_token():
            token = await self._read_token(name)
            # Another request may have built it meanwhile.
            if token is not None and name not in self._providers:
                self._providers[name] = self._build(name, token)
        self._loaded = True

    async def provider(self, name: str | None) -> Provider:
        """Return a provider, for None the default one.

        Raises `InvalidRequest` for an unknown name, `NotConfigured` without a token.
        """
        name = name or await self._default_name()
        found = await self._find(name)
        if found is not None:
            return found
        if name not in self._entries:
            raise InvalidRequest.field(
                "provider", f"there is no '{name}', only {', '.join(sorted(self._entries))}"
            )
        raise NotConfigured(
            f"there is no token for {name} yet", hint=f"livchat config provider {name}"
        )

    def configured(self, name: str) -> Provider:
        """Return a provider that is configured by now; raises `NotConfigured` if it is not."""
        found = self._providers.get(name)
        if found is None:
            raise NotConfigured(
                f"the provider '{name}' is not configured", hint=f"livchat config provider {name}"
            )
        return found

    def candidate(self, name: str, token: SecretStr) -> Provider:
        """Return a provider with a token that is not kept yet, to be tried; the caller closes it.

        Raises `InvalidRequest` if it takes none.
        """
        takers = self._names_with_token()
        if name not in takers:
            raise InvalidRequest.field("name", f"a token is taken for {', '.join(takers)} only")
        return self._build(name, token)

    def replace(self, name: str, provider: Provider) -> None:
        """Use this one from now on: its token has been kept. Calls under way end as they began."""
        before = self._providers.get(name)
        if before is not None:
            self._replaced.append(before)
        self._providers[name] = provider

    async def close(self) -> None:
        """Close all, those that were replaced too."""
        async with AsyncExitStack() as stack:
            for provider in (*self._providers.values(), *self._replaced):
                stack.push_async_callback(provider.close)

    def _names_with_token(self) -> list[str]:
        return sorted(name for name, entry in self._entries.items() if entry.takes_token)

    def _build(self, name: str, token: SecretStr | None) -> Provider:
        settings = ProviderSettings(token, self._timeout, self._folder)
        return self._entries[name].build(settings)

    async def _default_name(self) -> str:
        """Return the default provider: as set, else one whose token is known, else the sandbox."""
        if self._default is not None:
            return self._default
        for name in self._names_with_token():
            if await self._find(name) is not None:
                return name
        return LAST_RESORT

    async def _find(self, name: str) -> Provider | None:
        if name not in self._providers:
            await self.load()
        return self._providers.get(name)
