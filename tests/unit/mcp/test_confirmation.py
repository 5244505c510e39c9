"""Which commands a person is asked about, and where hints lead."""

from __future__ import annotations

import pytest

from livchat.mcp.confirmation.read_only import is_read_only
from livchat.mcp.hints import next_step_after


@pytest.mark.parametrize(
    "command", ["docker ps", "docker service ls", "df -h /", "systemctl status docker", "uptime"]
)
def test_a_command_that_only_looks_runs_unasked(command):
    assert is_read_only(command)


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /", "docker rm x", "docker service rm n8n_n8n", "uptime; reboot", "cat a > b",
        "ls $(reboot)", "echo `reboot`", "ls & reboot", "ls\nreboot", "systemctl stop docker",
        "sudo ls", "echo 'open", "", "docker", "cat /etc/passwd | sh",
    ],
)  # fmt: skip
def test_every_other_command_is_asked_about(command):
    assert not is_read_only(command)


@pytest.mark.parametrize(
    ("hint", "tool"),
    [
        ("livchat job watch job_1", "aguardar-job-completo com job_id=job_1"),
        ("livchat server show a", "detalhes-servidor com server_name=a"),
        ("livchat app list a", "listar-apps-instaladas com server_name=a"),
        ("livchat provider types", "peça à pessoa que rode no terminal: livchat provider types"),
    ],
)
def test_a_hint_becomes_a_call_where_there_is_a_tool_for_it(hint, tool):
    assert next_step_after(hint, "conflict") == tool


def test_an_error_without_a_hint_gets_one_by_its_code():
    assert "listar-servidores" in next_step_after(None, "not_found")
    assert next_step_after(None, "never_heard_of")
