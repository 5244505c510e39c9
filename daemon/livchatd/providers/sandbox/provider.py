"""The sandbox: a Hetzner on this machine, which is started when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiohttp
from pydantic import SecretStr

from livchat.errors import NotFound, ProviderError, ProviderUnavailable
from livchatd.providers.base import DnsAccess, Endpoints, ProviderSettings
from livchatd.providers.hetzner.provider import Hetzner, Project
from livchatd.providers.sandbox.launcher import SandboxAddress, is_running, start_sandbox

HINT = "livchat sandbox status"
POLL_SECONDS = 0.05


def build(settings: ProviderSettings) -> Sandbox:
    """Return the sandbox whose folder is `sandbox` below the daemon's."""
    folder = settings.folder / "sandbox"
    return Sandbox(
        partial(start_sandbox, folder),
        partial(is_running, folder),
        poll=POLL_SECONDS,
        timeout=settings.timeout,
    )


class Sandbox(Hetzner):
    """Hetzner's API at an address that is found on demand; its machines are on loopback.

    `start` returns the address of a sandbox that answers, and starts one where none does: after a
    restart it is another address, and the call is sent once more there. An order whose response was
    lost that way is then a `Conflict`, as at Hetzner, and adopted by its owner. `probe` returns
    whether one answers, and starts none. `poll` and `timeout` are as Hetzner's.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[SandboxAddress]],
        probe: Callable[[], Awaitable[bool]],
        *,
        poll: float = POLL_SECONDS,
        timeout: float = 30.0,
    ) -> None:
        super().__init__(self._find_project, "sandbox", poll=poll, timeout=timeout)
        self._start = start
        self._probe = probe
        self._starting = asyncio.Lock()
        self._address: SandboxAddress | None = None
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    @property
    def clock_offset(self) -> float | None:
        """None: its clock is ours."""
        return None

    async def is_running(self) -> bool:
        """Return whether it runs."""
        return await self._probe()

    async def endpoints(self, ip_address: str) -> Endpoints:
        """Return where on loopback the machine with this address answers.

        Raises `NotFound` if there is no such machine.
        """
        address = await self._find(lost=None)
        path = f"/control/where/{ip_address}"
        try:
            found = await self._get(address, path)
        except ProviderUnavailable:
            moved = await self._find(lost=address)
            if moved == address:
                raise
            found = await self._get(moved, path)
        return Endpoints(
            ssh_host=str(found["ssh_host"]),
            ssh_port=int(found["ssh_port"]),
            web_host=str(found["web_host"]),
            web_port=int(found["web_port"]),
            web_scheme="http",
        )

    async def dns(self) -> DnsAccess | None:
        """Return the sandbox's own Cloudflare."""
        address = await self._find(lost=None)
        return DnsAccess(
            base_url=address.cloudflare,
            api_token=address.cloudflare_token,
            name_servers=(address.dns,) if address.dns else (),
        )

    async def close(self) -> None:
        """Close what is open to it; it goes on running."""
        self._closed = True
        await super().close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _find_project(self, lost: Project | None) -> Project:
        address = self._address
        gone = address if address is not None and lost == _project(address) else None
        return _project(await self._find(lost=gone))

    async def _find(self, lost: SandboxAddress | None) -> SandboxAddress:
        """Return the address; asked for anew where the one in use is the one that was lost."""
        async with self._starting:
            if self._closed:
                raise ProviderUnavailable("the sandbox is closed: the daemon is stopping")
            if self._address is None or self._address == lost:
                self._address = await self._start()
            return self._address

    async def _get(self, address: SandboxAddress, path: str) -> dict[str, Any]:
        """Return the response of the sandbox's own API."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=15, sock_connect=5),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        headers = {"Authorization": f"Bearer {address.token}"}
        try:
            async with self._session.get(address.control + path, headers=headers) as response:
                if response.status == 404:
                    raise NotFound(f"the sandbox knows no {path.rsplit('/', 1)[-1]}", hint=HINT)
                if response.status != 200:
                    raise ProviderError(f"the sandbox answered {response.status}", hint=HINT)
                found: dict[str, Any] = await response.json()
                return found
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ProviderUnavailable(
                f"the sandbox does not answer: {type(error).__name__}", hint=HINT
            ) from error


def _project(address: SandboxAddress) -> Project:
    return Project(address.hetzner, SecretStr(address.token))
