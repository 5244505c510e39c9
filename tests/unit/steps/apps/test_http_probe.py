"""A look at a site: its status, nothing, or an answer that no certificate stands behind."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from livchatd.providers.base import Endpoints
from livchatd.steps.apps.http_probe import NO_CERTIFICATE, probe

HOST = "news.lab.example.com"
Serve = Callable[[ssl.SSLContext | None], Awaitable[Endpoints]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a site on loopback, over TLS or not."""
    runners: list[web.AppRunner] = []

    async def teapot(request: web.Request) -> web.Response:
        return web.Response(status=418 if request.host.startswith(HOST) else 404)

    async def begin(secured: ssl.SSLContext | None) -> Endpoints:
        site = web.Application()
        site.router.add_get("/healthcheck", teapot)
        runners.append(web.AppRunner(site))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0, ssl_context=secured).start()
        port = runners[-1].addresses[0][1]
        return Endpoints("127.0.0.1", web_port=port, web_scheme="https" if secured else "http")

    yield begin
    for runner in runners:
        await runner.cleanup()


def self_signed(folder: Path) -> ssl.SSLContext:
    """What Traefik answers with until it has a certificate of an authority."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.NameAttribute(NameOID.COMMON_NAME, HOST),
    )
    today, subject = datetime.now(UTC), x509.Name([name])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "both.pem"
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, *private))
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(path)
    return secured


async def test_a_site_is_asked_at_the_server_itself_by_its_name(serve: Serve) -> None:
    assert await probe(await serve(None), HOST, "/healthcheck") == 418


async def test_an_answer_without_a_certificate_to_be_trusted_is_told_apart(
    serve: Serve, tmp_path: Path
) -> None:
    reach = await serve(self_signed(tmp_path))
    assert await probe(reach, HOST, "/healthcheck") == NO_CERTIFICATE


async def test_a_site_that_is_not_there_has_no_status() -> None:
    assert await probe(Endpoints("127.0.0.1", web_port=1), HOST, "/healthcheck") == 0
