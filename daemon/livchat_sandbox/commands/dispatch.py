"""The commands that a simulated machine answers: the list of docs/remote-commands.md, no more."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from livchat_sandbox.commands import (
    docker,
    docker_stack,
    network,
    packages,
    script,
    system,
    systemd,
)
from livchat_sandbox.commands.result import Answer, NotSimulated
from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.machine.packages import docker_command

Program = Callable[[Machine, list[str], str], Answer]

_UNQUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|[;|&$()><`*?\[~#\n]""", re.DOTALL)
_TWO_WORDS: dict[tuple[str, str], Program] = {
    ("docker", "stack"): docker_stack.stack,
    ("docker", "service"): docker_stack.service,
    ("docker", "ps"): docker_stack.containers,
    ("docker", "inspect"): docker_stack.inspect,
    ("docker", "exec"): docker_stack.execute,
}
_PROGRAMS: dict[str, Program] = {
    **system.PROGRAMS,
    **packages.PROGRAMS,
    **network.PROGRAMS,
    "docker": docker.docker,
    "systemctl": systemd.systemctl,
}


def words(line: str) -> list[str]:
    """The words of a command line; `NotSimulated` if a shell would do more than split it."""
    for token in _UNQUOTED.finditer(line):
        text = token[0]
        if text[0] == '"' and re.search(r"(?<!\\)[$`]", text):
            raise NotSimulated(f"shell syntax in {text}")
        if len(text) == 1:
            raise NotSimulated(f"shell syntax {text!r}")
    try:
        return shlex.split(line)
    except ValueError as error:
        raise NotSimulated(str(error)) from error


def reads_input(line: str) -> bool:
    """Whether a command reads its standard input, which is to be waited for then."""
    try:
        given = words(line)
    except NotSimulated:
        return False
    if given[:1] == ["install"]:
        return "/dev/stdin" in given
    if given[:1] == ["systemd-run"]:
        return "--pipe" in given
    return given[:1] == ["docker"] and ("-" in given or "-i" in given)


def answer(machine: Machine, line: str, stdin: bytes = b"") -> Answer:
    """Answer one command line. It has happened by then; `seconds` is what it takes to answer.

    What is outside the list ends with 127, as a program that is not there.
    """
    machine.settle()
    try:
        given = words(line)
        found = run(machine, given, stdin.decode(errors="surrogateescape"))
    except NotSimulated as refusal:
        return Answer(stderr=f"sandbox: not simulated: {refusal}: {line}\n", code=127)
    if found.changed:
        machine.changed()
    return found


def run(machine: Machine, given: list[str], stdin: str = "") -> Answer:
    """Answer a command that is split into words; `NotSimulated` outside the list."""
    if not given:
        return Answer()
    program, rest = given[0], given[1:]
    if program == "systemd-run" and "--pipe" in rest:
        return script.piped(machine, rest, stdin, words, _at_once)
    if program == "systemd-run":
        return systemd.systemd_run(machine, rest, _at_once)
    missing = program == "docker" and not docker_command(
        machine.facts.image, machine.facts.packages
    )
    if missing or program not in _PROGRAMS:
        return Answer(stderr=f"bash: line 1: {program}: command not found\n", code=127)
    special = _TWO_WORDS.get((program, rest[0])) if rest else None
    return (special or _PROGRAMS[program])(machine, rest, stdin)


def _at_once(machine: Machine, given: list[str]) -> Answer:
    return run(machine, given)
