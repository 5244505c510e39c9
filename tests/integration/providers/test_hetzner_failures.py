"""Hetzner when it answers wrong, late or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from livchat.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    LivChatError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    SoldOut,
    Unauthorized,
)
from livchatd.providers.base import Owner
from livchatd.providers.hetzner.provider import Hetzner, Project, fixed

OURS = Owner("3f9a1c2b", "prod-01", "job_20261122_081530_3f9a1c2b7d4e")


class Answering:
    """A Hetzner that answers what the test says."""

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = {}
        self.requests: list[web.Request] = []
        self.hold: asyncio.Event | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if self.hold is not None:
            await self.hold.wait()
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body, content_type="text/html")
        return web.json_response(self.body, status=self.status)


@pytest.fixture
async def answering() -> AsyncIterator[tuple[Answering, Hetzner]]:
    handler = Answering()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler.answer)
    server = TestServer(app)
    await server.start_server()
    project = Project(str(server.make_url("/v1")), SecretStr("t" * 64))
    cloud = Hetzner(fixed(project), poll=0.01)
    yield handler, cloud
    if handler.hold is not None:
        handler.hold.set()
    await cloud.close()
    await server.close()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", Unauthorized),
        (401, "token_readonly", Forbidden),
        (403, "forbidden", Forbidden),
        (403, "resource_limit_exceeded", ProviderError),
        (409, "uniqueness_error", Conflict),
        (409, "conflict", ProviderUnavailable),
        (412, "resource_unavailable", SoldOut),
        (422, "placement_error", SoldOut),
        (422, "invalid_input", InvalidRequest),
        (422, "unsupported_error", ProviderError),
        (423, "locked", ProviderUnavailable),
        (423, "protected", ProviderError),
        (429, "rate_limit_exceeded", RateLimited),
        (500, "server_error", ProviderUnavailable),
        (503, "unavailable", ProviderUnavailable),
        (504, "timeout", ProviderUnavailable),
        (418, "a_code_of_next_year", ProviderError),
    ],
)
async def test_each_code_of_hetzner_is_one_of_our_errors(
    status: int,
    code: str,
    kind: type[LivChatError],
    answering: tuple[Answering, Hetzner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("livchatd.providers.hetzner.client.RETRIES", 0)
    handler, cloud = answering
    handler.status = status
    details = {"fields": [{"name": "name", "messages": ["is too long"]}]}
    handler.body = {"error": {"code": code, "message": "Nope", "details": details}}
    with pytest.raises(LivChatError) as told:
        await cloud.reserve_address("a", "nbg1", OURS)
    assert type(told.value) is kind
    assert "reserve address a: Nope" in told.value.message
    if kind is InvalidRequest:
        assert told.value.details["fields"] == [{"field": "name", "message": "is too long"}]


@pytest.mark.parametrize(
    ("status", "body"),
    [(502, "<html>bad gateway</html>"), (200, "<html>captive portal</html>"), (200, {}), (200, [])],
)
async def test_an_answer_that_is_not_hetzners_is_a_passing_failure(
    status: int,
    body: Any,
    answering: tuple[Answering, Hetzner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("livchatd.providers.hetzner.client.RETRIES", 0)
    handler, cloud = answering
    handler.status, handler.body = status, body
    with pytest.raises(LivChatError) as told:
        await cloud.locations()
    assert isinstance(told.value, ProviderUnavailable | ProviderError)


async def test_a_closed_port_is_a_passing_failure() -> None:
    cloud = Hetzner(fixed(Project("http://127.0.0.1:9/v1", SecretStr("t"))))
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await cloud.check()
    await cloud.close()


async def test_a_machine_that_is_locked_is_deleted_once_it_is_free(
    answering: tuple[Answering, Hetzner],
) -> None:
    handler, cloud = answering
    handler.status = 423
    handler.body = {"error": {"code": "locked", "message": "busy", "details": None}}
    work = asyncio.create_task(cloud.delete_machine("7", OURS))
    async with asyncio.timeout(20):
        while len(handler.requests) < 3:
            await asyncio.sleep(0.01)
    assert not work.done()
    handler.status = 404
    handler.body = {"error": {"code": "not_found", "message": "gone", "details": None}}
    await work
    assert {request.method for request in handler.requests} == {"DELETE", "GET"}


async def test_jobs_that_watch_actions_at_once_share_requests(
    answering: tuple[Answering, Hetzner],
) -> None:
    handler, cloud = answering
    states = {1: ("success", 100), 2: ("running", 50), 3: ("error", 100)}
    handler.body = {
        "actions": [
            {"id": n, "command": "c", "status": s, "progress": p, "error": {"message": "no room"}}
            for n, (s, p) in states.items()
        ]
    }
    looks = [cloud.action_state((str(1 + n % 2),)) for n in range(30)]
    found = await asyncio.gather(
        *looks, cloud.action_state(("1", "2")), cloud.action_state(("2", "3"))
    )
    assert len(handler.requests) <= 2
    assert [state.done for state in found[:2]] == [True, False]
    assert found[-2].progress == 75
    assert found[-1].error == "c: no room"


async def test_a_cancelled_call_is_waited_for(answering: tuple[Answering, Hetzner]) -> None:
    handler, cloud = answering
    handler.hold = asyncio.Event()
    handler.body = {"servers": []}
    work = asyncio.create_task(cloud.check())
    async with asyncio.timeout(20):
        while not handler.requests:
            await asyncio.sleep(0.01)
    work.cancel()
    await asyncio.sleep(0.05)
    assert not work.done()
    handler.hold.set()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_closing_lets_go_of_who_waits_for_a_call_that_hangs(
    answering: tuple[Answering, Hetzner],
) -> None:
    handler, cloud = answering
    handler.hold = asyncio.Event()
    work = asyncio.create_task(cloud.check())
    async with asyncio.timeout(20):
        while not handler.requests:
            await asyncio.sleep(0.01)
    work.cancel()
    await cloud.close()
    with pytest.raises(asyncio.CancelledError):
        await work
    with pytest.raises(ProviderUnavailable):
        await cloud.check()
