"""The providers that can be used now: those without a token, and those whose token is known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Protocol

from pydantic import SecretStr

from livchat.errors import Invalid, NotConfigured
from livchatd.providers.base import Provider


class Account(Provider, Protocol):
    """A provider that holds connections."""

    async def close(self) -> None:
        """Close them."""


Tokens = Callable[[str], Awaitable[SecretStr | None]]
Make = Callable[[SecretStr], Account]


class Accounts(Mapping[str, Provider]):
    """Providers by name. One that takes a token is made when its token is read or tried."""

    def __init__(
        self, open_ones: Mapping[str, Account], closed: Mapping[str, Make], tokens: Tokens
    ) -> None:
        self._made: dict[str, Account] = dict(open_ones)
        self._makers = dict(closed)
        self._tokens = tokens
        self._replaced: list[Account] = []

    def __getitem__(self, name: str) -> Provider:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    async def load(self) -> None:
        """Read the tokens, so that the jobs which are taken up again have their providers."""
        for name in self._makers:
            await self._find(name)

    async def provider(self, name: str) -> Provider:
        """A provider; `Invalid` if there is no such one, `NotConfigured` without its token."""
        found = await self._find(name)
        if found is not None:
            return found
        if name not in self._makers:
            known = ", ".join(sorted({*self._made, *self._makers}))
            raise Invalid.field("provider", f"there is no '{name}', only {known}")
        raise NotConfigured(
            f"there is no token for {name} yet", hint=f"livchat config provider {name}"
        )

    async def first(self, preferred: str | None) -> str:
        """The name of the provider to use where none is asked for.

        `preferred`, else one whose token is known, else the sandbox.
        """
        if preferred is not None:
            return preferred
        for name in self._makers:
            if await self._find(name) is not None:
                return name
        return "sandbox"

    def trial(self, name: str, token: SecretStr) -> Account:
        """The provider with a token that is not kept yet; `Invalid` if it takes none."""
        maker = self._makers.get(name)
        if maker is None:
            known = ", ".join(sorted(self._makers))
            raise Invalid.field("name", f"a token is taken for {known} only")
        return maker(token)

    def adopt(self, name: str, account: Account) -> None:
        """Use this one from now on: its token has been kept. Calls under way end as they began."""
        before = self._made.get(name)
        if before is not None:
            self._replaced.append(before)
        self._made[name] = account

    async def close(self) -> None:
        """Close all."""
        async with AsyncExitStack() as stack:
            for account in (*self._made.values(), *self._replaced):
                stack.push_async_callback(account.close)

    async def _find(self, name: str) -> Account | None:
        if name not in self._made and name in self._makers:
            token = await self._tokens(name)
            # Another request may have made it meanwhile.
            if token is not None and name not in self._made:
                self._made[name] = self._makers[name](token)
        return self._made.get(name)
