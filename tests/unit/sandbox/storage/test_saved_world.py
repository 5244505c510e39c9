"""A world on disk that an earlier version saved: it opens, goes on, and is saved the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.storage.folder import Folder
from livchat_sandbox.storage.state import AccountState
from tests.unit.sandbox.bench import ManualClock
from tests.unit.sandbox.worlds import running

SAVED = Path(__file__).parent / "saved"


def saved(name: str) -> Any:
    return json.loads((SAVED / f"{name}.json").read_text("utf-8"))


def test_an_account_is_loaded_and_dumped_with_the_same_keys_and_values() -> None:
    account = saved("world")
    assert json.loads(json.dumps(AccountState.load(account).dump())) == account


def test_a_machine_is_loaded_and_dumped_with_the_same_keys_and_values() -> None:
    machine = saved("machine")
    clock = ManualClock()
    assert json.loads(json.dumps(Machine.load(machine, clock).dump())) == machine


def test_what_was_under_way_on_a_machine_goes_on() -> None:
    clock = ManualClock()
    clock.moment = saved("machine")["units"][2]["work"]["ends_at"] + 60
    machine = Machine.load(saved("machine"), clock)
    machine.advance_to_now()
    assert machine.units["p"].ended
    assert {"name": "b", "services": ["y"]} in machine.stacks()
    assert machine.engine.state.services["a_x"].verdict == "completed"


async def test_a_sandbox_opens_it(folder: Folder) -> None:
    folder.write_world(json.dumps(saved("world")))
    folder.write_machine(100000003, json.dumps(saved("machine")))
    async with running(folder) as world:
        assert world.state.token == "sandbox-token"
        assert world.resolve("n8n.example.com") == ["198.18.0.1"]
        server = world.server_with_ip("198.18.0.1")
        assert server is not None
        assert server.name == "s1"


@pytest.mark.parametrize("wrong", ['{"servers": 3}', '{"servers": [{}]}', "[]", "{", "{}"])
async def test_a_world_that_cannot_be_read_is_begun_anew(folder: Folder, wrong: str) -> None:
    folder.write_world(wrong)
    folder.write_machine(7, "{}")
    async with running(folder) as world:
        assert world.state.servers == {}
        assert folder.read_machine(7) is None
        assert world.state.token.startswith("sandbox-")
