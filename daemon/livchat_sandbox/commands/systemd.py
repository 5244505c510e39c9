"""systemd on a simulated machine: transient units and timers, and the services of packages."""

from __future__ import annotations

import re
from collections.abc import Callable

from livchat_sandbox.commands.network import DELETE_TABLE, load_table
from livchat_sandbox.commands.packages import package_work
from livchat_sandbox.commands.result import CommandResult, NotSimulated, failure, matches, success
from livchat_sandbox.docker.state import EngineError
from livchat_sandbox.machine.machine import ENABLED_AT_BOOT, Machine
from livchat_sandbox.machine.packages import has_docker_command
from livchat_sandbox.machine.units import Unit, Work

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus")
_SHOW_OPTIONS = [word for key in _PROPERTIES for word in ("-p", key)]
_PRIORITY_PROPERTIES = {"Nice", "CPUWeight", "IOSchedulingClass"}
_UNIT_FILES = "/etc/systemd/system/"
_LOADS_TABLE = re.compile(r"^ExecStart=/usr/sbin/nft -f (/\S+)$", re.MULTILINE)
_FAILURE_SECONDS = 20.0
"""Simulated seconds for which a unit runs before a fault ends it."""
_ALWAYS_RUNNING = {"ssh", "cron", "systemd-timesyncd", "systemd-resolved"}

NO_DOCKER_DAEMON = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
    "Is the docker daemon running?"
)

RunCommand = Callable[[Machine, list[str]], CommandResult]


def systemd_run(machine: Machine, args: list[str], run_command: RunCommand) -> CommandResult:
    """Start a transient unit or timer.

    `run_command` runs a command that takes no time of its own, all of it at once.
    """
    if any(each.startswith("--on-active=") for each in args):
        return _timer(machine, args)
    name, log, argv = _parse(args)
    if name in machine.units:
        return failure(
            f"Failed to start transient service unit: Unit {name}.service was already loaded or "
            "has a fragment file."
        )
    work = _forced_failure(machine) or _work(machine, argv, run_command)
    if work is None:
        return failure(f"Failed to find executable {argv[0]}: No such file or directory")
    machine.units[name] = Unit(name, argv, log, work, remains="--collect" not in args)
    if log and machine.files.read(log) is None:
        machine.files.write(log, "")
    machine.advance_to_now()
    return CommandResult(stderr=f"Running as unit: {name}.service\n", changed=True)


def _timer(machine: Machine, args: list[str]) -> CommandResult:
    """Start a timer, whose only command is to delete the packet filter's table."""
    pattern = ("*", "*", "--timer-property=AccuracySec=1s", "--", "nft", *DELETE_TABLE)
    name = args[0].removeprefix("--unit=") + ".timer"
    after = args[1].removeprefix("--on-active=")
    if not matches(args, *pattern) or not after.isdigit():
        raise NotSimulated("arguments of systemd-run --on-active")
    if name in machine.units:
        return failure(
            f"Failed to start transient timer unit: Unit {name} was already loaded or has a "
            "fragment file."
        )
    # Unscaled: the timer guards against a caller who is gone, and whose time is real.
    work = Work([], machine.clock.now() + int(after), effect="opened")
    machine.units[name] = Unit(name, args[5:], None, work, remains=False)
    return CommandResult(stderr=f"Running timer as unit: {name}\n", changed=True)


def _parse(args: list[str]) -> tuple[str, str | None, list[str]]:
    """Return the unit's name, the file that takes its output, and its command."""
    separator = args.index("--") if "--" in args else 0
    options, argv = args[:separator], args[separator + 1 :]
    if not argv or not options or not options[0].startswith("--unit="):
        raise NotSimulated("arguments of systemd-run")
    collected = "--collect" in options
    other = [each for each in options[1:] if not each.startswith("--setenv=")]
    properties = _properties([each for each in other if each != "--collect"])
    outputs = {
        value.removeprefix("append:")
        for key, value in properties
        if key in {"StandardOutput", "StandardError"} and value.startswith("append:/")
    }
    if (("RemainAfterExit", "yes") in properties) == collected or len(outputs) > 1:
        raise NotSimulated("systemd-run without RemainAfterExit, or with two outputs")
    return _unit_name(options[0].removeprefix("--unit=")), next(iter(outputs), None), argv


def _properties(options: list[str]) -> list[tuple[str, str]]:
    flags, pairs = options[::2], options[1::2]
    properties = [(key, value) for key, _, value in (pair.partition("=") for pair in pairs)]
    known = {"RemainAfterExit", "StandardOutput", "StandardError", *_PRIORITY_PROPERTIES}
    unknown = {key for key, _ in properties} - known
    if len(flags) != len(pairs) or set(flags) - {"-p"} or unknown:
        raise NotSimulated("options of systemd-run")
    return properties


def _unit_name(name: str) -> str:
    return name.removesuffix(".service")


def _forced_failure(machine: Machine) -> Work | None:
    """Return the work of a unit that a fault lets fail, or None."""
    failed, machine.forced_failure = machine.forced_failure, None
    if failed is None:
        return None
    ends = machine.clock.now() + machine.clock.scaled(_FAILURE_SECONDS)
    lines = [(ends, line) for line in failed.message.splitlines()]
    return Work(lines, ends, code=failed.exit_status)


def _work(machine: Machine, argv: list[str], run_command: RunCommand) -> Work | None:
    """Return what a unit's command does from now on, or None if there is no such program."""
    if argv[:3] == ["docker", "pull", "--quiet"] and len(argv) == 4:
        return _pull(machine, argv[3])
    work = package_work(machine, argv)
    if work is not None:
        return work
    result = run_command(machine, argv)
    if result.exit_status == 127 and "command not found" in result.stderr:
        return None
    now = machine.clock.now()
    lines = [(now, line) for line in (result.stdout + result.stderr).splitlines()]
    return Work(lines, now + machine.clock.scaled(result.seconds), code=result.exit_status)


def _pull(machine: Machine, image: str) -> Work | None:
    now = machine.clock.now()
    if not has_docker_command(machine.facts.image, machine.facts.packages):
        return None
    if not machine.engine.state.active:
        return Work([(now, NO_DOCKER_DAEMON)], now, code=1)
    try:
        ready = machine.engine.pull(image, now)
    except EngineError as error:
        ends = now + machine.clock.scaled(1.0)
        return Work([(ends, f"Error response from daemon: {error}")], ends, code=1)
    return Work([(ready, image)], max(ready, now))


def systemctl(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    """Run `systemctl`: show, stop, start, enable and disable units."""
    if args[:1] == ["show"] and args[2:] == _SHOW_OPTIONS:
        return _show(machine, _unit_name(args[1]))
    for pattern, run in _VERBS.items():
        if matches(args, *pattern, "*"):
            return run(machine, _unit_name(args[-1]))
    if args == ["daemon-reload"]:
        return CommandResult()
    if args[:1] == ["is-enabled"] and args[1:]:
        return _is_enabled(machine, args[1:])
    if args[:2] == ["enable", "--now"] and args[2:]:
        return _enable(machine, args[2:])
    raise NotSimulated("arguments of systemctl")


def _show(machine: Machine, name: str) -> CommandResult:
    unit = machine.units.get(name)
    loaded, state = "not-found", ("inactive", "dead", "success", 0)
    if unit is not None:
        loaded, state = "loaded", unit.systemd_state()
    elif _is_running(machine, name):
        loaded, state = "loaded", ("active", "running", "success", 0)
    return CommandResult(
        f"Result={state[2]}\nExecMainStatus={state[3]}\nLoadState={loaded}\n"
        f"ActiveState={state[0]}\nSubState={state[1]}\n"
    )


def _stop(machine: Machine, name: str) -> CommandResult:
    if name not in machine.units:
        return failure(f"Failed to stop {name}.service: Unit {name}.service not loaded.", 5)
    machine.stop_unit(name)
    return success(seconds=0.03)


def _reset(machine: Machine, name: str) -> CommandResult:
    unit = machine.units.get(name)
    if unit is None:
        return failure(
            f"Failed to reset failed state of unit {name}.service: Unit {name}.service not loaded."
        )
    if unit.ended and unit.work.code:
        del machine.units[name]
        return success()
    return CommandResult()


def _is_running(machine: Machine, name: str) -> bool:
    if name in {"docker", "containerd"}:
        return machine.engine.state.active
    return name in _ALWAYS_RUNNING or name in machine.facts.packages


def _is_active(machine: Machine, name: str) -> CommandResult:
    unit = machine.units.get(name)
    state = (
        unit.systemd_state()[0] if unit else "active" if _is_running(machine, name) else "inactive"
    )
    return CommandResult(f"{state}\n", exit_status=0 if state == "active" else 3)


def _is_enabled(machine: Machine, names: list[str]) -> CommandResult:
    enabled = machine.facts.enabled
    states = [
        "enabled" if name in enabled else "disabled"
        for name in names
        if _has_unit_file(machine, name)
    ]
    missing = [name for name in names if not _has_unit_file(machine, name)]
    errors = "".join(
        f"Failed to get unit file state for {name}: No such file or directory\n" for name in missing
    )
    stdout = "".join(f"{state}\n" for state in states)
    return CommandResult(stdout, errors, int("enabled" not in states))


def _has_unit_file(machine: Machine, name: str) -> bool:
    return name in ENABLED_AT_BOOT or machine.files.read(_UNIT_FILES + name) is not None


def _enable(machine: Machine, names: list[str]) -> CommandResult:
    """Enable and start units; one that loads the packet filter's table loads it."""
    for name in names:
        if not _has_unit_file(machine, name):
            return _start(machine, _unit_name(name))
        match = _LOADS_TABLE.search(machine.files.read(_UNIT_FILES + name) or "")
        result = load_table(machine, match[1]) if match else CommandResult()
        if result.exit_status:
            return failure(
                f"Job for {name} failed because the control process exited with error code."
            )
        machine.facts.enabled = sorted({*machine.facts.enabled, name})
    return success(seconds=0.1)


def _disable(machine: Machine, name: str) -> CommandResult:
    name = f"{name}.service"
    if not _has_unit_file(machine, name):
        return failure(f"Failed to disable unit: Unit file {name} does not exist.")
    machine.facts.enabled = [each for each in machine.facts.enabled if each != name]
    if _LOADS_TABLE.search(machine.files.read(_UNIT_FILES + name) or ""):
        machine.facts.table = None
    return success()


def _start(machine: Machine, name: str) -> CommandResult:
    if not _is_running(machine, name):
        return failure(f"Failed to enable unit: Unit file {name}.service does not exist.")
    return success(seconds=0.5)


_VERBS: dict[tuple[str, ...], Callable[[Machine, str], CommandResult]] = {
    ("stop",): _stop,
    ("reset-failed",): _reset,
    ("is-active",): _is_active,
    ("disable", "--now"): _disable,
    ("restart",): _start,
}
