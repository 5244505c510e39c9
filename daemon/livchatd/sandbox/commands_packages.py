"""dpkg and apt on a simulated machine: slow, locked by cloud-init, and able to be interrupted."""

from __future__ import annotations

from livchatd.sandbox.commands_answer import Answer, NotSimulated, fail
from livchatd.sandbox.machine import Machine
from livchatd.sandbox.machine_packages import available, version, wanted
from livchatd.sandbox.machine_units import Work

_APT = ["-o", "DPkg::Lock::Timeout=300"]
_INSTALL = ["install", "-y", "--no-install-recommends"]
_FORMAT = r"${Package} ${Version} ${db:Status-Status}\n"
_LOCKED = (
    "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. "
    "It is held by process 812 (apt-get)..."
)
_INTERRUPTED = (
    "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. "
)
_UPDATE = 4.0
_INSTALL_DOCKER = 18.0
_INSTALL_OTHER = 1.5


def _dpkg_query(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given[:1] != ["-W"] or given[1:2] != [f"-f={_FORMAT}"]:
        raise NotSimulated("arguments of dpkg-query")
    present = machine.facts.packages
    found = [name for name in given[2:] or sorted(present) if name in present]
    unknown = [name for name in given[2:] if name not in present]
    return Answer(
        stdout="".join(f"{name} {present[name]} installed\n" for name in found),
        stderr="".join(f"dpkg-query: no packages found matching {name}\n" for name in unknown),
        code=1 if unknown else 0,
    )


def _dpkg(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given != ["--configure", "-a"]:
        raise NotSimulated("arguments of dpkg")
    if machine.first_boot():
        return fail(
            "dpkg: error: dpkg frontend lock was locked by another process with pid 812", code=2
        )
    changed = machine.facts.interrupted
    machine.facts.interrupted = False
    return Answer(seconds=2.0 if changed else 0.0, changed=changed)


def _apt_get(_machine: Machine, _given: list[str], _stdin: str) -> Answer:
    raise NotSimulated("apt-get outside a unit")


def long_work(machine: Machine, argv: list[str]) -> Work | None:
    """What a long command will do from now on, or None if it is not one of apt's or Docker's."""
    if argv[:3] == ["apt-get", *_APT]:
        rest = argv[3:]
        if rest == ["update"]:
            return _update(machine)
        if rest[:3] == _INSTALL and rest[3:] and not any(word.startswith("-") for word in rest[3:]):
            return _installation(machine, rest[3:])
    if argv == ["dpkg", "--configure", "-a"]:
        starts = machine.unlocked_at()
        return Work([], starts + machine.clock.scaled(1.0), effect="configured", locks=True)
    return None


def _begin(machine: Machine) -> tuple[float, list[tuple[float, str]]]:
    now, starts = machine.clock.now(), machine.unlocked_at()
    return starts, [(now, _LOCKED)] if starts > now else []


def _update(machine: Machine) -> Work:
    starts, lines = _begin(machine)
    ubuntu = machine.facts.image.startswith("ubuntu")
    host = "archive.ubuntu.com/ubuntu" if ubuntu else "deb.debian.org/debian"
    texts = [
        f"Get:1 http://{host} stable InRelease [151 kB]",
        f"Get:2 http://{host} stable-updates InRelease [55.4 kB]",
        f"Get:3 http://{host} stable/main Packages [8,793 kB]",
        "Fetched 9,283 kB in 2s (4,102 kB/s)",
        "Reading package lists...",
    ]
    ends = starts + machine.clock.scaled(_UPDATE)
    return Work([*lines, *_spread(texts, starts, ends)], ends, effect="updated", locks=True)


def _installation(machine: Machine, packages: list[str]) -> Work:
    facts, now = machine.facts, machine.clock.now()
    if facts.interrupted:
        return Work([(now, _INTERRUPTED)], now, code=100)
    unknown = [
        name
        for name in packages
        if name not in facts.packages and not (facts.lists and available(facts.image, name))
    ]
    if unknown:
        return Work(
            [(now, f"E: Unable to locate package {name}") for name in unknown], now, code=100
        )
    starts, lines = _begin(machine)
    fresh = wanted(packages, facts.packages)
    texts = [
        "Reading package lists...",
        "Building dependency tree...",
        f"0 upgraded, {len(fresh)} newly installed, 0 to remove and 0 not upgraded.",
    ]
    for number, name in enumerate(fresh, 1):
        texts.append(
            f"Get:{number} http://deb.debian.org/debian {name} {version(facts.image, name)}"
        )
    for verb in ("Unpacking", "Setting up"):
        texts += [f"{verb} {name} ({version(facts.image, name)}) ..." for name in fresh]
    slow = any(name.startswith("docker") for name in fresh)
    took = _INSTALL_DOCKER if slow else _INSTALL_OTHER * min(len(fresh), 4)
    ends = starts + machine.clock.scaled(took)
    return Work(
        [*lines, *_spread(texts, starts, ends)],
        ends,
        effect="installed",
        names=packages,
        breaks=bool(fresh),
        locks=True,
    )


def _spread(texts: list[str], starts: float, ends: float) -> list[tuple[float, str]]:
    step = (ends - starts) / max(len(texts), 1)
    return [(starts + step * number, text) for number, text in enumerate(texts)]


PROGRAMS = {"dpkg-query": _dpkg_query, "dpkg": _dpkg, "apt-get": _apt_get}
