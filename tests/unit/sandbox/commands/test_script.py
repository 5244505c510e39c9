"""A person's command on a simulated machine."""

from __future__ import annotations

import pytest

from livchat_sandbox.clock import Clock
from livchat_sandbox.commands import dispatch
from livchat_sandbox.machine.machine import Machine
from tests.contract.sandbox.machine_spec import machine_spec

LINE = (
    "systemd-run --unit=livchat-exec-{} --quiet --wait --pipe --collect -p RuntimeMaxSec=45 "
    "-p TimeoutStopSec=2 -p User=root -p 'WorkingDirectory=~' -- /bin/bash -c 'eval -- \"$(cat)\"'"
)


@pytest.fixture
def machine() -> Machine:
    return Machine.boot(machine_spec(name="a", image="debian-12"), Clock(0))


def run(machine: Machine, script: str, unit: str = "aa") -> tuple[str, str, int]:
    found = dispatch.execute(machine, LINE.format(unit), script.encode())
    out = "".join(text for _, text, error in found.timed_output if not error)
    err = "".join(text for _, text, error in found.timed_output if error)
    return out, err or found.stderr, found.exit_status


@pytest.mark.parametrize(
    ("script", "out", "code"),
    [
        ("nproc", "2\n", 0),
        ("echo 'a; b' c; hostname", "a; b c\na\n", 0),
        ("false && echo no; echo yes", "yes\n", 0),
        ("true && echo yes && exit 3; echo no", "yes\n", 3),
        ("false", "", 1),
        ("\n\nuname -m\n", "x86_64\n", 0),
        ("", "", 0),
        ("seq 3", "1\n2\n3\n", 0),
    ],
)
def test_simple_commands_are_answered(machine: Machine, script: str, out: str, code: int) -> None:
    assert run(machine, script) == (out, "", code)


@pytest.mark.parametrize(
    "script", ["echo $HOME", "ls | wc", "echo a > /b", "`id`", "vim", "sleep soon", "cat *"]
)
def test_what_is_not_simulated_is_127(machine: Machine, script: str) -> None:
    out, err, code = run(machine, script)
    assert (out, code) == ("", 127)
    assert err


def test_what_comes_after_the_end_of_time_does_not_happen(machine: Machine) -> None:
    out, _, code = run(machine, "echo a; sleep infinity; rm -f /etc/hostname; echo b")
    assert (out, code) == ("a\n", 1)
    shown = dispatch.execute(machine, "systemctl show livchat-exec-aa -p LoadState -p ActiveState "
                            "-p SubState -p Result -p ExecMainStatus").stdout  # fmt: skip
    assert "ActiveState=active" in shown
    assert dispatch.execute(machine, "systemctl stop livchat-exec-aa").exit_status == 0
    assert not machine.units


def test_a_unit_that_ended_leaves_nothing(machine: Machine) -> None:
    run(machine, "true")
    machine.advance_to_now()
    assert not machine.units


def test_other_forms_of_piped_units_are_not_simulated(machine: Machine) -> None:
    for line in (LINE.format("zz"), LINE.format("aa").replace("User=root", "User=me")):
        assert dispatch.execute(machine, line, b"true").exit_status == 127
