"""Which commands a simulated machine runs, and how arguments, input and changes come through."""

from __future__ import annotations

import json

import pytest

from livchat_sandbox.commands import dispatch
from livchat_sandbox.machine.machine import Machine
from tests.unit.sandbox.bench import Bench


@pytest.mark.parametrize(
    "line",
    [
        "true; rm -rf /",
        "true && true",
        "cat /etc/hostname | cat",
        "cat $(hostname)",
        "cat `hostname`",
        'cat "$HOME"',
        "cat < /etc/hostname",
        "true > /x",
        "true &",
        "true\ntrue",
        "cat /etc/*",
        "cat '/etc/hostname",
        "cat -n /etc/hostname",
        "docker run alpine",
        "docker stack deploy x",
        "apt-get install docker.io",
        "systemctl status docker",
    ],
)
def test_what_is_outside_the_list_fails_loudly(line: str) -> None:
    bench = Bench().with_docker()
    assert "sandbox: not simulated" in bench.run(line, code=127)


def test_a_program_that_is_not_there_is_not_found() -> None:
    bench = Bench()
    assert bench.run("vim /x", code=127) == "bash: line 1: vim: command not found\n"
    assert bench.run("docker version --format '{{.Server.Version}}'", code=127) == (
        "bash: line 1: docker: command not found\n"
    )


def test_quoted_arguments_reach_the_command_as_they_are() -> None:
    bench = Bench()
    bench.run("install -D -m 0600 /dev/stdin '/root/a;b $c'", "one\ntwo\n")
    assert bench.run("cat '/root/a;b $c'") == "one\ntwo\n"
    assert bench.run("tail -c +5 '/root/a;b $c'") == "two\n"
    bench.run("rm -f '/root/a;b $c' /nowhere")
    assert "No such file or directory" in bench.run("cat '/root/a;b $c'", code=1)


def test_files_keep_bytes_that_are_no_text() -> None:
    machine = Bench().machine
    dispatch.execute(machine, "install -D -m 0644 /dev/stdin /x", b"\xff\xfe\x00")
    again = Machine.load(json.loads(json.dumps(machine.dump())), machine.clock)
    found = dispatch.execute(again, "tail -c +2 /x").stdout
    assert found.encode(errors="surrogateescape") == b"\xfe\x00"


def test_a_change_is_told_and_a_question_is_not() -> None:
    bench = Bench()
    told: list[str] = []
    bench.machine.on_change = lambda: told.append("changed")
    bench.run("hostname")
    assert told == []
    bench.run("hostnamectl set-hostname web")
    assert told == ["changed"]
