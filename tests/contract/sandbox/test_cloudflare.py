"""The sandbox's Cloudflare, driven by Cloudflare's own client and held against its description."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import cloudflare
import httpx
import pytest
from cloudflare import AsyncCloudflare

from tests.contract.openapi_answers import SPECS, Description
from tests.contract.sandbox_process import SandboxProcess, running

# The client types everything it answers as optional: here that would only be noise.
Account = Any
Connect = Callable[..., Account]


@pytest.fixture(scope="module")
def description() -> Description | None:
    name, failure = "cloudflare.reduced.openapi.json", "dns-records_api-response-common-failure"
    if not (SPECS / name).exists():
        return None
    description = Description(name, "/client/v4", failure)
    # A record without a comment has `"comment": null` there, and the client library expects it.
    description.may_be_null("dns-records_comment")
    return description


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("cloudflare") / "sandbox") as sandbox:
        yield sandbox


@pytest.fixture
async def connect(
    sandbox: SandboxProcess, description: Description | None
) -> AsyncIterator[Connect]:
    """Make clients whose every answer is held against the description."""
    made: list[AsyncCloudflare] = []
    # Told at the end: the client would take a failure in here for a broken connection.
    wrong: list[AssertionError] = []

    async def heard(answer: httpx.Response) -> None:
        body, request = await answer.aread(), answer.request
        # The description knows no refusal of the whole account.
        if description is not None and answer.status_code not in (401, 403, 429):
            try:
                description.check(request.method, request.url.path, answer.status_code, body)
            except AssertionError as error:
                wrong.append(error)

    def connect(**credential: Any) -> Account:
        client = AsyncCloudflare(
            base_url=sandbox.address["cloudflare"],
            http_client=httpx.AsyncClient(event_hooks={"response": [heard]}),
            **(credential or {"api_token": sandbox.address["cloudflare_token"]}),
        )
        made.append(client)
        return client

    sandbox.control("reset", "POST")
    yield connect
    for client in made:
        await client.close()
    assert not wrong


@pytest.fixture
def account(connect: Connect) -> Account:
    return connect()


@pytest.fixture
async def zone(account: Account) -> str:
    found: list[str] = [each.id async for each in account.zones.list(name="example.com")]
    return found[0]


def codes(error: cloudflare.APIStatusError) -> list[Any]:
    return [each.code for each in error.errors]


async def add(account: Account, zone: str, name: str, content: str, **more: Any) -> Any:
    fields = {"type": "A", "ttl": 60, "proxied": False, **more}
    return await account.dns.records.create(zone_id=zone, name=name, content=content, **fields)


async def test_the_token_is_good(account: Account) -> None:
    verdict = await account.user.tokens.verify()
    assert verdict.status == "active"


async def test_the_zones_of_the_start_are_there(account: Account) -> None:
    zones = {zone.name: zone.status async for zone in account.zones.list()}
    assert zones == {
        "livchat.localhost": "active",
        "example.com": "active",
        "example.com.br": "active",
        "pending.example.net": "pending",
    }
    found = [zone.name async for zone in account.zones.list(name="example.com")]
    assert found == ["example.com"]
    waiting = [zone.name async for zone in account.zones.list(status="pending")]
    assert waiting == ["pending.example.net"]


async def test_a_record_is_made_found_changed_and_deleted(
    account: Account, zone: str, sandbox: SandboxProcess
) -> None:
    record = await add(account, zone, "n8n.lab.example.com", "198.18.0.1", comment="livchat:prod")
    exact = {"exact": "n8n.lab.example.com"}
    found = [each async for each in account.dns.records.list(zone_id=zone, name=exact, type="A")]
    assert [each.id for each in found] == [record.id]
    mine = account.dns.records.list(zone_id=zone, comment={"exact": "livchat:prod"})
    assert [each.id async for each in mine] == [record.id]
    assert [each async for each in account.dns.records.list(zone_id=zone, type="TXT")] == []
    changed = await account.dns.records.update(
        record.id, zone_id=zone, type="A", name="n8n.lab.example.com", content="198.18.0.2", ttl=1
    )
    assert (changed.content, changed.comment) == ("198.18.0.2", None)
    edited = await account.dns.records.edit(
        record.id, zone_id=zone, type="A", name=changed.name, content="198.18.0.3", ttl=1
    )
    assert edited.content == "198.18.0.3"
    assert sandbox.status()["dns_records"] == [
        {
            "name": "n8n.lab.example.com",
            "type": "A",
            "content": "198.18.0.3",
            "comment": None,
            "zone": "example.com",
        }
    ]
    assert (await account.dns.records.delete(record.id, zone_id=zone)).id == record.id
    with pytest.raises(cloudflare.NotFoundError) as caught:
        await account.dns.records.get(record.id, zone_id=zone)
    assert codes(caught.value) == [81044]


async def test_a_short_name_becomes_a_whole_one(account: Account, zone: str) -> None:
    assert (await add(account, zone, "lab", "198.18.0.1")).name == "lab.example.com"
    assert (await add(account, zone, "@", "198.18.0.1")).name == "example.com"


@pytest.mark.parametrize(
    ("second", "code"),
    [
        ({"content": "198.18.0.1"}, 81058),
        ({"content": "elsewhere.example.org", "type": "CNAME"}, 81053),
    ],
)
async def test_a_record_that_cannot_stand_beside_another_is_refused(
    account: Account, zone: str, second: dict[str, str], code: int
) -> None:
    await add(account, zone, "n8n", "198.18.0.1")
    with pytest.raises(cloudflare.BadRequestError) as caught:
        await add(account, zone, "n8n", **second)
    assert codes(caught.value) == [code]


async def test_one_name_may_have_several_addresses(account: Account, zone: str) -> None:
    await add(account, zone, "n8n", "198.18.0.1")
    await add(account, zone, "n8n", "198.18.0.2")
    await add(account, zone, "n8n", "hello", type="TXT")
    assert len([each async for each in account.dns.records.list(zone_id=zone)]) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": "not-an-address"},
        {"content": "198.18.0.1", "type": "AAAA"},
        {"content": "198.18.0.1", "ttl": 5},
        {"content": "198.18.0.1", "type": "NOPE"},
        {"content": "198.18.0.1", "comment": "x" * 101},
    ],
    ids=str,
)
async def test_a_wrong_record_is_refused(
    account: Account, zone: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(cloudflare.BadRequestError) as caught:
        await add(account, zone, "n8n", **wrong)
    assert codes(caught.value) == [1004]


async def test_what_is_wrong_with_an_address_stands_in_the_error_chain(
    account: Account, zone: str
) -> None:
    with pytest.raises(cloudflare.BadRequestError) as caught:
        await add(account, zone, "n8n", "nonsense")
    body: Any = caught.value.body
    chain = body["errors"][0]["error_chain"]
    assert [link["code"] for link in chain] == [9005]


async def test_an_unknown_zone_has_no_route(account: Account) -> None:
    with pytest.raises(cloudflare.NotFoundError) as caught:
        await account.zones.get(zone_id="0" * 32)
    assert codes(caught.value) == [7003]


@pytest.mark.parametrize(
    ("credential", "status", "code"),
    [
        ({"api_token": "sandbox-of-another-world"}, 403, 9109),
        ({"api_token": "short"}, 400, 6003),
        ({"api_email": "me@example.com", "api_key": "0" * 37}, 403, 9103),
    ],
)
async def test_a_wrong_credential_is_refused(
    connect: Connect, credential: dict[str, str], status: int, code: int
) -> None:
    with pytest.raises(cloudflare.APIStatusError) as caught:
        await connect(**credential).zones.list()
    assert (caught.value.status_code, codes(caught.value)) == (status, [code])


async def test_an_email_and_key_are_let_in_too(connect: Connect, sandbox: SandboxProcess) -> None:
    key = sandbox.address["cloudflare_token"]
    account = connect(api_email="me@example.com", api_key=key)
    assert len((await account.zones.list()).result) == 4


async def test_past_the_last_page_there_is_an_empty_one(account: Account, zone: str) -> None:
    for number in range(3):
        await add(account, zone, f"host-{number}", "198.18.0.1")
    page = await account.dns.records.list(zone_id=zone, page=2, per_page=2)
    assert (len(page.result), page.result_info.total_count) == (1, 3)
    beyond = await account.dns.records.list(zone_id=zone, page=9, per_page=2)
    assert beyond.result == []


async def test_the_description_was_at_hand(description: Description | None) -> None:
    if description is None:
        pytest.skip("the OpenAPI description of Cloudflare is not beside the project")
    assert {"GET /zones", "POST /zones/{zone_id}/dns_records"} <= set(description.seen)


async def test_a_token_of_one_zone_opens_no_other(
    connect: Connect, account: Account, zone: str, sandbox: SandboxProcess
) -> None:
    narrow = connect(api_token=sandbox.control("tokens/example.com", "POST")["token"])
    assert [each.name async for each in narrow.zones.list()] == ["example.com"]
    assert (await narrow.dns.records.list(zone_id=zone)).result == []
    other = await anext(each.id async for each in account.zones.list(name="livchat.localhost"))
    with pytest.raises(cloudflare.PermissionDeniedError) as caught:
        await narrow.dns.records.list(zone_id=other)
    assert codes(caught.value) == [9109]
    sandbox.control("tokens/example.com", "DELETE")
    with pytest.raises(cloudflare.PermissionDeniedError):
        await narrow.zones.list()
