"""A fault in place of an answer of Hetzner's API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livchat_sandbox.faults.plan import Rule
from livchat_sandbox.hetzner.app import Hetzner
from livchat_sandbox.storage.folder import Folder
from tests.unit.sandbox.worlds import running


async def test_a_fault_takes_the_place_of_the_answer(folder: Folder, aiohttp_client: Any) -> None:
    async with running(folder) as world:
        world.faults.set_rules([Rule("hetzner", "POST /primary_ips", "truncated")])
        client = await aiohttp_client(Hetzner(world).app())
        headers = {"Authorization": f"Bearer {world.state.token}"}
        order = {"name": "prod-01", "type": "ipv4", "location": "nbg1"}
        answer = await client.post("/v1/primary_ips", headers=headers, json=order)
        assert answer.status == 201
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(await answer.text())
        assert [address.name for address in world.state.primary_ips.values()] == ["prod-01"]
        again = await client.post("/v1/primary_ips", headers=headers, json=order)
        assert (await again.json())["error"]["code"] == "uniqueness_error"
