"""People's commands on a server: their time, their output, their end, and who asked."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from livchat.errors import TimedOut
from livchat.wire.servers import ExecCommand, ExecResult
from livchatd.integrations.ssh.shells import SshShells
from livchatd.operations.exec import MAX_OUTPUT_BYTES, UserCommands
from tests.integration.daemon_process import Answer, DaemonProcess, running
from tests.integration.integrations.ssh_host import Host, until

SECRET = "canary-Xk29/+=$f7-secret"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running(tmp_path_factory.mktemp("d")) as started:
        job = started.submit("POST", "/api/servers", {"name": "prod-01", "provider": "sandbox"})
        assert started.wait(job)["status"] == "completed"
        yield started


def run(daemon: DaemonProcess, command: str, timeout: int = 30) -> Answer:
    body = {"command": command, "timeout": timeout}
    return daemon.request("POST", "/api/servers/prod-01/exec", body)


def test_a_command_answers_with_what_it_printed(daemon: DaemonProcess) -> None:
    answer = run(daemon, "uname -m; nope; echo 'a  b'")
    assert answer.status == 200
    assert set(answer.json) == set(ExecResult.model_fields)
    told = ExecResult.model_validate(answer.json)
    assert (told.success, told.exit_code, told.truncated) == (True, 0, False)
    assert told.stdout == "x86_64\na  b\n"
    assert told.stderr == "bash: line 1: nope: command not found\n"
    assert (told.server_name, told.command) == ("prod-01", "uname -m; nope; echo 'a  b'")
    assert 0 < told.duration_seconds < 30


def test_a_command_that_fails_is_an_answer_and_no_error(daemon: DaemonProcess) -> None:
    answer = run(daemon, "echo before && exit 7")
    assert answer.status == 200
    assert (answer.json["success"], answer.json["exit_code"]) == (False, 7)
    assert run(daemon, "what-is-not-there").json["exit_code"] == 127


def test_its_time_up_it_is_gone_and_what_it_printed_is_told(daemon: DaemonProcess) -> None:
    answer = run(daemon, "echo begun; nope; sleep infinity; echo never", 4)
    assert (answer.status, answer.json["code"]) == (504, "timeout")
    details = answer.json["details"]
    assert (details["stdout"], details["stopped"]) == ("begun\n", True)
    assert details["stderr"].endswith("command not found\n")
    assert details["exit_code"] is None
    assert answer.json["hint"].startswith("livchat server exec prod-01 --timeout 8")


def test_output_is_cut_to_size(daemon: DaemonProcess) -> None:
    answer = run(daemon, "seq 20000").json
    assert answer["truncated"] is True
    assert len(answer["stdout"].encode()) == MAX_OUTPUT_BYTES
    assert answer["stdout"].startswith("1\n2\n3\n")
    assert run(daemon, "seq 100").json["truncated"] is False


def test_a_secret_that_is_known_is_never_shown(daemon: DaemonProcess) -> None:
    daemon.request("PUT", "/api/secrets/some/where", {"value": SECRET})
    answer = run(daemon, f"echo 'it is {SECRET}'")
    assert SECRET.encode() not in answer.raw
    assert answer.json["stdout"] == "it is [secret]\n"
    assert answer.json["command"] == "echo 'it is [secret]'"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "command"),
        ({"command": ""}, "command"),
        ({"command": "a\x00b"}, "command"),
        ({"command": "x" * 32_769}, "command"),
        ({"command": "true", "timeout": 0}, "timeout"),
        ({"command": "true", "timeout": 301}, "timeout"),
        ({"command": "true", "shell": "zsh"}, "shell"),
    ],
)
def test_a_wrong_request_names_its_field(
    daemon: DaemonProcess, body: dict[str, Any], field: str
) -> None:
    answer = daemon.request("POST", "/api/servers/prod-01/exec", body)
    assert answer.status == 422
    assert answer.json["details"]["fields"][0]["field"] == field


def test_a_server_that_is_not_there_or_not_reached_is_told(daemon: DaemonProcess) -> None:
    answer = daemon.request("POST", "/api/servers/nowhere/exec", {"command": "true"})
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    job = daemon.submit("POST", "/api/servers", {"name": "dead", "provider": "sandbox"})
    daemon.wait(job)
    table = sqlite3.connect(daemon.home / "state" / "livchat.db", timeout=10)
    with table:
        table.execute(
            "UPDATE servers SET record = json_set(record, '$.ip_address', '198.18.255.254') "
            "WHERE name = 'dead'"
        )
    table.close()
    daemon.restart()
    answer = daemon.request("POST", "/api/servers/dead/exec", {"command": "true", "timeout": 5})
    assert (answer.status, answer.json["code"]) == (503, "provider_unavailable")
    assert answer.json["hint"] == "livchat server show dead"
    assert run(daemon, "true").status == 200


def test_many_at_once_wait_their_turn_and_hold_up_no_job(daemon: DaemonProcess) -> None:
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(run(daemon, "sleep infinity", 2)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    order = {"zone_name": "livchat.localhost", "ssl_email": "me@example.com"}
    job = daemon.submit("POST", "/api/servers/prod-01/setup", order)
    assert daemon.wait(job)["status"] == "completed"
    for thread in threads:
        thread.join(30)
    assert [answer.status for answer in answers] == [504] * 6


# What the remote end sees, from a server whose answers the test chooses.


async def commands_of(host: Host) -> tuple[UserCommands, SshShells]:
    async def endpoint(_: str) -> Any:
        return host.endpoint()

    shells = SshShells(endpoint)
    return UserCommands(shells, lambda text: text.replace("hunter22", "[secret]")), shells


async def test_the_command_travels_by_stdin_and_never_in_an_argument() -> None:
    host, seen = Host(), []

    async def answers(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        seen.append((line, stdin))
        return b"ok\n", b"", 0

    host.answers = answers
    await host.start()
    commands, shells = await commands_of(host)
    text = "echo 'marked-command'; rm -rf \"$HOME\""
    await commands.run("prod-01", ExecCommand(command=text))
    [(line, stdin)] = seen
    assert stdin.decode() == text
    assert "marked" not in line
    assert line.endswith("-- /bin/bash -c 'eval -- \"$(cat)\"'")
    assert line.startswith("systemd-run --unit=livchat-exec-")
    await shells.close()
    await host.stop()


async def test_controls_and_sequences_are_taken_out_before_secrets_are_looked_for() -> None:
    host = Host()

    async def answers(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        return b"\x1b[31mred\x1b[0m hun\x1b[1mter22 a\x07b\r\nc\td\xff", b"\x9b1m\xc2\x9b2", 0

    host.answers = answers
    await host.start()
    commands, shells = await commands_of(host)
    told = await commands.run("prod-01", ExecCommand(command="true"))
    assert told.stdout == "red [secret] ab\nc\td\ufffd"
    assert not {"\x1b", "\x9b", "\x07"} & set(told.stdout + told.stderr)
    await shells.close()
    await host.stop()


async def test_connecting_is_part_of_the_deadline() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    host = Host()

    async def endpoint(_: str) -> Any:
        return host.endpoint(port=port)

    shells = SshShells(endpoint)
    begin = monotonic()
    with pytest.raises(TimedOut) as late:
        await UserCommands(shells, str).run("prod-01", ExecCommand(command="true", timeout=1))
    assert monotonic() - begin < 10
    assert (late.value.details["stdout"], late.value.details["stopped"]) == ("", True)
    await shells.close()
    silent.close()


async def test_a_command_that_will_not_be_stopped_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("livchatd.integrations.ssh.user_command.STOP_SECONDS", 0.5)
    host, asked = Host(), asyncio.Event()

    async def answers(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        if line.startswith("systemd-run"):
            asked.set()
            await asyncio.sleep(60)
        return b"ActiveState=active\n", b"", 0

    host.answers = answers
    await host.start()
    commands, shells = await commands_of(host)
    with pytest.raises(TimedOut) as late:
        await commands.run("prod-01", ExecCommand(command="true", timeout=4))
    assert asked.is_set()
    assert late.value.details["stopped"] is False
    await shells.close()
    await host.stop()


async def test_a_connection_lost_under_a_command_stops_the_command() -> None:
    host, lines = Host(), []

    async def answers(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        lines.append(line.split()[:2])
        if line.startswith("systemd-run"):
            asyncio.get_running_loop().call_soon(lambda: cuts.append(asyncio.ensure_future(cut())))
            await asyncio.sleep(60)
        return b"ActiveState=inactive\n", b"", 0

    cuts: list[Any] = []

    async def cut() -> None:
        for connection in host.connections:
            connection.abort()

    host.answers = answers
    await host.start()
    commands, shells = await commands_of(host)
    task = asyncio.create_task(commands.run("prod-01", ExecCommand(command="true", timeout=20)))
    await until(task.done)
    assert "lost" in str(task.exception())
    assert ["systemctl", "stop"] in lines
    await shells.close()
    await host.stop()


def test_the_sandbox_says_what_ran_before_it_was_stopped(tmp_path: Path) -> None:
    with running(tmp_path / "d", scale=0.01) as daemon:
        daemon.wait(daemon.submit("POST", "/api/servers", {"name": "a", "provider": "sandbox"}))
        body = {"command": "echo one; sleep 0.2; echo two", "timeout": 10}
        answer = daemon.request("POST", "/api/servers/a/exec", body)
        assert answer.json["stdout"] == "one\ntwo\n"
        assert answer.json["duration_seconds"] >= 0.2
