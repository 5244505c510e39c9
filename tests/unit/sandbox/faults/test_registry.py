"""The registry of faults: each has an effect where it can happen, and is told to people."""

from __future__ import annotations

from typing import Any

import pytest

from livchat_sandbox.faults.registry import CONNECT, FAULTS, SSH, Fault

COMMANDS = ["docker stack deploy", "systemd-run apt-get install", "true"]


@pytest.mark.parametrize("fault", SSH.values(), ids=SSH)
def test_an_ssh_fault_has_an_effect_exactly_where_it_can_happen(fault: Fault[Any]) -> None:
    assert fault.applies(CONNECT) == (fault.effect.on_connect is not None)
    on_commands = any(fault.applies(command) for command in COMMANDS)
    assert on_commands == (fault.effect.on_command is not None)


def test_only_what_is_not_running_or_not_reached_fails_at_connecting() -> None:
    at_connecting = {
        f"{service} {name}"
        for service in ("portainer", "ssh")
        for name, fault in FAULTS[service].items()
        if fault.applies(CONNECT)
    }
    assert at_connecting == {
        "portainer dead",
        *(f"ssh {name}" for name in ("refused", "silent", "reset", "slow")),
        *(f"ssh {name}" for name in ("host_key_changed", "auth_refused")),
    }


def test_every_service_over_http_has_the_faults_of_a_network() -> None:
    shared = set.intersection(
        *(set(FAULTS[name]) for name in ("hetzner", "cloudflare", "portainer"))
    )
    assert shared == {
        "timeout_before", "timeout_after", "reset", "lost", "slow", "garbage", "truncated",
        "server_error", "bad_gateway", "unavailable", "gateway_timeout",
    }  # fmt: skip


def test_every_fault_is_described() -> None:
    assert all(fault.description for faults in FAULTS.values() for fault in faults.values())
