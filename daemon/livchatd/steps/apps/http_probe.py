"""An HTTPS request to a site at its server, as a browser would send it."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from livchatd.providers.base import Endpoints

REQUEST_SECONDS = 10.0
"""How long one request may take."""
NO_CERTIFICATE = 526
"""The status where something answers without a certificate that is trusted: Cloudflare's number for
it."""


async def probe(endpoints: Endpoints, host: str, path: str) -> int:
    """Return the status of https://`host``path`, asked at the server itself; 0 without an answer.

    The certificate is checked: while it is not there the status is `NO_CERTIFICATE`.
    """
    connector = aiohttp.TCPConnector(
        resolver=FixedResolver(endpoints.web_host or endpoints.ssh_host)
    )
    url = endpoints.url(host).rstrip("/") + path
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            return response.status
    except aiohttp.ClientConnectorCertificateError:
        return NO_CERTIFICATE
    except (aiohttp.ClientError, OSError, TimeoutError):
        return 0


class FixedResolver(AbstractResolver):
    """Resolves every name to one address: no DNS cache decides whether the site is up."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the one address, whatever the host."""
        addresses = await asyncio.get_running_loop().getaddrinfo(
            self._address, port, family=family, type=socket.SOCK_STREAM
        )
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=0
            )
            for kind, _, protocol, _, address in addresses
        ]

    async def close(self) -> None:
        """Nothing is to be closed."""
