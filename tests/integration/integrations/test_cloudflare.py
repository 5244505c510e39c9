"""DNS at Cloudflare over its real protocol: against the sandbox, and against wrong answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from livchat.errors import (
    Conflict,
    InvalidRequest,
    LivChatError,
    NotConfigured,
    NotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Unauthorized,
)
from livchatd.integrations.cloudflare import CloudflareDns
from livchatd.integrations.dns import Dns
from tests.contract.sandbox_process import SandboxProcess, running

OWNER = "livchat:prod-01"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
async def dns(process: SandboxProcess) -> AsyncIterator[Dns]:
    process.control("reset", "POST")
    process.wait_until_it_listens()
    made = CloudflareDns(
        process.address["cloudflare"], SecretStr(process.address["cloudflare_token"])
    )
    yield made
    await made.close()


async def test_a_zone_is_found_with_its_status(dns: Dns) -> None:
    await dns.check()
    assert (await dns.zone("Example.com.")).status == "active"
    assert (await dns.zone("pending.example.net")).status == "pending"


async def test_an_unknown_zone_names_those_that_there_are(dns: Dns) -> None:
    with pytest.raises(NotFound, match=r"no zone example\.org.*example\.com") as told:
        await dns.zone("example.org")
    assert "example.com" in told.value.details["zones"]


async def test_a_record_is_made_kept_changed_and_deleted(dns: Dns) -> None:
    zone = (await dns.zone("example.com")).id
    name = "n8n.lab.example.com"
    made = await dns.ensure_record(zone, name, "A", "192.0.2.1", OWNER)
    assert (made.name, made.type, made.content, made.comment) == (name, "A", "192.0.2.1", OWNER)
    assert await dns.ensure_record(zone, name.upper(), "A", "192.0.2.1", OWNER) == made
    changed = await dns.ensure_record(zone, name, "A", "192.0.2.2", OWNER)
    assert (changed.id, changed.content) == (made.id, "192.0.2.2")
    assert await dns.records(zone, name=name) == [changed]
    await dns.delete_record(zone, made.id)
    await dns.delete_record(zone, made.id)
    assert await dns.records(zone) == []


async def test_records_are_told_apart_by_their_owner(dns: Dns) -> None:
    zone = (await dns.zone("example.com")).id
    first = await dns.ensure_record(zone, "a.example.com", "A", "192.0.2.1", OWNER)
    second = await dns.ensure_record(zone, "b.example.com", "A", "192.0.2.1", "livchat:prod-02")
    assert await dns.records(zone, comment=OWNER) == [first]
    assert {record.id for record in await dns.records(zone)} == {first.id, second.id}


@pytest.mark.parametrize("kind", [("A", "192.0.2.9"), ("CNAME", "old.example.com")])
async def test_a_record_of_somebody_else_is_never_changed(kind: tuple[str, str], dns: Dns) -> None:
    zone = (await dns.zone("example.com")).id
    theirs = await dns.ensure_record(zone, "n8n.example.com", *kind, "my old server")
    with pytest.raises(Conflict, match=f"not ours: {kind[0]} {kind[1]}") as told:
        await dns.ensure_record(zone, "n8n.example.com", "A", "192.0.2.1", OWNER)
    assert told.value.details["comment"] == "my old server"
    assert await dns.records(zone) == [theirs]


async def test_a_foreign_record_that_says_the_same_is_left_alone(dns: Dns) -> None:
    zone = (await dns.zone("example.com")).id
    theirs = await dns.ensure_record(zone, "n8n.example.com", "A", "192.0.2.1", "by hand")
    assert await dns.ensure_record(zone, "n8n.example.com", "A", "192.0.2.1", OWNER) == theirs


async def test_both_address_families_live_together_and_a_cname_replaces_them(dns: Dns) -> None:
    zone = (await dns.zone("example.com")).id
    await dns.ensure_record(zone, "x.example.com", "A", "192.0.2.1", OWNER)
    await dns.ensure_record(zone, "x.example.com", "AAAA", "2001:db8::1", OWNER)
    assert {record.type for record in await dns.records(zone)} == {"A", "AAAA"}
    await dns.ensure_record(zone, "x.example.com", "CNAME", "y.example.com", OWNER)
    assert [record.type for record in await dns.records(zone)] == ["CNAME"]


async def test_the_same_record_put_many_times_at_once_is_one_record(dns: Dns) -> None:
    zone = (await dns.zone("example.com")).id
    puts = [dns.ensure_record(zone, "n8n.example.com", "A", "192.0.2.1", OWNER) for _ in range(6)]
    assert len({record.id for record in await asyncio.gather(*puts)}) == 1
    assert len(await dns.records(zone)) == 1


async def test_more_records_than_a_page_are_all_seen(
    dns: Dns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livchatd.integrations.cloudflare.RECORDS_PER_PAGE", 10)
    zone = (await dns.zone("example.com")).id
    for number in range(20):
        await dns.ensure_record(zone, f"r{number}.example.com", "A", "192.0.2.1", OWNER)
        found = await dns.records(zone, comment=OWNER)
        assert len({record.id for record in found}) == len(found) == number + 1


async def test_the_environment_does_not_silence_the_token(
    process: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_KEY", "0" * 37)
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "someone@example.com")
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "http://127.0.0.1:9/client/v4")
    token = SecretStr(process.address["cloudflare_token"])
    made = CloudflareDns(process.address["cloudflare"], token)
    await made.check()
    await made.close()


async def test_a_refused_token_says_which_command_sets_it(process: SandboxProcess) -> None:
    made = CloudflareDns(process.address["cloudflare"], SecretStr("wrong-token-wrong-token"))
    with pytest.raises(Unauthorized) as told:
        await made.check()
    assert told.value.hint == "livchat config cloudflare"
    assert "wrong-token" not in f"{told.value} {told.value.details}"
    await made.close()


def test_without_a_credential_it_is_not_configured() -> None:
    with pytest.raises(NotConfigured) as told:
        CloudflareDns(None, None, email="someone@example.com")
    assert told.value.hint == "livchat config cloudflare"


# -- what goes wrong


class Answering:
    """A Cloudflare that answers what the test says, and then says it again."""

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = {}
        self.headers: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        # The library honours it, so that its retries take no time here.
        quickly = {"retry-after-ms": "1"}
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body, headers=quickly)
        return web.json_response(self.body, status=self.status, headers=quickly)


@pytest.fixture
async def answering() -> AsyncIterator[tuple[Answering, str]]:
    handler = Answering()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler.answer)
    server = TestServer(app)
    await server.start_server()
    yield handler, str(server.make_url("/client/v4"))
    await server.close()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 6003, Unauthorized),
        (401, 1000, Unauthorized),
        (403, 9109, Unauthorized),
        (403, 10000, Unauthorized),
        (400, 10000, Unauthorized),
        (404, 7003, NotFound),
        (400, 1004, InvalidRequest),
        (400, 81053, Conflict),
        (400, 81057, Conflict),
        (400, 99999, ProviderError),
        (429, 971, RateLimited),
        (500, 1, ProviderUnavailable),
        (503, 1, ProviderUnavailable),
    ],
)
async def test_each_code_of_cloudflare_is_one_of_our_errors(
    status: int, code: int, kind: type[LivChatError], answering: tuple[Answering, str]
) -> None:
    handler, url = answering
    handler.status = status
    handler.body = {
        "success": False,
        "errors": [{"code": code, "message": "Nope"}],
        "messages": [],
        "result": None,
    }
    made = CloudflareDns(url, SecretStr("token"))
    with pytest.raises(LivChatError) as told:
        await made.check()
    assert type(told.value) is kind
    assert "try the credential: Nope" in told.value.message
    await made.close()


@pytest.mark.parametrize("body", ["<html>captive portal</html>", {"success": True}, []])
async def test_an_answer_that_is_not_cloudflares_is_a_passing_failure(
    body: Any, answering: tuple[Answering, str]
) -> None:
    handler, url = answering
    handler.body = body
    made = CloudflareDns(url, SecretStr("token"))
    with pytest.raises(ProviderUnavailable):
        await made.zone("example.com")
    await made.close()


async def test_a_key_and_an_email_are_sent_as_such(answering: tuple[Answering, str]) -> None:
    handler, url = answering
    handler.body = {"success": True, "errors": [], "messages": [], "result": []}
    made = CloudflareDns(url, None, "someone@example.com", SecretStr("k" * 37))
    await made.check()
    assert handler.headers[0]["X-Auth-Email"] == "someone@example.com"
    assert handler.headers[0]["X-Auth-Key"] == "k" * 37
    assert "Authorization" not in handler.headers[0]
    await made.close()


async def test_a_closed_port_is_a_passing_failure() -> None:
    made = CloudflareDns("http://127.0.0.1:9/client/v4", SecretStr("token"))
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await made.check()
    await made.close()
