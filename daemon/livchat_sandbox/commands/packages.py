"""dpkg and apt on a simulated machine: slow, locked by cloud-init, and able to be interrupted."""

from __future__ import annotations

import re

from livchat_sandbox.commands.result import Answer, NotSimulated, done, exactly, fail
from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.machine.packages import (
    KEY,
    KEY_HASH,
    VENDOR,
    available,
    vendor_suite,
    version,
    wanted,
)
from livchat_sandbox.machine.units import Work

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
_FETCH = [
    "8", "/usr/lib/apt/apt-helper", "-q", "-o", "Acquire::http::Timeout=4",
    "-o", "Acquire::https::Timeout=4", "-o", "Acquire::Retries=0", "download-file",
]  # fmt: skip
_PLACE = re.compile(
    rf"https://{re.escape(VENDOR)}/linux/(debian|ubuntu)/(gpg|dists/([a-z]+)/InRelease)"
)
_UPGRADE = ["unattended-upgrade", "-v"]
_UPDATE = 4.0
_UPGRADES = 30.0
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
    if argv == _UPGRADE and "unattended-upgrades" in machine.facts.packages:
        return _upgrade(machine)
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
        if name not in facts.packages
        and not (facts.lists and available(facts.image, name, vendor=facts.vendor))
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


def _upgrade(machine: Machine) -> Work:
    starts = machine.unlocked_at()
    texts = ["Starting unattended upgrades script", "No packages found that can be upgraded"]
    ends = starts + machine.clock.scaled(_UPGRADES)
    return Work(_spread(texts, starts, ends), ends, locks=True)


def _timeout(machine: Machine, given: list[str], _stdin: str) -> Answer:
    """apt-helper, with a limit: Docker's key and indexes are what it can fetch."""
    if given[: len(_FETCH)] != _FETCH or len(given) - len(_FETCH) not in {2, 3}:
        raise NotSimulated("arguments of timeout")
    address, path, *hashes = given[len(_FETCH) :]
    place = _PLACE.fullmatch(address)
    if VENDOR in (machine.files.read("/etc/hosts") or ""):
        return fail(f"E: Failed to fetch {address}  Could not connect to {VENDOR}:443", 100)
    if place is None or (place[3] and not vendor_suite(place[1], place[3])):
        return fail(f"E: Failed to fetch {address}  404  Not Found", 100)
    if hashes and hashes != [f"SHA256:{KEY_HASH}"]:
        return fail(f"E: Failed to fetch {address}  Hash Sum mismatch", 100)
    machine.files.write(path, KEY if place[2] == "gpg" else f"Suite: {place[3]}\n")
    return done(f"Get:1 {address}\n", seconds=0.3)


def _apt_cache(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if not exactly(given, "policy", "*"):
        raise NotSimulated("arguments of apt-cache")
    facts, name = machine.facts, given[1]
    there = facts.packages.get(name, "(none)")
    can = facts.lists and available(facts.image, name, vendor=facts.vendor)
    if not can and name not in facts.packages:
        return Answer()
    candidate = version(facts.image, name) if can else there
    return Answer(f"{name}:\n  Installed: {there}\n  Candidate: {candidate}\n  Version table:\n")


def _apt_mark(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given == ["showhold"]:
        return done("".join(f"{name}\n" for name in sorted(machine.facts.held)))
    if given[:1] != ["hold"] or not given[1:]:
        raise NotSimulated("arguments of apt-mark")
    for name in given[1:]:
        if name not in machine.facts.packages:
            return fail(f"E: No installed or candidate version of package {name} can be held", 100)
    fresh = [name for name in given[1:] if name not in machine.facts.held]
    machine.facts.held += fresh
    return done("".join(f"{name} set on hold.\n" for name in fresh))


def _spread(texts: list[str], starts: float, ends: float) -> list[tuple[float, str]]:
    step = (ends - starts) / max(len(texts), 1)
    return [(starts + step * number, text) for number, text in enumerate(texts)]


PROGRAMS = {
    "dpkg-query": _dpkg_query,
    "dpkg": _dpkg,
    "apt-get": _apt_get,
    "apt-cache": _apt_cache,
    "apt-mark": _apt_mark,
    "timeout": _timeout,
}
