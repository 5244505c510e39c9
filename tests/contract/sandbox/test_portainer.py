"""Portainer on a simulated machine, over HTTP through SSH, held to its API description."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest

from livchat_sandbox.clock import Clock
from livchat_sandbox.commands import dispatch
from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.ssh.server import SshServer
from tests.contract.sandbox.machine_spec import machine_spec

asyncssh: Any = importlib.import_module("asyncssh")

KEY = asyncssh.generate_private_key("ssh-ed25519")
SPEC = Path(__file__).parents[4] / "shared/specs/portainer-ce-2.43.reduced.openapi.json"
PASSWORD = "a-long-password-of-the-admin"
PORTAINER = """
services:
  portainer:
    image: portainer/portainer-ce:2.43.0
    command: [-H, "unix:///var/run/docker.sock", --admin-password-file, /run/secrets/admin]
    secrets: [{source: admin, target: admin}]
    volumes: [data:/data, "/var/run/docker.sock:/var/run/docker.sock"]
volumes: {data: {}}
secrets: {admin: {external: true, name: portainer_admin}}
"""
APP = "services: {web: {image: 'redis:8'}}\n"
UNIT = "systemd-run --unit={} -p RemainAfterExit=yes -- apt-get -o DPkg::Lock::Timeout=300 {}"


def run(machine: Machine, line: str, stdin: str = "") -> str:
    found = dispatch.execute(machine, line, stdin.encode())
    assert found.exit_status == 0, found
    return found.stdout


def set_up(portainer: str = PORTAINER) -> Machine:
    public = KEY.export_public_key().decode()
    machine = Machine.boot(machine_spec(authorized_keys=[public]), Clock(0))
    run(machine, UNIT.format("a", "update"))
    run(machine, UNIT.format("b", "install -y --no-install-recommends docker.io"))
    run(
        machine,
        "docker swarm init --advertise-addr 198.18.0.1 --default-addr-pool 172.20.0.0/14 "
        "--default-addr-pool-mask-length 24",
    )
    run(machine, "docker secret create portainer_admin -", PASSWORD)
    run(machine, "docker stack deploy --detach=true --prune -c - portainer", portainer)
    return machine


def address(machine: Machine) -> str:
    """Portainer's address, found the way a client finds it."""
    label = "com.docker.swarm.service.name=portainer_portainer"
    listed = run(machine, f"docker ps --no-trunc --format '{{{{json .}}}}' --filter label={label}")
    container = json.loads(listed)["ID"]
    sandbox = run(
        machine, f"docker inspect --format '{{{{.NetworkSettings.SandboxID}}}}' {container}"
    )
    bridge = json.loads(run(machine, "docker network inspect docker_gwbridge"))[0]
    names = {each["Name"]: each["IPv4Address"] for each in bridge["Containers"].values()}
    return str(names[f"gateway_{sandbox[:12]}"]).partition("/")[0]


def age(machine: Machine, seconds: float) -> None:
    """Portainer has been running for so much longer."""
    service = machine.portainer.service(machine.engine)
    assert service is not None
    service.updated -= seconds
    machine.engine.state.images[service.spec.image] -= seconds


class Api:
    """Portainer's API; every answer is held to the description where that is at hand."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.jwt = ""
        self.spec = json.loads(SPEC.read_text()) if SPEC.exists() else None

    async def ask(
        self, method: str, template: str, want: int, /, body: Any = None, **ids: Any
    ) -> Any:
        query = ids.pop("query", {})
        headers = {"Authorization": f"Bearer {self.jwt}"} if self.jwt else {}
        url = "http://portainer/api" + template.format(**ids)
        async with self.session.request(
            method, url, json=body, params=query, headers=headers, allow_redirects=False
        ) as answer:
            text = await answer.text()
            assert answer.status == want, text
            found = json.loads(text) if text else None
        self.hold(method, template, want, found)
        return found

    def hold(self, method: str, template: str, status: int, found: Any) -> None:
        if self.spec is None or found is None:
            return
        wanted = self.spec["paths"].get(template, {}).get(method.lower(), {})
        content = wanted.get("responses", {}).get(str(status), {}).get("content", {})
        for media in content.values():
            schema = {**media["schema"], "components": self.spec["components"]}
            jsonschema.Draft202012Validator(schema).validate(found)

    async def login(self) -> None:
        given = {"Username": "admin", "Password": PASSWORD}
        self.jwt = (await self.ask("POST", "/auth", 200, given))["jwt"]


@pytest.fixture
async def machine() -> Machine:
    return set_up()


@asynccontextmanager
async def reached(machine: Machine, folder: Path) -> AsyncIterator[Api]:
    """Portainer's API, through a tunnel of the machine's SSH server."""
    host = SshServer(machine, machine.clock)
    local = str(folder / "p.sock")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(host.stop)
        connection = await stack.enter_async_context(
            asyncssh.connect(
                "127.0.0.1",
                await host.start(),
                username="root",
                client_keys=[KEY],
                known_hosts=None,
                config=None,
            )
        )
        await connection.forward_local_path_to_port(local, address(machine), 9000)
        session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(local), cookie_jar=aiohttp.DummyCookieJar()
        )
        yield Api(await stack.enter_async_context(session))


@pytest.fixture
async def api(machine: Machine, tmp_path: Path) -> AsyncIterator[Api]:
    async with reached(machine, tmp_path) as api:
        yield api


def test_the_description_is_at_hand() -> None:
    if not SPEC.exists():
        pytest.skip(f"{SPEC.name} is not beside the project")
    assert json.loads(SPEC.read_text())["paths"]


async def test_the_administrator_of_the_secret_is_there_from_the_start(api: Api) -> None:
    assert (await api.ask("GET", "/system/status", 200))["Version"] == "2.43.0"
    await api.ask("GET", "/users/admin/check", 204)
    user = {"Username": "admin", "Password": "another-password"}
    await api.ask("POST", "/users/admin/init", 409, user)
    await api.ask("POST", "/auth", 422, user)
    await api.ask("POST", "/auth", 400, {"Username": "admin"})
    await api.login()
    assert (await api.ask("GET", "/users/me", 200))["Username"] == "admin"


async def test_what_is_not_public_needs_a_token(api: Api) -> None:
    told = await api.ask("GET", "/endpoints", 401)
    assert told["message"] == "A valid authorization token is missing"
    api.jwt = "a.b.c"
    assert (await api.ask("GET", "/endpoints", 401))["message"] == "Invalid JWT token"
    await api.login()
    head, claims, signature = api.jwt.split(".")
    api.jwt = f"{head}.{claims}x.{signature}"
    await api.ask("GET", "/stacks", 401)


async def test_the_local_environment_leads_to_the_engine(api: Api, machine: Machine) -> None:
    await api.login()
    (endpoint,) = await api.ask("GET", "/endpoints", 200)
    assert (endpoint["Id"], endpoint["Name"], endpoint["Type"]) == (1, "primary", 1)
    await api.ask("GET", "/endpoints/{id}", 404, id=9)
    path = "/endpoints/{id}/docker/{dockerPath}"
    swarm = await api.ask("GET", path, 200, id=1, dockerPath="swarm")
    info = await api.ask("GET", path, 200, id=1, dockerPath="info")
    assert swarm["ID"] == info["Swarm"]["Cluster"]["ID"]
    filters = {"filters": json.dumps({"name": ["portainer_portainer"]})}
    (service,) = await api.ask("GET", path, 200, id=1, dockerPath="services", query=filters)
    filters = {"filters": json.dumps({"service": [service["ID"]]})}
    (task,) = await api.ask("GET", path, 200, id=1, dockerPath="tasks", query=filters)
    assert task["Status"]["State"] == "running"
    networks = await api.ask("GET", path, 200, id=1, dockerPath="networks")
    assert "docker_gwbridge" in {network["Name"] for network in networks}
    await api.ask("GET", path, 404, id=1, dockerPath="services/nope")


async def test_a_stack_is_deployed_in_the_background_updated_and_removed(
    api: Api, machine: Machine
) -> None:
    await api.login()
    path, at = "/stacks/create/swarm/string", {"endpointId": "1"}
    order = {"Name": "App", "SwarmID": "x", "StackFileContent": APP}
    made = await api.ask("POST", path, 200, order, query=at)
    assert (made["Status"], made["Name"]) == (3, "app")
    await api.ask("POST", path, 409, order, query=at)
    stack = await api.ask("GET", "/stacks/{id}", 200, id=made["Id"])
    assert [each["Status"] for each in stack["DeploymentStatus"]] == [3, 1]
    assert {"name": "app", "services": ["web"]} in machine.stacks()
    file = await api.ask("GET", "/stacks/{id}/file", 200, id=made["Id"])
    assert file == {"StackFileContent": APP}
    change = {"StackFileContent": APP.replace("web", "api"), "Prune": True}
    await api.ask("PUT", "/stacks/{id}", 200, change, id=made["Id"], query=at)
    assert (await api.ask("GET", "/stacks/{id}", 200, id=made["Id"]))["Status"] == 1
    assert {"name": "app", "services": ["api"]} in machine.stacks()
    found = await api.ask(
        "GET", "/stacks", 200, query={"filters": json.dumps({"SwarmID": "x", "EndpointID": 1})}
    )
    assert [each["Id"] for each in found] == [made["Id"]]
    none = await api.ask("GET", "/stacks", 200, query={"filters": json.dumps({"SwarmID": "y"})})
    assert none == []
    await api.ask("DELETE", "/stacks/{id}", 404, id=made["Id"], query={"endpointId": "7"})
    await api.ask("DELETE", "/stacks/{id}", 204, id=made["Id"], query=at)
    await api.ask("DELETE", "/stacks/{id}", 404, id=made["Id"], query=at)
    await api.ask("GET", "/stacks/{id}", 404, id=made["Id"])
    assert [each["name"] for each in machine.stacks()] == ["portainer"]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("services: [", "yaml: line"),
        ("services: {x: {}}", "no image specified"),
        ("services: {x: {image: 'redis:does-not-exist'}}", "No such image"),
        ("services: {x: {image: 'redis:8', networks: [n]}}\nnetworks: {n: {external: true}}", "n"),
    ],
)
async def test_a_stack_that_cannot_be_deployed_ends_in_an_error(
    api: Api, file: str, message: str
) -> None:
    await api.login()
    order = {"Name": "a", "SwarmID": "x", "StackFileContent": file}
    at = {"endpointId": "1"}
    made = await api.ask("POST", "/stacks/create/swarm/string", 200, order, query=at)
    stack = await api.ask("GET", "/stacks/{id}", 200, id=made["Id"])
    assert stack["Status"] == 4
    assert message in stack["DeploymentStatus"][-1]["Message"]


async def test_a_request_with_a_missing_field_is_refused(api: Api) -> None:
    await api.login()
    path, at = "/stacks/create/swarm/string", {"endpointId": "1"}
    await api.ask("POST", path, 400, {"Name": "a", "SwarmID": "x"}, query=at)
    order = {"Name": "a", "SwarmID": "x", "StackFileContent": APP}
    await api.ask("POST", path, 400, order)
    await api.ask("POST", path, 404, order, query={"endpointId": "9"})


async def test_variables_of_the_stack_fill_the_file_and_doubled_dollars_stay(
    api: Api, machine: Machine
) -> None:
    await api.login()
    order = {
        "Name": "a",
        "SwarmID": "x",
        "StackFileContent": "services: {x: {image: 'redis:${TAG}', environment: {P: 'a$$b'}}}",
        "Env": [{"name": "TAG", "value": "8"}],
    }
    await api.ask("POST", "/stacks/create/swarm/string", 200, order, query={"endpointId": "1"})
    machine.advance_to_now()
    spec = machine.engine.state.services["a_x"].spec
    assert (spec.image, spec.env) == ("redis:8", {"P": "a$b"})


async def test_a_stack_of_the_command_line_is_in_the_way_and_can_be_removed(
    api: Api, machine: Machine
) -> None:
    await api.login()
    run(machine, "docker stack deploy --detach=true --prune -c - other", APP)
    order = {"Name": "other", "SwarmID": "x", "StackFileContent": APP}
    at = {"endpointId": "1"}
    await api.ask("POST", "/stacks/create/swarm/string", 409, order, query=at)
    await api.ask("DELETE", "/stacks/{id}", 204, id="other", query={**at, "external": "true"})
    assert [each["name"] for each in machine.stacks()] == ["portainer"]


async def test_an_update_while_deploying_is_refused(api: Api, machine: Machine) -> None:
    await api.login()
    order = {"Name": "a", "SwarmID": "x", "StackFileContent": APP}
    at = {"endpointId": "1"}
    # Minutes for each simulated second: nothing in the background gets done.
    age(machine, 1000)
    machine.clock.scale = 100
    made = await api.ask("POST", "/stacks/create/swarm/string", 200, order, query=at)
    change = {"StackFileContent": APP}
    await api.ask("PUT", "/stacks/{id}", 409, change, id=made["Id"], query=at)
    machine.clock.scale = 0


async def test_portainer_comes_back_with_its_data_after_a_restart_of_the_sandbox(
    api: Api, machine: Machine
) -> None:
    await api.login()
    order = {"Name": "a", "SwarmID": "x", "StackFileContent": APP}
    await api.ask("POST", "/stacks/create/swarm/string", 200, order, query={"endpointId": "1"})
    machine.advance_to_now()
    again = Machine.load(json.loads(json.dumps(machine.dump())), machine.clock)
    assert again.portainer == machine.portainer
    assert again.stacks() == machine.stacks()


async def test_the_password_of_the_first_start_stays_with_the_volume(
    api: Api, machine: Machine
) -> None:
    await api.login()
    run(machine, "docker stack rm --detach=true portainer")
    run(machine, "docker secret rm portainer_admin")
    run(machine, "docker secret create portainer_admin -", "another-password")
    run(machine, "docker stack deploy --detach=true --prune -c - portainer", PORTAINER)
    machine.advance_to_now()
    assert machine.portainer.password == PASSWORD
    run(machine, "docker stack rm --detach=true portainer")
    run(machine, "docker volume rm portainer_data")
    run(machine, "docker stack deploy --detach=true --prune -c - portainer", PORTAINER)
    machine.advance_to_now()
    assert machine.portainer.password == "another-password"


async def test_without_a_password_file_the_first_administrator_is_made_over_the_api(
    tmp_path: Path,
) -> None:
    bare = PORTAINER.replace(", --admin-password-file, /run/secrets/admin", ", --no-setup-token")
    user = {"Username": "admin", "Password": PASSWORD}
    async with reached(set_up(bare), tmp_path) as api:
        await api.ask("GET", "/users/admin/check", 404)
        await api.ask("POST", "/users/admin/init", 400, {**user, "Password": "short"})
        await api.ask("POST", "/users/admin/init", 200, user)
        await api.ask("GET", "/users/admin/check", 204)
        await api.login()


async def test_the_first_administrator_needs_the_setup_token_of_the_log(tmp_path: Path) -> None:
    bare = PORTAINER.replace(", --admin-password-file, /run/secrets/admin", "")
    async with reached(set_up(bare), tmp_path) as api:
        user = {"Username": "admin", "Password": PASSWORD}
        told = await api.ask("POST", "/users/admin/init", 403, user)
        assert told["details"] == "Invalid or missing setup token"
        assert (await api.ask("GET", "/settings/public", 200))["RequiresSetupToken"]


async def test_an_environment_is_made_from_form_data_where_there_is_none(tmp_path: Path) -> None:
    bare = PORTAINER.replace('-H, "unix:///var/run/docker.sock", ', "")
    async with reached(set_up(bare), tmp_path) as api:
        await api.login()
        assert await api.ask("GET", "/endpoints", 200) == []
        await api.ask("POST", "/endpoints", 400, {"Name": "local", "EndpointCreationType": 1})
        form = aiohttp.FormData({"Name": "local", "EndpointCreationType": "1"})
        headers = {"Authorization": f"Bearer {api.jwt}"}
        for want in (200, 409):
            async with api.session.post(
                "http://portainer/api/endpoints", data=form(), headers=headers
            ) as answer:
                assert answer.status == want
                api.hold("POST", "/endpoints", want, await answer.json())
        (made,) = await api.ask("GET", "/endpoints", 200)
        assert made["Name"] == "local"


async def test_portainer_locks_itself_after_five_minutes_without_an_administrator(
    tmp_path: Path,
) -> None:
    machine = set_up(PORTAINER.replace("--admin-password-file, /run/secrets/admin", "--debug"))
    age(machine, 301)
    machine.clock.scale = 1
    async with reached(machine, tmp_path) as api:
        told = await api.ask("GET", "/endpoints", 303)
        assert told == {"message": "Administrator initialization timeout"}


async def test_a_portainer_that_is_removed_answers_no_more(api: Api, machine: Machine) -> None:
    await api.ask("GET", "/system/status", 200)
    run(machine, "docker stack rm --detach=true portainer")
    with pytest.raises(aiohttp.ClientError):
        await api.ask("GET", "/system/status", 200)
