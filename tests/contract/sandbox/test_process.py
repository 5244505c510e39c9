"""The sandbox as a process: killed, started twice, reset, controlled, looked at from outside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcloud
import pytest
import requests
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType

from tests.contract.sandbox_process import SandboxProcess, running, start


@pytest.fixture(scope="module")
def instant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("process") / "sandbox") as sandbox:
        yield sandbox


def client(sandbox: SandboxProcess) -> Any:
    token, base = sandbox.address["token"], sandbox.address["hetzner"]
    return hcloud.Client(token, api_endpoint=base, timeout=(5, 30), poll_interval=0.01)


def order(cloud: Any) -> Any:
    return cloud.servers.create(
        name="prod-01",
        server_type=ServerType(name="cx23"),
        image=Image(name="debian-13"),
        location=Location(name="nbg1"),
    )


def made(cloud: Any) -> Any:
    answer = order(cloud)
    for action in [answer.action, *answer.next_actions]:
        action.wait_until_finished()
    return cloud.servers.get_by_id(answer.server.id)


def test_a_killed_sandbox_comes_back_with_the_same_world(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    with running(folder) as sandbox:
        server, address = made(client(sandbox)), sandbox.address
        saved = folder / "world.json"
        for _ in range(500):
            if saved.exists() and '"running"' in saved.read_text():
                break
            time.sleep(0.02)  # noqa: TID251 - a test waits for a file
        sandbox.end(kill=True)
    with running(folder) as sandbox:
        assert {**sandbox.address, "pid": 0} == {**address, "pid": 0}
        assert client(sandbox).servers.get_by_name("prod-01").id == server.id
        assert sandbox.end() == 0
        assert not (folder / "sandbox.json").exists()


def test_what_was_under_way_in_a_killed_sandbox_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    with running(folder, scale=0.1) as sandbox:
        answer = order(client(sandbox))
        saved = folder / "world.json"
        for _ in range(500):
            if saved.exists() and '"start_server"' in saved.read_text():
                break
            time.sleep(0.02)  # noqa: TID251 - a test waits for a file
        sandbox.end(kill=True)
    with running(folder, scale=0.1) as sandbox:
        cloud = client(sandbox)
        for action in (answer.action, *answer.next_actions):
            cloud.actions.get_by_id(action.id).wait_until_finished()
        assert cloud.servers.get_by_id(answer.server.id).status == "running"


def test_a_second_sandbox_in_a_folder_leaves_the_first_alone(instant: SandboxProcess) -> None:
    assert start(instant.folder, scale=0).process.wait(30) == 0
    assert instant.control("health")["status"] == "ok"


def test_a_reset_empties_the_world_and_renews_its_id(instant: SandboxProcess) -> None:
    cloud = client(instant)
    before = made(cloud).public_net.ipv4.ip
    world = instant.status()["world"]
    instant.control("reset", "POST")
    assert instant.status()["world"] != world
    assert cloud.servers.get_all() == []
    assert made(cloud).public_net.ipv4.ip != before


def test_control_needs_the_token(instant: SandboxProcess) -> None:
    answer = requests.get(f"{instant.address['control']}/control/status", timeout=5)
    assert answer.status_code == 401


def test_the_front_tells_why_there_is_nothing(instant: SandboxProcess) -> None:
    url = f"http://127.0.0.1:{instant.address['front_port']}/"
    answer = requests.get(url, headers={"Host": "n8n.example.com"}, timeout=5)
    assert answer.status_code == 502
    assert "n8n.example.com" in answer.text
