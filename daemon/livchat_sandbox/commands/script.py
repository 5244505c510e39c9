"""A person's command on a simulated machine: a list of simple commands in a unit, fed by stdin."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from livchat_sandbox.commands.result import Answer, NotSimulated, fail
from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.machine.units import Unit, Work

_FORM = re.compile(
    r"--unit=(?P<unit>livchat-exec-[0-9a-f]+) --quiet --wait --pipe --collect"
    r" -p RuntimeMaxSec=(?P<limit>\d+) -p TimeoutStopSec=\d+ -p User=root -p WorkingDirectory=~"
    r' -- /bin/bash -c eval -- "\$\(cat\)"'
)
_PARTS = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|&&|;|\n""", re.DOTALL)

AtOnce = Callable[[Machine, list[str]], Answer]
Words = Callable[[str], list[str]]


@dataclass
class Script:
    """A script as it runs: what it prints when and where, and how it ends."""

    at: float
    limit: float
    code: int = 0
    printed: list[tuple[float, str, bool]] = field(default_factory=list)
    over: bool = False

    def say(self, text: str, *, error: bool = False) -> None:
        """Print something now."""
        if text:
            self.printed.append((self.at, text, error))

    def rest(self, seconds: float) -> None:
        """Let time pass; at its limit the script is ended."""
        self.at += seconds
        if self.at >= self.limit:
            self.at, self.code, self.over = self.limit, 1, True


def piped(machine: Machine, given: list[str], script: str, words: Words, at_once: AtOnce) -> Answer:
    """Start the unit; its output and end are for the session to wait for."""
    asked = _FORM.fullmatch(" ".join(given))
    if asked is None:
        raise NotSimulated("arguments of systemd-run --pipe")
    name, now = asked["unit"], machine.clock.now()
    if name in machine.units:
        return fail(f"Failed to start transient service unit: Unit {name}.service already exists.")
    run = Script(at=now, limit=now + int(asked["limit"]))
    for join, part in _split(script):
        if run.over:
            break
        if join == ";" or not run.code:
            _step(machine, run, part, words, at_once)
    work = Work([], run.at, code=run.code)
    machine.units[name] = Unit(name, given, None, work, remains=False)
    return Answer(code=run.code, unit=name, printed=tuple(run.printed), changed=True)


def _split(script: str) -> list[tuple[str, str]]:
    """The simple commands of a script, each with what stands before it: `;` or `&&`."""
    found: list[tuple[str, str]] = []
    join, begin = ";", 0
    for token in _PARTS.finditer(script):
        if token[0] in {"&&", ";", "\n"}:
            found.append((join, script[begin : token.start()]))
            join, begin = ("&&" if token[0] == "&&" else ";"), token.end()
    found.append((join, script[begin:]))
    return [(join, part) for join, part in found if part.strip()]


def _step(machine: Machine, run: Script, part: str, words: Words, at_once: AtOnce) -> None:
    try:
        given = words(part.strip())
        if given[0] in _BUILTINS:
            _BUILTINS[given[0]](run, given[1:])
            return
        found = at_once(machine, given)
    except NotSimulated as refusal:
        run.code = 127
        run.say(f"sandbox: not simulated: {refusal}: {part.strip()}\n", error=True)
        return
    run.rest(machine.clock.scaled(found.seconds))
    run.code = found.code
    run.say(found.stdout)
    run.say(found.stderr, error=True)


def _echo(run: Script, given: list[str]) -> None:
    run.code = 0
    run.say(" ".join(given) + "\n")


def _sleep(run: Script, given: list[str]) -> None:
    if len(given) != 1 or not re.fullmatch(r"\d+(\.\d+)?|infinity", given[0]):
        raise NotSimulated("arguments of sleep")
    run.code = 0
    # Unscaled: a person's deadline is in real seconds too.
    run.rest(float(given[0]))


def _seq(run: Script, given: list[str]) -> None:
    if len(given) != 1 or not re.fullmatch(r"\d{1,6}", given[0]):
        raise NotSimulated("arguments of seq")
    run.code = 0
    run.say("".join(f"{number}\n" for number in range(1, int(given[0]) + 1)))


def _false(run: Script, given: list[str]) -> None:
    del given
    run.code = 1


def _exit(run: Script, given: list[str]) -> None:
    if given and not re.fullmatch(r"\d{1,3}", given[0]):
        raise NotSimulated("arguments of exit")
    run.code = int(given[0]) & 255 if given else run.code
    run.over = True


_BUILTINS: dict[str, Callable[[Script, list[str]], None]] = {
    "echo": _echo,
    "sleep": _sleep,
    "seq": _seq,
    "false": _false,
    "exit": _exit,
}
