"""Runs the commands of docs/remote-commands.md, and no others, on a simulated machine."""

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
from livchat_sandbox.commands.result import CommandResult, NotSimulated
from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.machine.packages import has_docker_command

Program = Callable[[Machine, list[str], str], CommandResult]

_SHELL_SYNTAX = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|[;|&$()><`*?\[~#\n]""", re.DOTALL)
_SUBCOMMANDS: dict[tuple[str, str], Program] = {
    ("docker", "stack"): docker_stack.stack,
    ("docker", "service"): docker_stack.service,
    ("docker", "ps"): docker_stack.containers,
    ("docker", "inspect"): docker_stack.inspect,
    ("docker", "exec"): docker_stack.exec_psql,
}
_PROGRAMS: dict[str, Program] = {
    **system.PROGRAMS,
    **packages.PROGRAMS,
    **network.PROGRAMS,
    "docker": docker.docker,
    "systemctl": systemd.systemctl,
}


def split_line(line: str) -> list[str]:
    """Return the words of a command line.

    Raises `NotSimulated` if a shell would do more than split it.
    """
    for token in _SHELL_SYNTAX.finditer(line):
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
    """Whether a command reads its standard input, so that it runs only once that has ended."""
    try:
        argv = split_line(line)
    except NotSimulated:
        return False
    if argv[:1] == ["install"]:
        return "/dev/stdin" in argv
    if argv[:1] == ["systemd-run"]:
        return "--pipe" in argv
    return argv[:1] == ["docker"] and ("-" in argv or "-i" in argv)


def execute(machine: Machine, line: str, stdin: bytes = b"") -> CommandResult:
    """Run a command line, and return its result; what it changes is changed when this returns.

    A command that is not simulated ends with 127, as a program that is not installed.
    """
    machine.advance_to_now()
    try:
        argv = split_line(line)
        result = run_program(machine, argv, stdin.decode(errors="surrogateescape"))
    except NotSimulated as error:
        stderr = f"sandbox: not simulated: {error}: {line}\n"
        return CommandResult(stderr=stderr, exit_status=127)
    if result.changed:
        machine.on_change()
    return result


def run_program(machine: Machine, argv: list[str], stdin: str = "") -> CommandResult:
    """Run a command that is split into words; raise `NotSimulated` if it is not simulated."""
    if not argv:
        return CommandResult()
    program, args = argv[0], argv[1:]
    if program == "systemd-run" and "--pipe" in args:
        return script.run_piped(machine, args, stdin, split_line, _run_without_stdin)
    if program == "systemd-run":
        return systemd.systemd_run(machine, args, _run_without_stdin)
    missing = program == "docker" and not has_docker_command(
        machine.facts.image, machine.facts.packages
    )
    if missing or program not in _PROGRAMS:
        stderr = f"bash: line 1: {program}: command not found\n"
        return CommandResult(stderr=stderr, exit_status=127)
    subcommand = _SUBCOMMANDS.get((program, args[0])) if args else None
    return (subcommand or _PROGRAMS[program])(machine, args, stdin)


def _run_without_stdin(machine: Machine, argv: list[str]) -> CommandResult:
    return run_program(machine, argv)
