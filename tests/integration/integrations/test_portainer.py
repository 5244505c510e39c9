"""Portainer over a Unix socket, as the SSH tunnel gives it: against a small Portainer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from livchat.errors import NotFound, ProviderError, ProviderUnavailable
from livchatd.integrations.portainer import Portainer, PortainerApi, StackState

PASSWORD = "correct horse battery"
COMPOSE = "services:\n  web:\n    image: nginx\n"


def refuse(status: int, message: str, details: str = "") -> web.Response:
    return web.json_response({"message": message, "details": details}, status=status)


class Small:
    """As much of Portainer as is spoken to, by its description: stacks deploy until told."""

    def __init__(self) -> None:
        self.stacks: dict[int, dict[str, Any]] = {}
        self.endpoints: list[dict[str, Any]] = []
        self.tokens = 0
        self.logins = 0
        self.password = PASSWORD
        self.locked = False
        self.requests: list[str] = []

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.admit])
        app.add_routes(
            [
                web.get("/api/system/status", self.status),
                web.post("/api/auth", self.auth),
                web.get("/api/endpoints", self.list_endpoints),
                web.post("/api/endpoints", self.add_endpoint),
                web.get("/api/endpoints/1/docker/swarm", self.swarm),
                web.get("/api/stacks", self.list_stacks),
                web.post("/api/stacks/create/swarm/string", self.create),
                web.get("/api/stacks/{id}/file", self.file),
                web.put("/api/stacks/{id}", self.update),
                web.delete("/api/stacks/{id}", self.delete),
            ]
        )
        return app

    @web.middleware
    async def admit(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if self.locked:
            return refuse(303, "Administrator initialization timeout")
        if request.path not in {"/api/system/status", "/api/auth"}:
            given = request.headers.get("Authorization")
            if given != f"Bearer token-{self.tokens}":
                return refuse(401, "A valid authorization token is missing", "Unauthorized")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def status(self, request: web.Request) -> web.Response:
        return web.json_response({"Version": "2.43.0", "InstanceID": "x"})

    async def auth(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body != {"Username": "admin", "Password": self.password}:
            return refuse(422, "Invalid credentials", "Unauthorized")
        self.logins += 1
        self.tokens = self.tokens or 1
        return web.json_response({"jwt": f"token-{self.tokens}"})

    async def list_endpoints(self, request: web.Request) -> web.Response:
        return web.json_response(self.endpoints)

    async def add_endpoint(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.endpoints:
            return refuse(409, "Name is not unique")
        self.endpoints.append({"Id": 1, "Name": form["Name"], "Type": 1})
        return web.json_response(self.endpoints[0])

    async def swarm(self, request: web.Request) -> web.Response:
        return web.json_response({"ID": "swarm-1"})

    async def list_stacks(self, request: web.Request) -> web.Response:
        return web.json_response(list(self.stacks.values()))

    async def create(self, request: web.Request) -> web.Response:
        body = await request.json()
        name = body["Name"].lower()
        assert (body["SwarmID"], request.query["endpointId"]) == ("swarm-1", "1")
        if any(stack["Name"] == name for stack in self.stacks.values()):
            return refuse(409, f"A stack with the normalized name '{name}' already exists")
        number = len(self.stacks) + 1
        self.stacks[number] = {
            "Id": number,
            "Name": name,
            "EndpointId": 1,
            "Status": 3,
            "Env": body["Env"],
            "Compose": body["StackFileContent"],
        }
        return web.json_response(self.stacks[number])

    async def file(self, request: web.Request) -> web.Response:
        stack = self.stacks.get(int(request.match_info["id"]))
        if stack is None:
            return refuse(404, "Unable to find a stack", "object not found inside the database")
        return web.json_response({"StackFileContent": stack["Compose"]})

    async def update(self, request: web.Request) -> web.Response:
        stack = self.stacks[int(request.match_info["id"])]
        body = await request.json()
        if stack["Status"] == 3:
            return refuse(409, "Stack deployment is already in progress")
        stack.update(Status=3, Env=body["Env"], Compose=body["StackFileContent"])
        return web.json_response(stack)

    async def delete(self, request: web.Request) -> web.Response:
        if self.stacks.pop(int(request.match_info["id"]), None) is None:
            return refuse(404, "Unable to find a stack")
        return web.Response(status=204)


async def serve(small: Small, path: Path) -> web.AppRunner:
    runner = web.AppRunner(small.app(), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    return runner


@pytest.fixture
def small() -> Small:
    return Small()


@pytest.fixture
async def socket(small: Small, tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "1.sock"
    runner = await serve(small, path)
    yield path
    await runner.cleanup()


@pytest.fixture
async def portainer(socket: Path) -> AsyncIterator[Portainer]:
    made = over(lambda: socket)
    yield made
    await made.close()


def over(path: Any, password: str = PASSWORD) -> PortainerApi:
    async def connect() -> Path:
        found: Path = path()
        return found

    return PortainerApi(connect, lambda: SecretStr(password))


async def test_a_stack_is_deployed_read_updated_in_place_and_deleted(
    portainer: Portainer, small: Small
) -> None:
    assert await portainer.stack("n8n") is None
    made = await portainer.deploy_stack("n8n", COMPOSE, {"A": "1"})
    assert (made.name, made.state, made.message) == ("n8n", StackState.DEPLOYING, None)
    assert small.stacks[made.id]["Env"] == [{"name": "A", "value": "1"}]
    small.stacks[made.id]["Status"] = 1
    again = await portainer.deploy_stack("n8n", COMPOSE + "#", None)
    assert again.id == made.id
    assert await portainer.stack_file(made.id) == COMPOSE + "#"
    assert small.stacks[made.id]["Env"] == []
    await portainer.delete_stack("n8n")
    await portainer.delete_stack("n8n")
    assert small.stacks == {}


async def test_a_name_is_found_as_portainer_keeps_it(portainer: Portainer) -> None:
    made = await portainer.deploy_stack("N8N", COMPOSE)
    assert await portainer.stack("N8N") == made


async def test_a_deployment_that_went_wrong_tells_its_last_error(
    portainer: Portainer, small: Small
) -> None:
    made = await portainer.deploy_stack("n8n", COMPOSE)
    small.stacks[made.id]["Status"] = 4
    small.stacks[made.id]["DeploymentStatus"] = [
        {"Status": 3, "Time": 1},
        {"Status": 4, "Time": 2, "Message": "no such image"},
    ]
    found = await portainer.stack("n8n")
    assert found is not None
    assert (found.state, found.message) == (StackState.ERROR, "no such image")


async def test_an_update_while_it_deploys_passes_and_says_so_in_portainers_words(
    portainer: Portainer,
) -> None:
    await portainer.deploy_stack("n8n", COMPOSE)
    with pytest.raises(ProviderUnavailable, match="Stack deployment is already in progress"):
        await portainer.deploy_stack("n8n", COMPOSE)


async def test_the_environment_is_made_once_where_there_is_none(
    portainer: Portainer, small: Small, socket: Path
) -> None:
    other = over(lambda: socket)
    assert set(await asyncio.gather(portainer.environment_id(), other.environment_id())) == {1}
    assert await portainer.environment_id() == 1
    assert len(small.endpoints) == 1
    await other.close()


async def test_who_asks_at_once_logs_in_once_and_again_when_the_token_ends(
    portainer: Portainer, small: Small
) -> None:
    await asyncio.gather(*(portainer.stack("n8n") for _ in range(10)))
    assert small.logins == 1
    small.tokens = 2
    await asyncio.gather(*(portainer.stack("n8n") for _ in range(10)))
    assert small.logins == 2


async def test_a_wrong_password_is_not_the_callers_fault_and_is_not_shown(
    small: Small, socket: Path
) -> None:
    made = over(lambda: socket, "s3cret-and-wrong")
    with pytest.raises(ProviderError, match="refuses the password") as told:
        await made.stack("n8n")
    assert "s3cret" not in f"{told.value} {told.value.details}"
    assert not told.value.transient
    await made.close()


async def test_a_portainer_that_was_locked_says_so(portainer: Portainer, small: Small) -> None:
    small.locked = True
    with pytest.raises(ProviderError, match="Administrator initialization timeout"):
        await portainer.stack("n8n")
    assert not await portainer.is_ready()


async def test_an_unknown_stack_has_no_file(portainer: Portainer) -> None:
    with pytest.raises(NotFound, match="object not found inside the database"):
        await portainer.stack_file(99)


async def test_it_is_ready_once_it_answers(small: Small, tmp_path: Path) -> None:
    path = tmp_path / "late.sock"
    made = over(lambda: path)
    assert not await made.is_ready()
    with pytest.raises(ProviderUnavailable, match="does not answer"):
        await made.stack("n8n")
    runner = await serve(small, path)
    assert await made.is_ready()
    await made.close()
    await runner.cleanup()


async def test_the_way_is_asked_for_again_when_nothing_answers_there(
    small: Small, tmp_path: Path
) -> None:
    path, asked = tmp_path / "1.sock", 0

    def way() -> Path:
        nonlocal asked
        asked += 1
        return path

    made = over(way)
    runner = await serve(small, path)
    assert await made.stack("n8n") is None
    assert await made.stack("n8n") is None
    assert asked == 1
    await runner.cleanup()
    path.unlink(missing_ok=True)
    path = tmp_path / "2.sock"
    runner = await serve(small, path)
    assert await made.stack("n8n") is None
    assert (asked, small.logins) == (2, 1)
    await made.close()
    await runner.cleanup()


async def test_the_password_is_asked_for_once_the_way_is_known(socket: Path) -> None:
    known: list[str] = []

    async def connect() -> Path:
        known.append(PASSWORD)
        return socket

    made = PortainerApi(connect, lambda: SecretStr(known[-1]))
    assert await made.stack("n8n") is None
    await made.close()


@pytest.mark.parametrize("text", ["<html>", "[1", "", "[1]", "{}", '{"jwt": null}'])
async def test_an_answer_that_is_not_portainers_is_a_passing_failure(
    text: str, tmp_path: Path
) -> None:
    async def odd(request: web.Request) -> web.Response:
        return web.Response(text=text)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", odd)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    path = tmp_path / "1.sock"
    await web.UnixSite(runner, str(path)).start()
    made = over(lambda: path)
    with pytest.raises(ProviderUnavailable, match="cannot be read"):
        await made.stack("n8n")
    await made.close()
    await runner.cleanup()
