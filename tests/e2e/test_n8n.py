"""The real n8n on a real swarm, as the catalog defines it: owner, database, queue, task runners."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import monotonic, sleep  # noqa: TID251 - a webhook is waited for, in a bounded loop
from typing import Any

import pytest

from tests.e2e import images, machine
from tests.e2e.conftest import Ground
from tests.e2e.house import House, looking_after

pytestmark = pytest.mark.timeout(3_000)  # npm's 2 300 packages, if they are asked for

EDITOR, WEBHOOK = "edt.lab.example.com", "whk.lab.example.com"
OWNER = "ops@example.com"
ZONE = "America/Sao_Paulo"
CODE = "return [{json: {twice: 2 * $input.first().json.body.n, zone: $now.zoneName}}]"
WORKFLOW: dict[str, Any] = {
    "name": "double",
    "active": False,
    "settings": {"executionOrder": "v1"},
    "nodes": [
        {
            "id": "1", "name": "Asked", "type": "n8n-nodes-base.webhook", "typeVersion": 2,
            "position": [0, 0], "webhookId": "double",
            "parameters": {"path": "double", "httpMethod": "POST", "responseMode": "lastNode"},
        },
        {
            "id": "2", "name": "Code", "type": "n8n-nodes-base.code", "typeVersion": 2,
            "position": [200, 0], "parameters": {"jsCode": CODE},
        },
    ],
    "connections": {"Asked": {"main": [[{"node": "Code", "type": "main", "index": 0}]]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def served(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A bare machine that `livchat up n8n` has served with n8n."""
    if not ground.images.provide_flagship():
        pytest.skip("the image of the real n8n is not kept here: LIVCHAT_E2E_N8N=1 makes it")
    folder = tmp_path_factory.mktemp("n8n")
    with (
        images.registry(ground.images.flagship) as registry,
        machine.running(ground.images, registry, folder) as box,
        looking_after(box, registry, folder / "house") as house,
    ):
        key = ("--identity", str(folder / "key"))
        added = house.livchat("server", "add", "box", "--host", box.ip, *key, "--wait")
        assert added[0] == 0, added
        up = house.livchat(
            *("up", "n8n", "--server", "box", "--zone", "example.com", "--subdomain", "lab"),
            *("--email", OWNER, "--timezone", ZONE, "--yes", "-o", "json"),
            within=900,
        )
        assert up[0] == 0, up
        yield house


def test_all_its_parts_run(served: House) -> None:
    running = set(map(str, served.machine.state()["services"]))  # type: ignore[call-overload]
    parts = ("editor", "webhook", "worker", "editor-runner", "worker-runner")
    assert {f"n8n_{part} 1/1" for part in parts} <= running
    assert served.site(EDITOR)[0] == 200
    assert served.site(EDITOR, "/healthz/readiness") == (200, '{"status":"ok"}')


def test_its_own_role_has_migrated_its_database(served: House) -> None:
    postgres = _container(served, "postgres_postgres")
    asked = ("docker", "exec", postgres, "psql", "-X", "-A", "-t", "-U", "postgres", "-d", "n8n")
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    assert served.machine.run(*asked, "-c", owners) == "n8n"
    assert int(served.machine.run(*asked, "-c", "SELECT count(*) FROM migrations")) > 200


def test_the_owner_is_there_before_anybody_else_can_be(served: House) -> None:
    status, told, _ = served.send(EDITOR, "GET", "/rest/settings")
    assert (status, told["data"]["userManagement"]["showSetupOnFirstLoad"]) == (200, False)
    wrong = {"emailOrLdapLoginId": OWNER, "password": "not-the-password"}
    assert served.send(EDITOR, "POST", "/rest/login", wrong)[0] == 401
    assert _login(served)


def test_a_webhook_is_answered_by_the_worker_with_code_run_in_its_time_zone(served: House) -> None:
    cookie = _login(served)
    status, told, _ = served.send(EDITOR, "POST", "/rest/workflows", WORKFLOW, cookie)
    assert status == 200, told
    made = told["data"]
    version = {"versionId": made["versionId"]}
    activate = f"/rest/workflows/{made['id']}/activate"
    assert served.send(EDITOR, "POST", activate, version, cookie)[0] == 200

    # The process of the webhooks learns of it a moment later.
    deadline = monotonic() + 60
    answer = served.send(WEBHOOK, "POST", "/webhook/double", {"n": 21})
    while answer[0] == 404 and monotonic() < deadline:
        sleep(0.2)
        answer = served.send(WEBHOOK, "POST", "/webhook/double", {"n": 21})
    assert answer[:2] == (200, {"twice": 42, "zone": ZONE})
    assert "Worker finished execution" in _logs(served, "worker")
    assert "Registered runner" in _logs(served, "worker")


def test_the_host_of_the_webhooks_gives_nothing_else(served: House) -> None:
    assert served.send(WEBHOOK, "GET", "/rest/settings")[0] == 404
    assert served.site(WEBHOOK)[0] == 404
    # Addresses of tests are the editor's affair.
    status, told, _ = served.send(WEBHOOK, "POST", "/webhook-test/none")
    assert (status, "Execute workflow" in told["hint"]) == (404, True)


def test_none_of_its_settings_is_out_of_date(served: House) -> None:
    for part in ("editor", "webhook", "worker"):
        logged = _logs(served, part)
        assert "WEBHOOK_URL ->" not in logged
        assert "Tini is not running as PID 1" not in logged


def _login(house: House) -> str:
    """The cookie of the owner, who logs in with the password of the vault."""
    password = house.secret("app/box/n8n/owner_password")
    owner = {"emailOrLdapLoginId": OWNER, "password": password}
    status, told, cookie = house.send(EDITOR, "POST", "/rest/login", owner)
    assert (status, told["data"]["email"]) == (200, OWNER), json.dumps(told)
    return cookie


def _container(house: House, service: str) -> str:
    return house.machine.run(
        "docker", "ps", "-q", "-f", f"label=com.docker.swarm.service.name={service}"
    )


def _logs(house: House, part: str) -> str:
    return house.machine.run("docker", "service", "logs", "--raw", f"n8n_{part}")
