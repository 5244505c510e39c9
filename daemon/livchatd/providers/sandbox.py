"""The sandbox as a provider: Hetzner at another address, whose machines are on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from pydantic import SecretStr

from livchat.errors import NotFound, ProviderError, ProviderUnavailable
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
from livchatd.providers.hetzner.provider import Hetzner

T = TypeVar("T")

_HINT = "livchat sandbox status"


@dataclass(frozen=True)
class SandboxAddress:
    """Where the running sandbox answers: base URLs, tokens, a port.

    `dns` is the address and port of its name server; None of one that has none.
    """

    hetzner: str
    token: str = field(repr=False)
    cloudflare: str
    cloudflare_token: str = field(repr=False)
    control: str
    front_port: int
    dns: str | None = None


class Sandbox:
    """The sandbox; it is started when first needed.

    `runs` says whether one answers, and starts none.
    `start` gives the address of a sandbox that answers, and starts one where none does: after a
    restart it is another address, and the call is made once more there. An order whose answer was
    lost that way is then a `Conflict`, as at Hetzner, and adopted by its label.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[SandboxAddress]],
        runs: Callable[[], Awaitable[bool]],
        *,
        poll: float = 0.05,
        timeout: float = 30.0,
    ) -> None:
        self._start = start
        self._runs = runs
        self._poll = poll
        self._timeout = timeout
        self._starting = asyncio.Lock()
        self._address: SandboxAddress | None = None
        self._hetzner: Hetzner | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def name(self) -> str:
        """The provider's name."""
        return "sandbox"

    @property
    def ahead(self) -> float | None:
        """Its clock is ours."""
        return None

    async def check(self) -> None:
        """Try it."""
        await self._call(lambda hetzner: hetzner.check())

    async def server_types(self) -> list[ServerType]:
        """All types."""
        return await self._call(lambda hetzner: hetzner.server_types())

    async def locations(self) -> list[Location]:
        """All locations."""
        return await self._call(lambda hetzner: hetzner.locations())

    async def images(self) -> list[Image]:
        """All system images."""
        return await self._call(lambda hetzner: hetzner.images())

    async def find_address(self, labels: Mapping[str, str]) -> Address | None:
        """The address that carries all these labels, or None."""
        return await self._call(lambda hetzner: hetzner.find_address(labels))

    async def reserve_address(self, name: str, region: str, labels: Mapping[str, str]) -> Address:
        """Reserve an IPv4 address."""
        return await self._call(lambda hetzner: hetzner.reserve_address(name, region, labels))

    async def release_address(self, address_id: str, labels: Mapping[str, str]) -> None:
        """Give it back."""
        await self._call(lambda hetzner: hetzner.release_address(address_id, labels))

    async def ensure_key(self, name: str, public_key: str, labels: Mapping[str, str]) -> str:
        """The id of the SSH key."""
        return await self._call(lambda hetzner: hetzner.ensure_key(name, public_key, labels))

    async def delete_key(self, labels: Mapping[str, str]) -> None:
        """Delete the SSH keys that carry all these labels."""
        await self._call(lambda hetzner: hetzner.delete_key(labels))

    async def find_machine(self, labels: Mapping[str, str]) -> Machine | None:
        """The machine that carries all these labels, or None."""
        return await self._call(lambda hetzner: hetzner.find_machine(labels))

    async def machine(self, machine_id: str) -> Machine | None:
        """One machine, or None if it is gone."""
        return await self._call(lambda hetzner: hetzner.machine(machine_id))

    async def order(self, order: MachineOrder) -> Ordered:
        """Order a machine."""
        return await self._call(lambda hetzner: hetzner.order(order))

    async def actions(self, actions: tuple[str, ...]) -> ActionState:
        """How far these actions are."""
        return await self._call(lambda hetzner: hetzner.actions(actions))

    async def delete_machine(self, machine_id: str, labels: Mapping[str, str]) -> None:
        """Delete it and wait until it is gone."""
        await self._call(lambda hetzner: hetzner.delete_machine(machine_id, labels))

    async def there(self) -> bool:
        """Whether it runs."""
        return await self._runs()

    async def things(self) -> list[Thing]:
        """Everything that LivChat made there."""
        return await self._call(lambda hetzner: hetzner.things())

    async def thing(self, kind: ThingKind, thing_id: str) -> Thing | None:
        """One thing as it is now."""
        return await self._call(lambda hetzner: hetzner.thing(kind, thing_id))

    async def discard(self, kind: ThingKind, thing_id: str, labels: Mapping[str, str]) -> None:
        """Delete a thing of any kind."""
        await self._call(lambda hetzner: hetzner.discard(kind, thing_id, labels))

    async def reach(self, ip_address: str) -> Reach:
        """Where on loopback the machine with this address is."""

        async def where(_: Hetzner) -> Reach:
            found = await self._control(f"/control/where/{ip_address}")
            return Reach(
                ssh_host=str(found["ssh_host"]),
                ssh_port=int(found["ssh_port"]),
                web_host=str(found["web_host"]),
                web_port=int(found["web_port"]),
                web_scheme="http",
            )

        return await self._call(where)

    async def dns(self) -> DnsAccess | None:
        """The sandbox's own Cloudflare."""
        address = await self._ready()
        return DnsAccess(
            base_url=address.cloudflare,
            api_token=address.cloudflare_token,
            name_servers=(address.dns,) if address.dns else (),
        )

    async def close(self) -> None:
        """Close what is open to it; it goes on running."""
        await self._forget()

    async def _call(self, ask: Callable[[Hetzner], Awaitable[T]]) -> T:
        address = await self._ready()
        try:
            return await ask(self._project())
        except ProviderUnavailable:
            if await self._ready(lost=address) == address:
                raise
        return await ask(self._project())

    async def _ready(self, lost: SandboxAddress | None = None) -> SandboxAddress:
        """The address; asked for anew where the one in use is the one that was lost."""
        async with self._starting:
            if self._address is None or self._address == lost:
                address = await self._start()
                if address != self._address:
                    await self._forget()
                    self._address = address
                    self._hetzner = Hetzner(
                        SecretStr(address.token),
                        address.hetzner,
                        self.name,
                        poll=self._poll,
                        timeout=self._timeout,
                    )
            return self._address or address

    def _project(self) -> Hetzner:
        if self._hetzner is None:
            raise ProviderUnavailable("the sandbox is closed: the daemon is stopping")
        return self._hetzner

    async def _control(self, path: str) -> dict[str, Any]:
        address = await self._ready()
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=15, sock_connect=5),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        headers = {"Authorization": f"Bearer {address.token}"}
        try:
            async with self._session.get(address.control + path, headers=headers) as answer:
                if answer.status == 404:
                    raise NotFound(f"the sandbox knows no {path.rsplit('/', 1)[-1]}", hint=_HINT)
                if answer.status != 200:
                    raise ProviderError(f"the sandbox answered {answer.status}", hint=_HINT)
                found: dict[str, Any] = await answer.json()
                return found
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ProviderUnavailable(
                f"the sandbox does not answer: {type(error).__name__}", hint=_HINT
            ) from error

    async def _forget(self) -> None:
        hetzner, self._hetzner = self._hetzner, None
        session, self._session = self._session, None
        self._address = None
        if hetzner is not None:
            await hetzner.close()
        if session is not None:
            await session.close()
