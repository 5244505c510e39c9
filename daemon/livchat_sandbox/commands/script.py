"""A person's command on a simulated machine: a script of simple commands, run in a unit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from livchat_sandbox.commands.result import CommandResult, NotSimulated, failure
from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.machine.units import Unit, Work

_ARGUMENTS = re.compile(
    r"--unit=(?P<unit>livchat-exec-[0-9a-f]+) --quiet --wait --pipe --collect"
    r" -p RuntimeMaxSec=(?P<limit>\d+) -p TimeoutStopSec=\d+ -p User=root -p WorkingDirectory=~"
    r' -- /bin/bash -c eval -- "\$\(cat\)"'
)
_PARTS = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|&&|;|\n""", re.DOTALL)

RunCommand = Callable[[Machine, list[str]], CommandResult]
SplitLine = Callable[[str], list[str]]


@dataclass
class Script:
    """A script as it runs: the moment that it has reached, what it printed, and how it ends.

    `now` and `deadline` are seconds since 1970. `printed` holds moment, text, and whether the text
    goes to standard error.
    """

    now: float
    deadline: float
    code: int = 0
    printed: list[tuple[float, str, bool]] = field(default_factory=list)
    ended: bool = False

    def print(self, text: str, *, error: bool = False) -> None:
        """Print a text at the moment that the script has reached."""
        if text:
            self.printed.append((self.now, text, error))

    def wait(self, seconds: float) -> None:
        """Let seconds pass; the script ends with 1 when it reaches its deadline."""
        self.now += seconds
        if self.now >= self.deadline:
            self.now, self.code, self.ended = self.deadline, 1, True


def run_piped(
    machine: Machine, args: list[str], script: str, split_line: SplitLine, run_command: RunCommand
) -> CommandResult:
    """Run a script in a unit; the result's output and end are still to come.

    `run_command` runs one simple command, all of it at once.
    """
    match = _ARGUMENTS.fullmatch(" ".join(args))
    if match is None:
        raise NotSimulated("arguments of systemd-run --pipe")
    name, now = match["unit"], machine.clock.now()
    if name in machine.units:
        return failure(
            f"Failed to start transient service unit: Unit {name}.service already exists."
        )
    run = Script(now=now, deadline=now + int(match["limit"]))
    for operator, part in _split(script):
        if run.ended:
            break
        if operator == ";" or not run.code:
            _run_part(machine, run, part, split_line, run_command)
    work = Work([], run.now, code=run.code)
    machine.units[name] = Unit(name, args, None, work, remains=False)
    return CommandResult(
        exit_status=run.code, unit=name, timed_output=tuple(run.printed), changed=True
    )


def _split(script: str) -> list[tuple[str, str]]:
    """Return the simple commands of a script, each with the operator before it: `;` or `&&`."""
    parts: list[tuple[str, str]] = []
    operator, begin = ";", 0
    for token in _PARTS.finditer(script):
        if token[0] in {"&&", ";", "\n"}:
            parts.append((operator, script[begin : token.start()]))
            operator, begin = ("&&" if token[0] == "&&" else ";"), token.end()
    parts.append((operator, script[begin:]))
    return [(operator, part) for operator, part in parts if part.strip()]


def _run_part(
    machine: Machine, run: Script, part: str, split_line: SplitLine, run_command: RunCommand
) -> None:
    try:
        argv = split_line(part.strip())
        if argv[0] in _BUILTINS:
            _BUILTINS[argv[0]](run, argv[1:])
            return
        result = run_command(machine, argv)
    except NotSimulated as error:
        run.code = 127
        run.print(f"sandbox: not simulated: {error}: {part.strip()}\n", error=True)
        return
    run.wait(machine.clock.scaled(result.seconds))
    run.code = result.exit_status
    run.print(result.stdout)
    run.print(result.stderr, error=True)


def _echo(run: Script, args: list[str]) -> None:
    run.code = 0
    run.print(" ".join(args) + "\n")


def _sleep(run: Script, args: list[str]) -> None:
    if len(args) != 1 or not re.fullmatch(r"\d+(\.\d+)?|infinity", args[0]):
        raise NotSimulated("arguments of sleep")
    run.code = 0
    # Unscaled: a person's deadline is in real seconds too.
    run.wait(float(args[0]))


def _seq(run: Script, args: list[str]) -> None:
    if len(args) != 1 or not re.fullmatch(r"\d{1,6}", args[0]):
        raise NotSimulated("arguments of seq")
    run.code = 0
    run.print("".join(f"{number}\n" for number in range(1, int(args[0]) + 1)))


def _false(run: Script, args: list[str]) -> None:
    del args
    run.code = 1


def _exit(run: Script, args: list[str]) -> None:
    if args and not re.fullmatch(r"\d{1,3}", args[0]):
        raise NotSimulated("arguments of exit")
    run.code = int(args[0]) & 255 if args else run.code
    run.ended = True


_BUILTINS: dict[str, Callable[[Script, list[str]], None]] = {
    "echo": _echo,
    "sleep": _sleep,
    "seq": _seq,
    "false": _false,
    "exit": _exit,
}
