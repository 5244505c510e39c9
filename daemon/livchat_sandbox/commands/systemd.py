"""systemd on a simulated machine: detached units, and the state of Docker's service."""

from __future__ import annotations

import re
from collections.abc import Callable

from livchat_sandbox.commands.network import DELETE, load
from livchat_sandbox.commands.packages import long_work
from livchat_sandbox.commands.result import Answer, NotSimulated, done, exactly, fail
from livchat_sandbox.docker.state import EngineError
from livchat_sandbox.machine.machine import ENABLED, Machine
from livchat_sandbox.machine.packages import docker_command
from livchat_sandbox.machine.units import Unit, Work

_KEYS = ("LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus")
_SHOWN = [word for key in _KEYS for word in ("-p", key)]
_GENTLE = {"Nice", "CPUWeight", "IOSchedulingClass"}
_SWITCHED = "/etc/systemd/system/"
_FIREWALL = re.compile(r"^ExecStart=/usr/sbin/nft -f (/\S+)$", re.MULTILINE)
_FAILS_AFTER = 20.0
"""Simulated seconds that a unit is at work before a fault ends it."""
_ALWAYS = {"ssh", "cron", "systemd-timesyncd", "systemd-resolved"}


def systemd_run(
    machine: Machine, given: list[str], at_once: Callable[[Machine, list[str]], Answer]
) -> Answer:
    """Start a detached unit; `at_once` answers a command that is no long one."""
    if any(each.startswith("--on-active=") for each in given):
        return _timer(machine, given)
    name, log, argv = _read(given)
    if name in machine.units:
        return fail(
            f"Failed to start transient service unit: Unit {name}.service was already loaded or "
            "has a fragment file."
        )
    work = _spoilt(machine) or _work(machine, argv, at_once)
    if work is None:
        return fail(f"Failed to find executable {argv[0]}: No such file or directory")
    machine.units[name] = Unit(name, argv, log, work, remains="--collect" not in given)
    if log and machine.files.read(log) is None:
        machine.files.write(log, "")
    machine.settle()
    return Answer(stderr=f"Running as unit: {name}.service\n", changed=True)


def _timer(machine: Machine, given: list[str]) -> Answer:
    """A command that runs once, later: only what takes the packet filter's table away."""
    form = ("*", "*", "--timer-property=AccuracySec=1s", "--", "nft", *DELETE)
    name = given[0].removeprefix("--unit=") + ".timer"
    after = given[1].removeprefix("--on-active=")
    if not exactly(given, *form) or not after.isdigit():
        raise NotSimulated("arguments of systemd-run --on-active")
    if name in machine.units:
        return fail(
            f"Failed to start transient timer unit: Unit {name} was already loaded or has a "
            "fragment file."
        )
    # Not scaled: it guards against somebody who is away, and whose time is real.
    work = Work([], machine.clock.now() + int(after), effect="opened")
    machine.units[name] = Unit(name, given[5:], None, work, remains=False)
    return Answer(stderr=f"Running timer as unit: {name}\n", changed=True)


def _read(given: list[str]) -> tuple[str, str | None, list[str]]:
    """The unit's name, the file that takes its output, and its command."""
    cut = given.index("--") if "--" in given else 0
    options, argv = given[:cut], given[cut + 1 :]
    if not argv or not options or not options[0].startswith("--unit="):
        raise NotSimulated("arguments of systemd-run")
    collected = "--collect" in options
    plain = [each for each in options[1:] if not each.startswith("--setenv=")]
    properties = _properties([each for each in plain if each != "--collect"])
    outputs = {
        value.removeprefix("append:")
        for key, value in properties
        if key in {"StandardOutput", "StandardError"} and value.startswith("append:/")
    }
    if (("RemainAfterExit", "yes") in properties) == collected or len(outputs) > 1:
        raise NotSimulated("systemd-run without RemainAfterExit, or with two outputs")
    return _unit(options[0].removeprefix("--unit=")), next(iter(outputs), None), argv


def _properties(options: list[str]) -> list[tuple[str, str]]:
    flags, pairs = options[::2], options[1::2]
    found = [(key, value) for key, _, value in (pair.partition("=") for pair in pairs)]
    known = {"RemainAfterExit", "StandardOutput", "StandardError", *_GENTLE}
    if len(flags) != len(pairs) or set(flags) - {"-p"} or {key for key, _ in found} - known:
        raise NotSimulated("options of systemd-run")
    return found


def _unit(name: str) -> str:
    return name.removesuffix(".service")


def _spoilt(machine: Machine) -> Work | None:
    """The work of a unit that a fault lets fail."""
    spoilt, machine.spoilt = machine.spoilt, None
    if spoilt is None:
        return None
    ends = machine.clock.now() + machine.clock.scaled(_FAILS_AFTER)
    return Work([(ends, line) for line in spoilt[0].splitlines()], ends, code=spoilt[1])


def _work(
    machine: Machine, argv: list[str], at_once: Callable[[Machine, list[str]], Answer]
) -> Work | None:
    if argv[:3] == ["docker", "pull", "--quiet"] and len(argv) == 4:
        return _pull(machine, argv[3])
    work = long_work(machine, argv)
    if work is not None:
        return work
    found = at_once(machine, argv)
    if found.code == 127 and "command not found" in found.stderr:
        return None
    now = machine.clock.now()
    lines = [(now, line) for line in (found.stdout + found.stderr).splitlines()]
    return Work(lines, now + machine.clock.scaled(found.seconds), code=found.code)


def _pull(machine: Machine, image: str) -> Work | None:
    now = machine.clock.now()
    if not docker_command(machine.facts.image, machine.facts.packages):
        return None
    if not machine.engine.held.active:
        return Work([(now, NO_DAEMON)], now, code=1)
    try:
        ready = machine.engine.pull(image, now)
    except EngineError as refusal:
        ends = now + machine.clock.scaled(1.0)
        return Work([(ends, f"Error response from daemon: {refusal}")], ends, code=1)
    return Work([(ready, image)], max(ready, now))


NO_DAEMON = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
    "Is the docker daemon running?"
)


def systemctl(machine: Machine, given: list[str], _stdin: str) -> Answer:
    """Ask for units, stop them, forget failed ones; and Docker's own service."""
    if given[:1] == ["show"] and given[2:] == _SHOWN:
        return _show(machine, _unit(given[1]))
    for form, verb in _VERBS.items():
        if exactly(given, *form, "*"):
            return verb(machine, _unit(given[-1]))
    if given == ["daemon-reload"]:
        return Answer()
    if given[:1] == ["is-enabled"] and given[1:]:
        return _is_enabled(machine, given[1:])
    if given[:2] == ["enable", "--now"] and given[2:]:
        return _enable(machine, given[2:])
    raise NotSimulated("arguments of systemctl")


def _show(machine: Machine, name: str) -> Answer:
    unit = machine.units.get(name)
    loaded, state = "not-found", ("inactive", "dead", "success", 0)
    if unit is not None:
        loaded, state = "loaded", unit.state()
    elif _runs(machine, name):
        loaded, state = "loaded", ("active", "running", "success", 0)
    return Answer(
        f"Result={state[2]}\nExecMainStatus={state[3]}\nLoadState={loaded}\n"
        f"ActiveState={state[0]}\nSubState={state[1]}\n"
    )


def _stop(machine: Machine, name: str) -> Answer:
    if name not in machine.units:
        return fail(f"Failed to stop {name}.service: Unit {name}.service not loaded.", 5)
    machine.stop_unit(name)
    return done(seconds=0.03)


def _reset(machine: Machine, name: str) -> Answer:
    unit = machine.units.get(name)
    if unit is None:
        return fail(
            f"Failed to reset failed state of unit {name}.service: Unit {name}.service not loaded."
        )
    if unit.ended and unit.work.code:
        del machine.units[name]
        return done()
    return Answer()


def _runs(machine: Machine, name: str) -> bool:
    if name in {"docker", "containerd"}:
        return machine.engine.held.active
    return name in _ALWAYS or name in machine.facts.packages


def _is_active(machine: Machine, name: str) -> Answer:
    unit = machine.units.get(name)
    state = unit.state()[0] if unit else "active" if _runs(machine, name) else "inactive"
    return Answer(f"{state}\n", code=0 if state == "active" else 3)


def _is_enabled(machine: Machine, names: list[str]) -> Answer:
    on = machine.facts.enabled
    told = ["enabled" if name in on else "disabled" for name in names if _known(machine, name)]
    missing = [name for name in names if not _known(machine, name)]
    errors = "".join(
        f"Failed to get unit file state for {name}: No such file or directory\n" for name in missing
    )
    return Answer("".join(f"{state}\n" for state in told), errors, int("enabled" not in told))


def _known(machine: Machine, name: str) -> bool:
    return name in ENABLED or machine.files.read(_SWITCHED + name) is not None


def _enable(machine: Machine, names: list[str]) -> Answer:
    """Switch units on; one that loads the packet filter does so."""
    for name in names:
        if not _known(machine, name):
            return _start(machine, _unit(name))
        rules = _FIREWALL.search(machine.files.read(_SWITCHED + name) or "")
        loaded = load(machine, rules[1]) if rules else Answer()
        if loaded.code:
            return fail(
                f"Job for {name} failed because the control process exited with error code."
            )
        machine.facts.enabled = sorted({*machine.facts.enabled, name})
    return done(seconds=0.1)


def _disable(machine: Machine, name: str) -> Answer:
    name = f"{name}.service"
    if not _known(machine, name):
        return fail(f"Failed to disable unit: Unit file {name} does not exist.")
    machine.facts.enabled = [each for each in machine.facts.enabled if each != name]
    if _FIREWALL.search(machine.files.read(_SWITCHED + name) or ""):
        machine.facts.table = None
    return done()


def _start(machine: Machine, name: str) -> Answer:
    if not _runs(machine, name):
        return fail(f"Failed to enable unit: Unit file {name}.service does not exist.")
    return done(seconds=0.5)


_VERBS: dict[tuple[str, ...], Callable[[Machine, str], Answer]] = {
    ("stop",): _stop,
    ("reset-failed",): _reset,
    ("is-active",): _is_active,
    ("disable", "--now"): _disable,
    ("restart",): _start,
}
